"""Shadows on the ground: what the sun throws, and the dark under whatever stands there."""

from streetscenes.lighting import Light
from streetscenes.parts import Shadow, Thing

Place = tuple[float, float]


def cast(thing: Thing, light: Light) -> list[Shadow]:
    """The shadows of a thing by its footprint and height."""
    if not thing.footprint:
        return []
    shadows = [Shadow(thing.footprint, 0.62, 0.3)]
    if light.shadow > 0:
        reach = thing.height / light.sun[1]
        thrown = [(x - reach * light.sun[0], z - reach * light.sun[2]) for x, z in thing.footprint]
        outline = _hull([*thing.footprint, *thrown])
        shadows.append(Shadow(tuple(outline), light.shadow, 0.04 + 0.01 * thing.height))
    return shadows


def footprint(x: float, z: float, width: float, length: float) -> tuple[Place, ...]:
    """A rectangle on the ground around (x, z)."""
    return (
        *((x - width / 2, z - length / 2), (x - width / 2, z + length / 2)),
        *((x + width / 2, z + length / 2), (x + width / 2, z - length / 2)),
    )


def _hull(places: list[Place]) -> list[Place]:
    """The convex outline of some places, by Andrew's monotone chain."""
    ordered = sorted(set(places))
    return _chain(ordered)[:-1] + _chain(ordered[::-1])[:-1]


def _chain(ordered: list[Place]) -> list[Place]:
    chain: list[Place] = []
    for place in ordered:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], place) <= 0:
            chain.pop()
        chain.append(place)
    return chain


def _turn(a: Place, b: Place, c: Place) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
