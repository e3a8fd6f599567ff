"""Networks of one output channel, whose sigmoid is the probability of one class, as networks of two classes."""

from typing import Any

import torch
from torch import Tensor, nn

from toolkit.models.definitions import InputRules
from toolkit.models.wrapped import WrappedNetwork, published_weights, put_weights

BACKGROUND = "background"


class SigmoidNetwork(WrappedNetwork):
    """Normalised RGB ``(n, 3, height, width)`` → logits ``(n, 2, h, w)``: of what is not the class, and of what is.

    The first is 0 throughout, so that the softmax of both is the sigmoid of the second: ``1 / (1 + exp(-x))``.

    Parameters
    ----------
    network : torch.nn.Module
        Gives logits ``(n, 1, h, w)``, before the sigmoid.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network, getattr(network, "arguments", {}))
        for name, value in vars(InputRules.of(network)).items():
            setattr(self, name, value)
        self.train(network.training)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of two classes.

        Raises
        ------
        ValueError
            The network has other than one channel.
        """
        logits: Any = self.wrapped(image)
        if not isinstance(logits, Tensor) or logits.ndim != 4 or logits.shape[1] != 1:
            given = f"logits {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"output=sigmoid is for one channel, (n, 1, height, width), but the network gives {given}; of several "
                "sigmoids more than one may be on at a pixel, which has one class here"
            )
        return torch.cat([torch.zeros_like(logits), logits], dim=1)

    def published_weights(self) -> dict[str, Tensor]:
        return published_weights(self.wrapped)

    def put_weights(self, tensors: Any) -> None:
        put_weights(self.wrapped, tensors)


def two_classes(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of both classes, where only that of the second may be given."""
    return (BACKGROUND, *names) if len(names) == 1 else names
