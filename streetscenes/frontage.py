"""What lines the street: houses and their gardens, parks, walls and fences."""

from streetscenes import buildings, plants
from streetscenes.buildings import Plot
from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.layout import KERB, Layout, Side
from streetscenes.parts import Face, Frame, Layer, Material, Part, Thing
from streetscenes.pavement import tree_at

_END = 235.0


def lining(side: Side, layout: Layout, draws: Draws) -> list[Thing]:
    """One side of the street from behind the camera to its end."""
    things: list[Thing] = []
    typical = draws.uniform(6.0, 20.0)
    leafy = draws.choice((0.05, 0.15, 0.3, 0.6))
    z = draws.uniform(-14.0, -4.0)
    while z < _END:
        width = draws.uniform(8.0, 22.0) * (2.0 if z > 90 else 1.0)
        near, far = z, z + width
        z = far + (draws.uniform(0.5, 5.0) if draws.chance(0.3) else 0.0)
        if layout.crossing is not None:
            if near < layout.crossing.near < far:
                far, z = layout.crossing.near - 1.0, layout.crossing.far + 1.0
            elif layout.crossing.near <= near < layout.crossing.far:
                z = layout.crossing.far + 1.0
                continue
        if far - near < 3.0:
            continue
        plot = Plot(side.sign, side.front, near, far)
        if draws.chance(leafy):
            things += _park(side, plot, draws)
        else:
            height = typical * draws.uniform(0.6, 1.4)
            parts = buildings.house(plot, height, draws)
            things.append(Thing(parts, Layer.HOUSES, near, _ground_of(plot, 10.0), height))
            if side.front > side.walk + 2.0:
                things += _garden(side, plot, draws)
    return things


def end_of_street(draws: Draws) -> list[Thing]:
    """A line of trees or hills on the horizon, and houses before it."""
    leaves = plants.draw_foliage(draws)
    ridge = draws.uniform(4.0, 12.0)
    hills = Material(leaves.color, 0.3, 0.4, 0.35, 12.0)
    wide, far = 700.0, 300.0
    corners = ((-wide, -4.0, far), (-wide, ridge, far), (wide, ridge, far), (wide, -4.0, far))
    parts: list[Part] = [Face(corners, hills, Label.VEGETATION)]
    return [Thing((*parts, *buildings.skyline(draws)), Layer.SKYLINE, far)]


def _park(side: Side, plot: Plot, draws: Draws) -> list[Thing]:
    """Trees and bushes on grass, often behind a wall or a fence."""
    things: list[Thing] = []
    for _ in range(draws.integer(2, 5)):
        x = side.sign * (side.front + draws.uniform(1.5, 14.0))
        z = draws.uniform(max(plot.near, 1.5), plot.far) if plot.far > 2.0 else plot.far
        parts = plants.tree(Frame((x, KERB, z)), plants.draw_foliage(draws), draws)
        things.append(tree_at(x, z, parts, Layer.HOUSES))
    things += _boundary(Plot(side.sign, side.walk, plot.near, plot.far), draws, 0.7)
    return things


def _garden(side: Side, plot: Plot, draws: Draws) -> list[Thing]:
    """Bushes or a tree before a house, often behind a wall or a fence."""
    things: list[Thing] = []
    for _ in range(draws.integer(0, 3)):
        x = side.sign * draws.uniform(side.walk + 0.8, side.front - 0.6)
        z = draws.uniform(max(plot.near, 1.5), max(plot.far, 1.6))
        leaves = plants.draw_foliage(draws)
        frame = Frame((x, KERB, z))
        if draws.chance(0.25):
            things.append(tree_at(x, z, plants.tree(frame, leaves, draws), Layer.GARDEN))
        else:
            things.append(Thing(plants.bush(frame, leaves, draws), Layer.GARDEN, z))
    return things + _boundary(Plot(side.sign, side.walk, plot.near, plot.far), draws, 0.65)


def _boundary(plot: Plot, draws: Draws, often: float) -> list[Thing]:
    if not draws.chance(often):
        return []
    parts = (buildings.wall if draws.chance(0.5) else buildings.fence)(plot, draws)
    return [Thing(parts, Layer.BOUNDARY, plot.near, _ground_of(plot, 0.2), 1.4)]


def _ground_of(plot: Plot, depth: float) -> tuple[tuple[float, float], ...]:
    inner, outer = plot.side * plot.front, plot.side * (plot.front + depth)
    return ((inner, plot.near), (inner, plot.far), (outer, plot.far), (outer, plot.near))
