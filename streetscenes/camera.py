"""Perspective: from places on the street, in metres, to pixels, and back along the rays.

The world's origin lies on the ground under the camera: x points right, y up and z ahead, in metres. The camera looks
level down the street; tilting and panning is done by shifting the frame, so that what is upright stays upright.
"""

import math
from dataclasses import dataclass

import numpy as np

from streetscenes.noise import Floats

Point = tuple[float, float, float]
Pixel = tuple[float, float]

NEAREST = 0.4
"""Metres ahead of the camera; what is nearer is cut off."""
FARTHEST = 1000.0
"""Metres ahead; rays that would meet a plane beyond are taken to end here."""


@dataclass(frozen=True)
class View:
    """How a scene is looked at, in units that hold for any size of the image."""

    focal: float
    """Focal length in heights of an image that is twice as wide as high."""
    horizon: float
    """Place of the horizon, from 0 at the top to 1 at the bottom."""
    centre: float
    """Place of the vanishing point, from 0 at the left to 1 at the right."""
    camera_height: float
    """Metres above the ground."""


@dataclass(frozen=True)
class Camera:
    """A view in an image of a certain size."""

    height: int
    """Rows of the image."""
    width: int
    """Columns of the image."""
    focal: float
    """Focal length, pixels."""
    horizon: float
    """Row of the horizon, pixels."""
    centre: float
    """Column of the vanishing point, pixels."""
    altitude: float
    """Metres above the ground."""

    @classmethod
    def of(cls, view: View, height: int, width: int) -> "Camera":
        """The camera of an image of ``height`` × ``width`` pixels.

        The frame is a window in the same picture plane for every shape of the image: wide ones see more at the sides,
        tall ones more above and below.
        """
        focal = view.focal * (height + width / 2) / 2
        return cls(height, width, focal, view.horizon * height, view.centre * width, view.camera_height)

    def project(self, point: Point) -> Pixel:
        """(column, row) of a point ahead, pixels; the centre of the first pixel is (0.5, 0.5)."""
        x, y, z = point
        return self.centre + self.focal * x / z, self.horizon + self.focal * (self.altitude - y) / z

    def rays(self, rows: np.ndarray, columns: np.ndarray) -> tuple[Floats, Floats]:
        """Rays through pixels: metres rightward ``(1, columns)`` and upward ``(rows, 1)`` per metre ahead."""
        across = (columns - self.centre) / self.focal
        upward = (self.horizon - rows) / self.focal
        return across.astype(np.float32)[None, :], upward.astype(np.float32)[:, None]


def in_front(corners: tuple[Point, ...]) -> list[Point]:
    """The part of a flat polygon that lies ahead of the camera; empty if there is none."""
    if all(corner[2] >= NEAREST for corner in corners):
        return list(corners)
    kept: list[Point] = []
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        if start[2] >= NEAREST:
            kept.append(start)
        if (start[2] >= NEAREST) != (end[2] >= NEAREST):
            share = (NEAREST - start[2]) / (end[2] - start[2])
            kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]), NEAREST))
    return kept


def normal_of(corners: tuple[Point, ...]) -> Point:
    """Unit vector at right angles to a flat polygon; it points to whoever sees the corners go round clockwise."""
    a, b, c = corners[0], corners[1], corners[2]
    first = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
    second = (c[0] - a[0], c[1] - a[1], c[2] - a[2])
    x = first[1] * second[2] - first[2] * second[1]
    y = first[2] * second[0] - first[0] * second[2]
    z = first[0] * second[1] - first[1] * second[0]
    length = math.sqrt(x * x + y * y + z * z)
    return (x / length, y / length, z / length)
