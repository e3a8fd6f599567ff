"""Houses along the street, and the walls and fences between them."""

from dataclasses import dataclass, replace

from streetscenes.camera import Point
from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.layout import KERB
from streetscenes.parts import Color, Face, Grid, Material, Part

_PLASTER: tuple[Color, ...] = (
    *((0.78, 0.74, 0.66), (0.70, 0.62, 0.48), (0.66, 0.66, 0.65), (0.74, 0.66, 0.60), (0.58, 0.60, 0.62)),
    *((0.82, 0.81, 0.78), (0.62, 0.50, 0.40), (0.50, 0.56, 0.52), (0.45, 0.44, 0.43), (0.64, 0.48, 0.44)),
)
_BRICK: tuple[Color, ...] = ((0.48, 0.26, 0.20), (0.42, 0.30, 0.24), (0.56, 0.42, 0.32), (0.34, 0.28, 0.27))
_ROOFS: tuple[Color, ...] = ((0.38, 0.20, 0.16), (0.28, 0.27, 0.28), (0.45, 0.30, 0.22), (0.20, 0.21, 0.23))
_STONE: tuple[Color, ...] = ((0.52, 0.51, 0.49), (0.60, 0.56, 0.50), (0.44, 0.43, 0.42), (0.46, 0.34, 0.28))
_WOOD: tuple[Color, ...] = ((0.36, 0.26, 0.18), (0.52, 0.44, 0.34), (0.78, 0.77, 0.74), (0.26, 0.32, 0.24))

_TOO_HIGH_FOR_A_SECOND = 1000.0


@dataclass(frozen=True)
class Plot:
    """Where a house stands: the side of the street, and its place along it."""

    side: int
    """1: right; −1: left."""
    front: float
    """Metres from the camera's axis to the front."""
    near: float
    """Metres ahead to its near end."""
    far: float
    """Metres ahead to its far end."""

    def along(self, low: float, high: float, near: float, far: float, *, back: float = 0.0) -> tuple[Point, ...]:
        """An upright rectangle along the street that faces it."""
        x = self.side * (self.front + back)
        corners = ((x, low, near), (x, high, near), (x, high, far), (x, low, far))
        # On the right, the near end is on the right of whoever looks at it.
        return corners[::-1] if self.side > 0 else corners

    def end(self, low: float, high: float, depth: float, *, start: float = 0.0) -> tuple[Point, ...]:
        """The upright rectangle of the near end, ``depth`` metres deep."""
        outer, inner = self.side * (self.front + depth), self.side * (self.front + start)
        left, right = min(outer, inner), max(outer, inner)
        return ((left, low, self.near), (left, high, self.near), (right, high, self.near), (right, low, self.near))


def house(plot: Plot, height: float, draws: Draws) -> tuple[Part, ...]:
    """A house with windows, a ground floor that may hold shops, and a flat or a pitched roof."""
    storey = draws.uniform(2.9, 3.7)
    storeys = max(1, int(height / storey))
    ground, top = storey * draws.uniform(1.05, 1.35), storey * (storeys + 0.35)
    wall = _wall_material(draws)
    windows = _windows(draws, storey, ground)
    depth = draws.uniform(9.0, 14.0)
    along = _anchored(windows, plot.near)
    across = _anchored(windows, plot.side * plot.front)
    face, label = _with(wall, along), Label.BUILDING
    parts: list[Part] = []
    pitched = draws.chance(0.45) and top < 14
    if pitched:
        parts += _roof(plot, top, depth, draws)
    end = plot.end(KERB, top, depth)
    parts.append(Face(end, _with(wall, across) if draws.chance(0.5) else wall, label, one_sided=True))
    parts.append(Face(plot.along(KERB, top, plot.near, plot.far), face, label, one_sided=True))
    trim = Material(_faded(draws.choice(_PLASTER), draws, 0.8, 1.15))
    # The ground floor, over the lowest storey's windows.
    if draws.chance(0.55):
        parts.append(
            Face(plot.along(KERB, ground, plot.near, plot.far), _shops(plot, ground, draws), label, one_sided=True)
        )
        sign_low, sign_high = ground * 0.80, ground * 0.98
        sign = Material(_faded((0.5, 0.4, 0.35), draws, 0.4, 1.6), mottle=0.2, mottle_size=2.0)
        width = plot.far - plot.near
        parts.append(
            Face(
                plot.along(sign_low, sign_high, plot.near + 0.08 * width, plot.far - 0.1 * width, back=-0.06),
                sign,
                label,
                one_sided=True,
            )
        )
    else:
        parts += _door(plot, draws)
        parts.append(Face(plot.along(KERB, 0.7, plot.near, plot.far, back=-0.03), trim, label, one_sided=True))
    if not pitched:
        parts.append(
            Face(plot.along(top - 0.4, top + 0.1, plot.near, plot.far, back=-0.25), trim, label, one_sided=True)
        )
        parts.append(Face(plot.end(top - 0.4, top + 0.1, depth, start=-0.25), trim, label, one_sided=True))
    return tuple(parts)


