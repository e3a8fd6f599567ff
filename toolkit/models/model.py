"""A network together with what is needed to use it rightly: classes, normalisation, identity."""

from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True)
class Normalization:
    """How RGB values 0…255 become the network's input: ``(x - mean) / std`` per channel."""

    mean: tuple[float, float, float]
    """Channel means, in units of 0…255, RGB."""
    std: tuple[float, float, float]
    """Channel standard deviations, in units of 0…255, RGB."""


@dataclass(frozen=True, eq=False)
class Model:
    """A segmentation network and its definition.

    The network takes normalised RGB ``(n, 3, height, width)`` float32 and gives logits
    ``(n, n_classes, height, width)``. ``load_model`` makes these; build one by hand for networks of your own.
    """

    network: nn.Module
    """The network, in evaluation mode."""
    class_names: tuple[str, ...]
    """Names of the classes, in the order of the network's output channels."""
    normalization: Normalization
    """How pixels become the network's input."""
    name: str = "unnamed"
    """What people call it."""
    digest: str = ""
    """sha256 over weights and definition: equal digests give equal label maps."""
    source: str = ""
    """What ``load_model`` takes to load the same model elsewhere; empty for a model built by hand."""
    palette: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)
    """RGB colour of each class, 0…255; empty if none is customary."""
    size_divisor: int = 1
    """The network takes sides of ``k * size_divisor + size_remainder`` pixels."""
    size_remainder: int = 0
    """See ``size_divisor``: 1 for networks that want sides of 8k + 1."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def accepts(self, side: int) -> bool:
        """Whether the network takes an input whose side is that many pixels."""
        return side >= max(self.size_remainder, 1) and (side - self.size_remainder) % self.size_divisor == 0

    def round_up(self, side: int) -> int:
        """The smallest side, in pixels, that the network takes and that is not below ``side``."""
        steps = -(-(side - self.size_remainder) // self.size_divisor)
        return max(steps, 1 if self.size_remainder == 0 else 0) * self.size_divisor + self.size_remainder
