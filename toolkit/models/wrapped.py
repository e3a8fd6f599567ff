"""Networks of other packages behind our contract, with weights named as their own package names them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class WrappedNetwork(nn.Module):
    """Base of networks that only adapt another package's network.

    Weights go in and out under the names of the wrapped network, so that published files fit and bundles are free of
    the wrapping.

    Parameters
    ----------
    wrapped : torch.nn.Module
        The other package's network.
    arguments : mapping
        What this network was built with.
    """

    size_divisor: int = 1
    size_remainder: int = 0
    align_corners: bool = False
    least_side: int = 1
    wrapped: Any  # a module whose attributes are the other package's

    def __init__(self, wrapped: nn.Module, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.wrapped = wrapped
        self.arguments = dict(arguments)

    def published_weights(self) -> dict[str, Tensor]:
        """The wrapped network's weights, by its own names."""
        weights: dict[str, Tensor] = dict(self.wrapped.state_dict())
        return weights

    def put_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load weights by those names; all must be there."""
        self.wrapped.load_state_dict(dict(tensors), strict=True)


def published_weights(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights under the names by which they are published."""
    return network.published_weights() if isinstance(network, WrappedNetwork) else dict(network.state_dict())


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load weights under the names by which they are published; all must be there."""
    if isinstance(network, WrappedNetwork):
        network.put_weights(tensors)
    else:
        network.load_state_dict(dict(tensors), strict=True)
