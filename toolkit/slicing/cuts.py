"""How an image is cut: a grid of slices and their overlap."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from toolkit.models import Model
from toolkit.segmentation import Level, Protocol, levels


@dataclass(frozen=True)
class Cut:
    """A grid of slices and their overlap."""

    slices: tuple[int, int]
    """(rows, columns)."""
    overlap: float
    """Fraction of a slice that it shares with each neighbour; 0 for a single one."""

    @classmethod
    def of(cls, slices: tuple[int, int], overlap: float) -> "Cut":
        """The cut with that overlap; there is only one that leaves an image whole."""
        return cls(slices, 0.0 if slices == (1, 1) else overlap)

    def settings(self) -> dict[str, Any]:
        """The fields of a `Protocol` that say the same."""
        return {"mode": "slices", "slices": self.slices, "slice_overlap": self.overlap}

    def protocol(self, base: Protocol) -> Protocol:
        """A protocol that cuts so and is like another one in all else."""
        return dataclasses.replace(base, **self.settings())


UNCUT = Cut((1, 1), 0.0)


@dataclass(frozen=True)
class Tiling:
    """What a cut makes of some images."""

    n_slices: int
    """Most tiles of an image, over all scales."""
    redundancy: float
    """Pixels that the network sees per pixel of the rescaled images."""

    @classmethod
    def of(cls, sizes: Iterable[tuple[int, int]], protocol: Protocol, model: Model) -> "Tiling":
        """The tiling of images of these sizes (height, width), at least one."""
        by_image = [levels(*size, protocol, rules=model.rules) for size in sizes]
        seen = sum(_seen_pixels(level) for image in by_image for level in image)
        rescaled = sum(level.height * level.width for image in by_image for level in image)
        return cls(max(sum(len(level.origins) for level in image) for image in by_image), seen / rescaled)


def _seen_pixels(level: Level) -> int:
    return len(level.origins) * level.crop[0] * level.crop[1]