def wall(plot: Plot, draws: Draws) -> tuple[Part, ...]:
    """A wall along the street."""
    height = draws.uniform(1.3, 2.6)
    color = _faded(draws.choice(_STONE), draws, 0.85, 1.15)
    joint = (color[0] * 1.15, color[1] * 1.12, color[2] * 1.08)
    stones = Grid(
        (draws.uniform(0.5, 1.2), draws.uniform(0.2, 0.4)), (0.03, 0.97, 0.06, 0.94), color, shift=0.5, variety=0.2
    )
    material = Material(joint, grain=0.08, mottle=0.12, mottle_size=1.5, grids=(stones,))
    cap = Material(_faded(color, draws, 0.8, 1.2))
    return (
        Face(plot.end(KERB, height, 0.35), material, Label.WALL, one_sided=True),
        Face(plot.along(KERB, height, plot.near, plot.far), material, Label.WALL, one_sided=True),
        Face(plot.along(height - 0.12, height, plot.near, plot.far, back=-0.04), cap, Label.WALL, one_sided=True),
    )


def fence(plot: Plot, draws: Draws) -> tuple[Part, ...]:
    """A fence along the street: bars or planks with gaps, or wire between posts."""
    height = draws.uniform(1.0, 2.0)
    material = Material(_faded(draws.choice(_WOOD), draws, 0.7, 1.1), grain=0.08, mottle=0.1)
    pitch, gap = draws.choice(((0.12, 0.72), (0.16, 0.35), (0.13, 0.6), (0.30, 0.86)))
    gaps = Grid((pitch, _TOO_HIGH_FOR_A_SECOND), (0.0, gap, 0.0, 1.0), None)
    face = plot.along(KERB, height, plot.near, plot.far)
    posts = Grid((2.4, _TOO_HIGH_FOR_A_SECOND), (0.06, 1.0, 0.0, 1.0), None)
    rails: list[Part] = [
        Face(plot.along(low, low + 0.09, plot.near, plot.far, back=-0.01), material, Label.FENCE)
        for low in (0.15, height - 0.25)
    ]
    return (
        Face(face, replace(material, grids=(gaps,)), Label.FENCE),
        Face(face, replace(material, grids=(posts,)), Label.FENCE),
        *rails,
    )


def skyline(draws: Draws) -> list[Part]:
    """Houses at the end of the street."""
    parts: list[Part] = []
    x = -110.0
    while x < 110.0:
        width, height = draws.uniform(9, 24), draws.uniform(7, 26)
        wall = _wall_material(draws)
        windows = _windows(draws, 3.2, 3.4)
        z = 250.0 + draws.uniform(0, 20)
        corners = ((x, -3.0, z), (x, height, z), (x + width, height, z), (x + width, -3.0, z))
        parts.append(Face(corners, _with(wall, _anchored(windows, x)), Label.BUILDING))
        x += width * draws.uniform(0.8, 1.15)
    return parts


def _wall_material(draws: Draws) -> Material:
    if draws.chance(0.3):
        color = _faded(draws.choice(_BRICK), draws, 0.85, 1.2)
        mortar = (color[0] * 1.2, color[1] * 1.3, color[2] * 1.35)
        bricks = Grid((0.42, 0.16), (0.04, 0.96, 0.08, 0.92), color, shift=0.5, variety=0.12)
        return Material(mortar, grain=0.06, mottle=0.08, mottle_size=3.0, grids=(bricks,))
    color = _faded(draws.choice(_PLASTER), draws, 0.75, 1.12)
    return Material(color, grain=0.04, mottle=draws.uniform(0.03, 0.12), mottle_size=draws.uniform(1.5, 5.0))


