"""Models of this process: one that was sent here, or what its source gives if that is the same."""

import functools
from dataclasses import dataclass

from toolkit.errors import ToolkitError
from toolkit.models import Model, load_model
from toolkit.models.sending import load_kept

_MODELS_KEPT = 2


class NoModelError(ToolkitError, RuntimeError):
    """There is no way to a model from here."""


@dataclass(frozen=True)
class LacksModel:
    """An engine that has no way to a model."""

    host: str
    """Its machine."""
    number: int
    """Its id in the cluster."""
    reason: str
    """What it tried, and what came of it."""


@functools.lru_cache(maxsize=_MODELS_KEPT)
def hosted_model(source: str, digest: str) -> Model:
    """A model, loaded once per process, on this process's GPU if it has one.

    Parameters
    ----------
    source : str
        What ``load_model`` takes.
    digest : str
        sha256 that the loaded model must have.

    Raises
    ------
    NoModelError
        It cannot be loaded from there, or is another one here. The driver can send it (`Deliveries`).
    """
    import torch

    model = load_kept(digest) or _loaded(source, digest)
    model.network.to("cuda" if torch.cuda.is_available() else "cpu")
    return model


def _loaded(source: str, digest: str) -> Model:
    try:
        model = load_model(source)
    except Exception as error:
        raise NoModelError(f"model {source!r}: {error}") from error
    if model.digest != digest:
        raise NoModelError(f"model {source!r} has digest {model.digest[:16]}… here, {digest[:16]}… is wanted")
    return model
