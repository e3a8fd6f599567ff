"""What stands and walks on the pavement: trees, lamps, lights, signs, people, bicycles."""

from collections.abc import Callable

from streetscenes import furniture, people, plants
from streetscenes.draws import Draws
from streetscenes.layout import KERB, Layout, Side
from streetscenes.parts import Frame, Layer, Part, Thing, across_the_view
from streetscenes.shadows import footprint


def planted(side: Side, layout: Layout, draws: Draws) -> list[Thing]:
    """A row of trees and lamps at the kerb."""
    things: list[Thing] = []
    trees, lamps = draws.chance(0.55), draws.chance(0.8)
    leaves = plants.draw_foliage(draws)
    x = side.sign * (side.kerb + draws.uniform(0.5, 0.9))
    pitch = draws.uniform(8.0, 14.0)
    lamp_height = draws.uniform(5.5, 9.0)
    z = draws.uniform(3.0, 12.0)
    number = 0
    while z < 120.0:
        number += 1
        if not layout.in_crossing(z - 1.5, z + 1.5):
            frame = Frame((x, KERB, z))
            if lamps and number % 3 == 1:
                parts = furniture.lamp_post(frame, draws, toward=-side.sign, height=lamp_height)
                things.append(Thing(parts, Layer.PAVEMENT, z, footprint(x, z, 0.18, 0.18), lamp_height))
            elif trees and draws.chance(0.85):
                things.append(tree_at(x, z, plants.tree(frame, leaves, draws), Layer.PAVEMENT))
        z += pitch * draws.uniform(0.85, 1.15)
    return things


def tree_at(x: float, z: float, parts: tuple[Part, ...], layer: Layer) -> Thing:
    """A tree as a thing; its shadow is that of a crown on a trunk, roughly."""
    return Thing(parts, layer, z, footprint(x, z, 1.8, 1.8), 6.0)


def furnished(side: Side, layout: Layout, draws: Draws) -> list[Thing]:
    """Traffic lights at the crossing, signs, bins, bollards and parked bicycles."""
    things: list[Thing] = []
    x = side.sign * (side.kerb + 0.45)
    if layout.crossing is not None:
        for z in (layout.crossing.near - 1.4, layout.crossing.far + 1.6):
            if draws.chance(0.75):
                overhead = draws.chance(0.4)
                frame = Frame((x, KERB, z))
                parts = furniture.traffic_light(frame, draws, toward=-side.sign, overhead=overhead)
                things.append(_standing(parts, x, z, 0.2, 3.4))
    for _ in range(draws.integer(1, 5)):
        z = 4.0 + 40.0 * draws.uniform() * draws.uniform()
        _add(things, layout, x, z, furniture.traffic_sign, 2.8, draws)
    for _ in range(draws.integer(0, 2)):
        z = draws.uniform(5.0, 30.0)
        _add(things, layout, side.sign * (side.walk - 0.5), z, furniture.bin_or_box, 1.1, draws)
    if draws.chance(0.3):
        start, pitch = draws.uniform(3.0, 12.0), draws.uniform(1.2, 2.2)
        for number in range(draws.integer(4, 9)):
            near_kerb = side.sign * (side.kerb + 0.3)
            _add(things, layout, near_kerb, start + pitch * number, furniture.bollard, 0.95, draws)
    for _ in range(draws.integer(0, 3)):
        z, x = draws.uniform(4.0, 24.0), side.sign * (side.verge + 0.5)
        if not layout.in_crossing(z - 1, z + 1):
            frame = Frame((x, KERB, z), across_the_view(x, z, draws))
            things.append(Thing(people.bicycle(frame, draws), Layer.PAVEMENT, z, footprint(x, z, 1.4, 0.3), 0.8))
    return things


def walking(side: Side, layout: Layout, draws: Draws) -> list[Thing]:
    """People on the pavement, alone or in pairs."""
    things: list[Thing] = []
    for _ in range(draws.integer(1, 7)):
        z = 3.5 + 40.0 * draws.uniform() * draws.uniform()
        x = draws.uniform(side.verge + 0.6, side.walk - 0.4)
        for _ in range(draws.choice((1, 1, 1, 2, 2, 3))):
            if not layout.in_crossing(z - 0.5, z + 0.5):
                things.append(_person(side.sign * x, z, KERB, Layer.PAVEMENT, draws))
            x, z = x + draws.uniform(0.5, 0.8), z + draws.uniform(-0.5, 0.7)
    return things


def crossing_people(layout: Layout, draws: Draws) -> list[Thing]:
    """People on the zebra crossing."""
    things: list[Thing] = []
    if layout.crossing is not None and draws.chance(0.6):
        left, right = layout.sides
        for _ in range(draws.integer(1, 6)):
            z = layout.crossing.near - draws.uniform(1.0, 3.4)
            things.append(_person(draws.uniform(-left.kerb, right.kerb), z, 0.0, Layer.ROAD, draws))
    return things


def _person(x: float, z: float, height: float, layer: Layer, draws: Draws) -> Thing:
    parts = people.person(Frame((x, height, z), across_the_view(x, z, draws)), draws)
    return Thing(parts, layer, z, footprint(x, z, 0.5, 0.4), 1.6)


def _standing(parts: tuple[Part, ...], x: float, z: float, width: float, height: float) -> Thing:
    return Thing(parts, Layer.PAVEMENT, z, footprint(x, z, width, width), height)


def _add(
    things: list[Thing],
    layout: Layout,
    x: float,
    z: float,
    draw: Callable[[Frame, Draws], tuple[Part, ...]],
    height: float,
    draws: Draws,
) -> None:
    if not layout.in_crossing(z - 0.5, z + 0.5):
        things.append(_standing(draw(Frame((x, KERB, z)), draws), x, z, 0.2, height))