def _windows(draws: Draws, storey: float, ground: float) -> tuple[Grid, Grid]:
    """Frames and the panes in them."""
    bay = draws.uniform(1.9, 3.6)
    wide = draws.choice((draws.uniform(0.35, 0.6), draws.uniform(0.75, 0.97)))
    left, right = (1 - wide) / 2, (1 + wide) / 2
    low, high = draws.uniform(0.22, 0.34), draws.uniform(0.74, 0.88)
    rim, rise = 0.10 / bay, 0.10 / storey
    frame = _faded((0.72, 0.71, 0.68), draws, 0.4, 1.25)
    sky = draws.uniform(0.10, 0.36)
    origin = (0.0, ground)
    return (
        Grid((bay, storey), (left - rim / 2, right + rim / 2, low - rise, high + rise / 2), frame, origin),
        Grid((bay, storey), (left, right, low, high), (sky * 0.92, sky, sky * 1.12), origin, variety=0.55),
    )


def _anchored(windows: tuple[Grid, Grid], start: float) -> tuple[Grid, Grid]:
    """The same windows, counted from a corner of the house."""
    frames, panes = windows
    return (
        replace(frames, origin=(start, frames.origin[1])),
        replace(panes, origin=(start, panes.origin[1])),
    )


def _with(wall: Material, windows: tuple[Grid, Grid]) -> Material:
    return replace(wall, grids=(*wall.grids, *windows))


def _shops(plot: Plot, ground: float, draws: Draws) -> Material:
    """Wide panes between pillars."""
    pitch = draws.uniform(2.5, 4.5)
    pane = draws.uniform(0.10, 0.3)
    panes = Grid(
        (pitch, 60.0),
        (0.08, 0.92, 0.35 / 60, ground * 0.78 / 60),
        (pane * 1.05, pane, pane),
        (plot.near, 0.0),
        variety=0.5,
    )
    return Material(_faded(draws.choice(_STONE), draws, 0.6, 1.2), grids=(panes,))


def _door(plot: Plot, draws: Draws) -> list[Part]:
    width = plot.far - plot.near
    middle = plot.near + width * draws.uniform(0.2, 0.8)
    wood = Material(_faded(draws.choice(_WOOD), draws, 0.5, 1.0))
    return [Face(plot.along(KERB, 2.3, middle - 0.6, middle + 0.6, back=-0.02), wood, Label.BUILDING, one_sided=True)]


def _roof(plot: Plot, top: float, depth: float, draws: Draws) -> list[Part]:
    """A ridge along the street: the slope toward it, and the gable."""
    color = _faded(draws.choice(_ROOFS), draws, 0.8, 1.2)
    tiles = Grid((50.0, 0.35), (0.0, 1.0, 0.0, 0.25), (color[0] * 0.7, color[1] * 0.7, color[2] * 0.7))
    material = Material(color, grain=0.1, mottle=0.12, mottle_size=2.0, grids=(tiles,))
    ridge = top + draws.uniform(1.8, 3.6)
    eaves, middle = plot.side * (plot.front - 0.35), plot.side * (plot.front + depth / 2)
    back = plot.side * (plot.front + depth)
    near, far = plot.near - 0.2, plot.far + 0.2
    slope = ((eaves, top, near), (middle, ridge, near), (middle, ridge, far), (eaves, top, far))
    gable = ((eaves, top, plot.near), (middle, ridge, plot.near), (back, top, plot.near))
    return [
        Face(gable, Material(_faded(draws.choice(_PLASTER), draws, 0.8, 1.1)), Label.BUILDING),
        Face(slope, material, Label.BUILDING),
    ]


def _faded(color: Color, draws: Draws, low: float, high: float) -> Color:
    fade = draws.uniform(low, high)
    return (min(color[0] * fade, 0.96), min(color[1] * fade, 0.96), min(color[2] * fade, 0.96))
