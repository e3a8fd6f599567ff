"""What a scene is made of, as plain data: flat faces and leafy blobs of some material, gathered into things."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from streetscenes.camera import Point
from streetscenes.draws import Draws
from streetscenes.labels import Label

Color = tuple[float, float, float]
"""Red, green and blue, 0 to 1, as they look in plain daylight."""


@dataclass(frozen=True)
class Grid:
    """Rectangles repeated over a face: windows, paving slabs, bricks, the bars of a fence."""

    pitch: tuple[float, float]
    """Metres from one rectangle to the next, across and up (on the ground: across and ahead)."""
    filled: tuple[float, float, float, float]
    """Left, right, lower and upper end of the rectangle in its cell, 0 to 1."""
    color: Color | None
    """Colour of the rectangles; None: one looks through them."""
    origin: tuple[float, float] = (0.0, 0.0)
    """Where a cell begins, metres in the world."""
    shift: float = 0.0
    """How far every other row is displaced, in cells: 0.5 for bricks."""
    variety: float = 0.0
    """How much the rectangles differ in brightness, 0 to 1."""


@dataclass(frozen=True)
class Material:
    """How a surface looks."""

    color: Color
    """Mean colour."""
    grain: float = 0.03
    """Strength of the fine texture, as a share of the brightness."""
    grain_size: float = 0.05
    """Size of its finest specks, metres."""
    mottle: float = 0.06
    """Strength of the patches, as a share of the brightness."""
    mottle_size: float = 0.8
    """Size of the patches, metres."""
    rise: float = 0.0
    """How much brighter the surface gets per metre upward, as a share of the brightness."""
    glow: float = 0.0
    """Share of the brightness that does not depend on the light: lamps."""
    grids: tuple[Grid, ...] = ()
    """Painted over the surface one after the other."""

    @property
    def is_textured(self) -> bool:
        """Whether it differs from place to place."""
        return bool(self.grids) or self.grain > 0 or self.mottle > 0 or self.rise > 0


@dataclass(frozen=True)
class Face:
    """A flat convex polygon."""

    corners: tuple[Point, ...]
    """Around the polygon, clockwise for whoever stands in front of it."""
    material: Material
    """How it looks."""
    label: Label
    """What it belongs to."""
    hole: tuple[Point, ...] = ()
    """A convex part of it through which one looks, such as the spokes of a wheel; the label holds there, too."""
    one_sided: bool = False
    """Whether it is not there for whoever stands behind it."""


@dataclass(frozen=True)
class Blob:
    """An ellipse with a ragged rim that faces the camera: leaves."""

    centre: Point
    """Its middle, metres."""
    radii: tuple[float, float]
    """Half its width and half its height, metres."""
    material: Material
    """How it looks."""
    label: Label
    """What it belongs to."""
    raggedness: float = 0.5
    """How far the rim is eaten into, as a share of the radii."""


Part = Face | Blob


@dataclass(frozen=True)
class Shadow:
    """A darker place on the ground."""

    outline: tuple[tuple[float, float], ...]
    """(x, z) of the corners of a convex polygon, metres."""
    strength: float
    """0: none; 1: black."""
    softness: float
    """Width of its rim, metres."""


class Layer(IntEnum):
    """How far from the middle of the street something stands; what is farther out is painted first."""

    CAMERA = 0
    """In front of everything."""
    ROAD = 1
    """Driving, or crossing on foot."""
    PARKING = 2
    """At the kerb."""
    PAVEMENT = 3
    """Between the kerb and what bounds the pavement."""
    BOUNDARY = 4
    """Walls and fences."""
    GARDEN = 5
    """Between the pavement and the houses."""
    HOUSES = 6
    """Houses, and parks in their place."""
    SKYLINE = 7
    """At the end of the street."""


@dataclass(frozen=True)
class Thing:
    """Parts that belong together, in the order in which they are painted."""

    parts: tuple[Part, ...]
    """Far ones first."""
    layer: Layer
    """Where it stands."""
    depth: float
    """Metres ahead of the camera; within a layer far things are painted first."""
    footprint: tuple[tuple[float, float], ...] = ()
    """(x, z) of the ground that it stands on, metres; empty: it throws no shadow."""
    height: float = 0.0
    """Metres above the ground, for the shadow."""


@dataclass(frozen=True)
class Frame:
    """A place and a heading in the world; turns (across, up, along) of a thing into (x, y, z)."""

    origin: Point
    """Where (0, 0, 0) of the thing is, metres."""
    heading: tuple[float, float] = (0.0, 1.0)
    """(x, z) of the unit vector along the thing; (0, 1) looks the way of the camera."""

    def place(self, across: float, up: float, along: float = 0.0) -> Point:
        """The point of the world."""
        x, z = self.heading
        return (self.origin[0] + across * z + along * x, self.origin[1] + up, self.origin[2] - across * x + along * z)

    def polygon(self, outline: Iterable[tuple[float, float]], along: float = 0.0) -> tuple[Point, ...]:
        """An upright polygon given as (across, up)."""
        return tuple(self.place(across, up, along) for across, up in outline)


@dataclass(frozen=True)
class Box:
    """A convex body: an outline seen from the side, and its width at each corner."""

    outline: tuple[tuple[float, float], ...]
    """(along, up) of the corners, clockwise for whoever looks from the body's right with its front to the right."""
    half_widths: tuple[float, ...]
    """Half the width at each corner, metres."""

    def sides(self, frame: Frame) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """The right side and the left side."""
        pairs = tuple(zip(self.outline, self.half_widths, strict=True))
        right = tuple(frame.place(half, up, along) for (along, up), half in pairs)
        left = tuple(frame.place(-half, up, along) for (along, up), half in reversed(pairs))
        return right, left

    def hull(self, frame: Frame) -> list[tuple[Point, ...]]:
        """The faces from side to side, one for each edge of the outline."""
        right, left = self.sides(frame)
        left = left[::-1]
        count = len(right)
        return [(right[i], left[i], left[(i + 1) % count], right[(i + 1) % count]) for i in range(count)]


