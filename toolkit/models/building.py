"""From a recipe to a network that has its weights and was tried once, so that what is wrong shows when it is loaded."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from toolkit.models.definitions import InputRules, NetworkDefinition
from toolkit.models.errors import BuildError, ProbeError, UserCodeError, alternatives, shortened
from toolkit.models.providers import ARCHITECTURES
from toolkit.models.recipes import Recipe
from toolkit.models.sigmoid import SigmoidNetwork, two_classes
from toolkit.models.user_code import load_class
from toolkit.models.usual_torch import usual_torch

_ONE_CHANNEL = (
    "the network has one output channel, and the softmax of one makes every pixel its only class; if it is the logit "
    'of one class against all else, say so: output=sigmoid in a name, "output": "sigmoid" in model.json'
)
_DRAWING = threading.Lock()  # torch has one generator for all threads
_SIDES = (33, 129, 513)
"""Pixels of the images that networks are tried on; larger ones where smaller ones are too small for the network."""


@usual_torch()
def follow(recipe: Recipe) -> tuple[nn.Module, InputRules, tuple[str, ...]]:
    """Make the network of a recipe, and try it.

    Returns
    -------
    network, rules, class_names
        The network in evaluation mode, on the CPU, with its weights; how it is used; its classes.

    Raises
    ------
    ModelError
        Of the recipe's own kind where the network cannot be built or does not do what it must, and whatever the recipe
        raises for weights that do not fit.
    """
    definition = replace(recipe.definition, arguments={**recipe.definition.arguments, **recipe.at_first})
    try:
        network = _build_network(definition, seed=recipe.seed)
        if recipe.put_weights is not None:
            recipe.put_weights(network)
        if definition.output == "sigmoid":
            network = SigmoidNetwork(network)
        rules = _rules(network, recipe)
        n_outputs = probe(network, rules).shape[1]
    except (BuildError, UserCodeError, ProbeError) as error:
        raise recipe.refusal(f"{recipe.title}: {error}") from (error.__cause__ or error)
    if n_outputs == 1:
        raise recipe.refusal(f"{recipe.title}: {_ONE_CHANNEL}")
    found = {origin: tuple(names) for origin, names in recipe.class_names.items() if names}
    if definition.output == "sigmoid":
        found = {origin: two_classes(names) for origin, names in found.items()}
    for origin, names in found.items():
        if len(names) != n_outputs:
            raise recipe.refusal(f"{recipe.title}: {origin} has {len(names)} classes, the network {n_outputs}")
    return network, rules, next(iter(found.values()), tuple(f"class {index}" for index in range(n_outputs)))


def _rules(network: nn.Module, recipe: Recipe) -> InputRules:
    try:
        return InputRules(**{**vars(InputRules.of(network)), **recipe.rules})
    except (TypeError, ValueError) as error:
        raise ProbeError(str(error)) from error


def _build_network(definition: NetworkDefinition, *, seed: int = 0) -> nn.Module:
    """Build a network, in evaluation mode, on the CPU, without gradients, its random weights decided by the seed.

    Raises
    ------
    BuildError
        There is no such architecture, or it does not take these arguments.
    UserCodeError
        The user's file cannot be run, or has no such class.
    ImportError
        The architecture is another package's, and that is not installed.
    """
    build: Callable[..., nn.Module] | None = ARCHITECTURES.get(definition.architecture)
    if definition.code is not None:
        build = load_class(definition.code)
    if build is None:
        known = alternatives(definition.architecture, ARCHITECTURES)
        raise BuildError(f"{definition.title} is unknown; there are {known}")
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


@usual_torch()
def probe(network: nn.Module, rules: InputRules) -> Tensor:
    """The logits ``(1, n_classes, h, w)`` that a network gives for an image of noise, always the same.

    It runs where it lies, in the precision it has, on the smallest of three images that it takes.

    Raises
    ------
    ProbeError
        The network fails, or gives something else than logits.
    """
    failure: Exception | None = None
    for side in map(rules.round_up, _SIDES):
        image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():  # networks keep tensors, which must remain usable outside of inference mode
                logits = network(_like_parameters(image, network))
        except Exception as error:  # noqa: BLE001  another package's network, or the user's: it may raise anything
            failure = failure or error
            continue
        return _checked(logits, image)
    side = rules.round_up(_SIDES[0])
    raise ProbeError(
        f"the network fails on an image of {side} × {side} pixels: {type(failure).__name__}: {failure}"
    ) from failure


def _like_parameters(image: Tensor, network: nn.Module) -> Tensor:
    for parameter in network.parameters():
        if parameter.is_floating_point():
            return image.to(parameter.device, parameter.dtype)
    return image


def _checked(logits: object, image: Tensor) -> Tensor:
    if not isinstance(logits, Tensor):
        raise ProbeError(f"the network gives {type(logits).__name__}, not a tensor of logits")
    if logits.ndim != 4 or len(logits) != 1:
        raise ProbeError(
            f"the network gives {tuple(logits.shape)} for {tuple(image.shape)}; it must give (1, n_classes, h, w)"
        )
    return logits
