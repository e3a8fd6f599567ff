"""From a definition to a network with random weights, always the same ones."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from toolkit.models.definitions import NetworkDefinition
from toolkit.models.messages import alternatives, shortened
from toolkit.models.networks import ARCHITECTURES
from toolkit.models.user_code import load_class

_DRAWING = threading.Lock()  # torch has one generator for all threads


class BuildError(ValueError):
    """A network cannot be built from its definition."""


def build_network(definition: NetworkDefinition, *, seed: int = 0, folder: Path | None = None) -> nn.Module:
    """Build a network, in evaluation mode, on the CPU.

    Parameters
    ----------
    definition : NetworkDefinition
        Architecture or code, and arguments.
    seed : int
        Decides the random weights. The process's own random numbers are left as they are.
    folder : pathlib.Path, optional
        Where the code was read from, for tracebacks.

    Returns
    -------
    torch.nn.Module
        Without gradients.

    Raises
    ------
    BuildError
        There is no such architecture, or it does not take these arguments.
    UserCodeError
        The user's file cannot be run, or has no such class.
    ImportError
        The architecture is another package's, and that is not installed.
    """
    build: Callable[..., nn.Module]
    if definition.code is not None:
        build = load_class(definition.code, (folder or Path()) / definition.code.file)
    elif definition.architecture in ARCHITECTURES:
        build = ARCHITECTURES[definition.architecture]
    else:
        raise BuildError(
            f"{definition.title} is unknown; there are {alternatives(definition.architecture, ARCHITECTURES)}"
        )
    try:
        with _seeded(seed):
            network = build(**definition.arguments)
    except ModuleNotFoundError as error:
        raise ImportError(f"{definition.title} needs the package {error.name!r}, which is not installed") from error
    except Exception as error:  # another package's, or the user's: it may raise anything
        raise BuildError(
            f"{definition.title} does not take the arguments {shortened(definition.arguments)}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return network.eval().requires_grad_(False)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from a seed, and leave the process's random numbers as they were."""
    with _DRAWING:
        state = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs as well
        try:
            yield
        finally:
            torch.default_generator.set_state(state)