def disc(
    frame: Frame, centre: tuple[float, float], radius: float, *, along: float = 0.0, tall: float = 1.0
) -> tuple[Point, ...]:
    """An upright disc, or an ellipse ``tall`` times as high as wide, as a polygon of sixteen corners."""
    # (1 − t²)/(1 + t²), 2t/(1 + t²) lies on the circle; unlike sines, it is rounded alike on every machine.
    quarter = [((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)) for t in (0.0, 0.1989, 0.4142, 0.6682)]
    circle = [
        *quarter,
        *((-s, c) for c, s in quarter),
        *((-c, -s) for c, s in quarter),
        *((s, -c) for c, s in quarter),
    ]
    return frame.polygon(((centre[0] + radius * c, centre[1] - radius * tall * s) for c, s in circle), along)


def disc_along(frame: Frame, across: float, centre: tuple[float, float], radius: float) -> tuple[Point, ...]:
    """A disc in the plane of the heading, such as a wheel; ``centre`` is (along, up)."""
    turned = Frame(frame.place(across, 0.0, 0.0), (-frame.heading[1], frame.heading[0]))
    return disc(turned, centre, radius)


def inset(corners: tuple[Point, ...], share: float) -> tuple[Point, ...]:
    """A polygon shrunk toward its middle."""
    middle = tuple(_mean([corner[axis] for corner in corners]) for axis in range(3))
    return tuple(
        (
            middle[0] + share * (corner[0] - middle[0]),
            middle[1] + share * (corner[1] - middle[1]),
            middle[2] + share * (corner[2] - middle[2]),
        )
        for corner in corners
    )


def across_the_view(x: float, z: float, draws: Draws) -> tuple[float, float]:
    """A heading for a flat figure at (x, z): seen from its left or its right, more or less, but never edge-on."""
    turn = draws.uniform(-0.45, 0.45)
    side = 1.0 if draws.chance(0.5) else -1.0
    cosine, sine = side * (1 - turn * turn) / (1 + turn * turn), side * 2 * turn / (1 + turn * turn)
    distance = math.sqrt(x * x + z * z)
    return (x * cosine + z * sine) / distance, (z * cosine - x * sine) / distance


def bar(start: tuple[float, float], end: tuple[float, float], width: float) -> tuple[tuple[float, float], ...]:
    """The outline of a straight bar between two points."""
    across, up = end[0] - start[0], end[1] - start[1]
    half = width / 2 / math.sqrt(across * across + up * up)
    side, rise = up * half, -across * half
    return (
        (start[0] - side, start[1] - rise),
        (end[0] - side, end[1] - rise),
        (end[0] + side, end[1] + rise),
        (start[0] + side, start[1] + rise),
    )


def _mean(values: list[float]) -> float:
    # Not sum(): Python 3.12 adds floats in another way than 3.11, and the scenes must be the same.
    total = 0.0
    for value in values:
        total += value
    return total / len(values)
