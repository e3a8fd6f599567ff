"""The street as data: what stands where, drawn at random, in metres and without any image in mind."""

from collections.abc import Callable
from dataclasses import dataclass

from streetscenes import frontage, pavement, traffic
from streetscenes.camera import View
from streetscenes.draws import Draws
from streetscenes.ground import land
from streetscenes.layout import Layout, draw_layout
from streetscenes.lighting import Light
from streetscenes.parts import Face, Shadow, Thing
from streetscenes.shadows import cast


@dataclass(frozen=True)
class Street:
    """What there is to see."""

    ground: tuple[Face, ...]
    """Everything flat, in the order in which it is painted."""
    shadows: tuple[Shadow, ...]
    """Shadows on the ground."""
    things: tuple[Thing, ...]
    """Everything that stands, in the order in which it is painted."""


def draw_view(draws: Draws) -> View:
    """A camera on a car's roof or behind its windscreen, or held by someone in the road."""
    return View(
        focal=draws.uniform(0.95, 1.4),
        horizon=draws.uniform(0.40, 0.52),
        centre=draws.uniform(0.42, 0.58),
        camera_height=draws.uniform(1.3, 2.2),
    )


def draw_street(view: View, light: Light, draws: Draws) -> Street:
    """A street of houses, gardens and parks, with whatever moves on it.

    Each subject draws from a stream of its own, so that a change of one does not change the others.
    """
    layout = draw_layout(draws.part(0))
    things = frontage.end_of_street(draws.part(1))
    for number, side in enumerate(layout.sides):
        part = draws.part(2 + number)
        things += frontage.lining(side, layout, part.part(0))
        things += pavement.planted(side, layout, part.part(1))
        things += pavement.furnished(side, layout, part.part(2))
        things += pavement.walking(side, layout, part.part(3))
        things += traffic.parked(side, layout, part.part(4))
    things += traffic.driving(layout, draws.part(4))
    if layout.crossing is not None:
        things += traffic.crossing_traffic(layout.crossing, draws.part(5))
    things += pavement.crossing_people(layout, draws.part(6))
    shadows = tuple(shadow for thing in things for shadow in cast(thing, light))
    last = draws.part(7)
    if last.chance(0.35):
        things.append(traffic.bonnet(view.camera_height, last))
    return Street(land(layout, draws.part(8)), shadows, tuple(sorted(things, key=_painting_order(layout))))


def _painting_order(layout: Layout) -> Callable[[Thing], tuple[int, int, float]]:
    """Behind the crossing, in it, before it; from the houses to the middle of the street; from far to near.

    On one side of the street a ray from the camera moves outward as it moves ahead: what is farther out is farther
    away, however long it is. That does not hold for what drives across; hence the crossing divides the street.
    """
    crossing = layout.crossing

    def order(thing: Thing) -> tuple[int, int, float]:
        near = crossing is None or thing.depth < crossing.near
        section = 2 if near else 1 if crossing is not None and thing.depth < crossing.far else 0
        return section, -thing.layer, -thing.depth

    return order
