"""Run a network once on a small image, so that what is wrong with it shows when it is loaded."""

import torch
from torch import Tensor, nn

from toolkit.models.definitions import InputRules

_SIDES = (33, 129, 513)
"""Pixels; larger ones are tried where smaller ones are too small for the network."""


class ProbeError(ValueError):
    """A network that does not do what a `Model` promises."""


def probe(network: nn.Module, rules: InputRules) -> Tensor:
    """The logits ``(1, n_classes, h, w)`` that a network gives for an image of noise, always the same.

    Parameters
    ----------
    network : torch.nn.Module
        Run where it lies, in the precision it has.
    rules : InputRules
        Sizes that it takes.

    Returns
    -------
    torch.Tensor
        For the smallest of three images that the network takes.

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
