"""How an image is cut: a grid of slices, their overlap, and the seams between them."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.models import Model
from toolkit.segmentation import Protocol, levels


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

    @property
    def grid(self) -> str:
        """What its grid is called: ``"2x4"``."""
        return f"{self.slices[0]}x{self.slices[1]}"

    def protocol(self, base: Protocol) -> Protocol:
        """A protocol that cuts so and is like another one in all else."""
        return dataclasses.replace(base, mode="slices", slices=self.slices, slice_overlap=self.overlap)

    def __str__(self) -> str:
        rows, columns = self.slices
        return "whole image" if self == UNCUT else f"{rows} × {columns} slices, overlap {self.overlap:g}"


UNCUT = Cut((1, 1), 0.0)


def tiling(sizes: Iterable[tuple[int, int]], protocol: Protocol, model: Model) -> tuple[int, float]:
    """What a protocol makes of images of some sizes (height, width), at least one.

    Returns
    -------
    int
        Most tiles of an image, over all scales.
    float
        Pixels that the network sees per pixel of the rescaled images.
    """
    by_image = [levels(*size, protocol, rules=model.rules) for size in sizes]
    every = [level for image in by_image for level in image]
    seen = sum(len(level.origins) * level.crop[0] * level.crop[1] for level in every)
    rescaled = sum(level.height * level.width for level in every)
    return max(sum(len(level.origins) for level in image) for image in by_image), seen / rescaled


def near_seams(height: int, width: int, slices: tuple[int, int], distance: int) -> npt.NDArray[np.bool_]:
    """The pixels near the lines that part an image into slices.

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    slices : tuple of int
        (rows, columns) of slices of equal size, without overlap; at most as many as there are pixels.
    distance : int
        Pixels on each side of a seam that are near: 1 means those that touch it.

    Returns
    -------
    numpy.ndarray
        bool ``(height, width)``; all False for a single slice.

    Examples
    --------
    >>> near_seams(1, 6, (1, 2), 1).astype(int).tolist()
    [[0, 0, 1, 1, 0, 0]]
    """
    rows, columns = (_near(side, n, distance) for side, n in zip((height, width), slices, strict=True))
    return rows[:, None] | columns


def _near(side: int, n_slices: int, distance: int) -> npt.NDArray[np.bool_]:
    n_slices = min(n_slices, side)
    seams = np.arange(1, n_slices) * (side / n_slices)
    centres = np.arange(side) + 0.5
    return np.asarray(np.abs(centres[:, None] - seams).min(axis=1, initial=np.inf) < distance)
