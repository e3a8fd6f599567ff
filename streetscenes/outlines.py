"""Which pixels a convex polygon covers, and how much of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streetscenes.camera import Pixel
from streetscenes.noise import Floats, limited


@dataclass(frozen=True, eq=False)
class Coverage:
    """A rectangle of pixels, and how a shape covers it."""

    rows: slice
    """Rows of the image, pixels."""
    columns: slice
    """Columns of the image, pixels."""
    share: Floats
    """Covered share of each pixel, 0 to 1; broadcasts to ``(rows, columns)``."""
    inside: np.ndarray
    """Whether the centre of the pixel is covered, where the shape's label goes; broadcasts alike."""

    def without(self, hole: "Coverage | None") -> "Coverage":
        """The same with less of it covered, and its inside as it was."""
        if hole is None:
            return self
        share = np.array(np.broadcast_to(self.share, (_length(self.rows), _length(self.columns))))
        rows = slice(max(hole.rows.start - self.rows.start, 0), hole.rows.stop - self.rows.start)
        columns = slice(max(hole.columns.start - self.columns.start, 0), hole.columns.stop - self.columns.start)
        share[rows, columns] *= 1.0 - hole.share
        return Coverage(self.rows, self.columns, share, self.inside)


def centres(pixels: slice) -> np.ndarray:
    """Centres of a range of rows or columns, float64."""
    return np.arange(pixels.start + 0.5, pixels.stop)


def window(polygon: Sequence[Pixel], rows: slice, width: int, margin: float = 0.5) -> tuple[slice, slice] | None:
    """The rows and columns of a strip of the image that a polygon may touch; None if there are none."""
    upper = min(corner[1] for corner in polygon) - margin
    lower = max(corner[1] for corner in polygon) + margin
    first, last = _pixels_between(upper, lower, rows.start, rows.stop)
    if first >= last:
        return None
    left, right = _extent(polygon, first - margin, last + margin)
    first_column, last_column = _pixels_between(left - margin, right + margin, 0, width)
    if first_column >= last_column:
        return None
    return slice(first, last), slice(first_column, last_column)


def cover(polygon: Sequence[Pixel], rows: slice, width: int, softness: np.ndarray | None = None) -> Coverage | None:
    """How a convex polygon covers the pixels of a strip of the image.

    Parameters
    ----------
    polygon : sequence of (column, row)
        Its corners, pixels, in either direction.
    rows : slice
        The strip.
    width : int
        Columns of the image.
    softness : numpy.ndarray, optional
        Width of its rim in each row of the strip, pixels; without it, one pixel, which smooths the steps and no more.

    Returns
    -------
    Coverage or None
        None if the polygon lies outside or is thinner than anything.
    """
    area = _doubled_area(polygon)
    place = window(polygon, rows, width, 0.5 if softness is None else 0.75 * float(softness.max()))
    if place is None or area == 0.0:
        return None
    sharpness: Floats | float = 1.0
    if softness is not None:
        softness = softness[place[0].start - rows.start : place[0].stop - rows.start]
        sharpness = (1.0 / softness).astype(np.float32)[:, None]
    ys, xs = centres(place[0]), centres(place[1])
    turn = 1.0 if area > 0 else -1.0
    missing, least = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    widest = 1.0 if softness is None else float(softness.max())
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        length = math.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
        if length == 0.0:
            continue
        # Distance from the edge's line into the polygon, pixels.
        scale = turn / length
        across = ((xs - x0) * ((y0 - y1) * scale)).astype(np.float32)
        down = ((ys - y0) * ((x1 - x0) * scale)).astype(np.float32)
        if min(across[0], across[-1]) + min(down[0], down[-1]) > widest / 2:
            continue  # the whole window lies inside this edge
        distance = down[:, None] + across
        least = np.minimum(least, distance)
        missing = missing + limited(0.5 - distance * sharpness)
    return Coverage(place[0], place[1], np.maximum(1.0 - missing, 0.0), least >= 0.0)


def _length(pixels: slice) -> int:
    return int(pixels.stop - pixels.start)


def _pixels_between(low: float, high: float, first: int, last: int) -> tuple[int, int]:
    """The pixels from ``first`` to ``last`` that an interval touches."""
    if not (low < last and high > first):
        return first, first
    return max(first, math.floor(max(low, first))), min(last, math.ceil(min(high, last)))


def _extent(polygon: Sequence[Pixel], upper: float, lower: float) -> tuple[float, float]:
    """The leftmost and rightmost place of a polygon between two rows."""
    places = []
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if upper <= y0 <= lower:
            places.append(x0)
        crossed = (row for row in (upper, lower) if (y0 - row) * (y1 - row) < 0)
        places.extend(x0 + (row - y0) / (y1 - y0) * (x1 - x0) for row in crossed)
    return (min(places), max(places)) if places else (0.0, -1.0)


def _doubled_area(polygon: Sequence[Pixel]) -> float:
    total = 0.0
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        total += x0 * y1 - x1 * y0
    return total
