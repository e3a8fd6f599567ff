"""Trees, bushes and hedges."""

from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.parts import Blob, Color, Face, Frame, Material, Part, bar

_LEAVES: tuple[Color, ...] = (
    *((0.24, 0.33, 0.15), (0.30, 0.38, 0.17), (0.20, 0.28, 0.16), (0.36, 0.40, 0.20), (0.28, 0.34, 0.22)),
    *((0.50, 0.36, 0.14), (0.46, 0.24, 0.14), (0.34, 0.30, 0.24)),
)
_BARK: tuple[Color, ...] = ((0.26, 0.21, 0.17), (0.36, 0.32, 0.28), (0.18, 0.15, 0.13))


def draw_foliage(draws: Draws) -> Material:
    """Leaves of one kind of plant: mostly green, some turning, some grey."""
    red, green, blue = draws.choice(_LEAVES)
    fade = draws.uniform(0.75, 1.2)
    return Material(
        (red * fade, green * fade, blue * fade),
        grain=draws.uniform(0.28, 0.45),
        grain_size=0.035,
        mottle=draws.uniform(0.35, 0.55),
        mottle_size=draws.uniform(0.6, 1.0),
    )


def tree(frame: Frame, leaves: Material, draws: Draws) -> tuple[Part, ...]:
    """A tree: a round crown of several blobs, a cypress, or a fir."""
    bark = Material(draws.choice(_BARK), grain=0.15, grain_size=0.03, mottle=0.2, mottle_size=0.4)
    habit = draws.choice(("round", "round", "round", "slender", "fir"))
    height = draws.uniform(5.0, 10.0)
    bare = height * draws.uniform(0.24, 0.36)
    girth = 0.025 * height + 0.04
    trunk = ((-girth, 0.0), (-girth * 0.6, height * 0.6), (girth * 0.6, height * 0.6), (girth, 0.0))
    parts: list[Part] = [Face(frame.polygon(trunk), bark, Label.VEGETATION)]
    if habit == "round":
        for side in (-1, 1):
            branch = bar((0.0, bare * 0.9), (side * height * 0.13, height * 0.55), girth * 0.7)
            parts.append(Face(frame.polygon(branch), bark, Label.VEGETATION))
        spread = height * draws.uniform(0.26, 0.34)
        parts.append(_blob(frame, (0.0, (bare + height) / 2), (spread, (height - bare) / 2), leaves))
        for _ in range(draws.integer(3, 5)):
            middle = (draws.uniform(-0.6, 0.6) * spread, draws.uniform(bare + spread * 0.4, height - spread * 0.4))
            size = spread * draws.uniform(0.4, 0.62)
            parts.append(_blob(frame, middle, (size, size * 0.85), _lit(leaves, draws.uniform(0.85, 1.22))))
    elif habit == "slender":
        radii = (height * 0.12, (height - bare * 0.4) / 2)
        parts.append(_blob(frame, (0.0, bare * 0.4 + radii[1]), radii, leaves))
    else:
        for tier in range(5):
            level = bare * 0.5 + tier * (height - bare * 0.5) / 5.5
            wide = height * 0.24 * (1.0 - tier / 5.6)
            parts.append(_blob(frame, (0.0, level + wide * 0.5), (wide, wide * 0.75), _lit(leaves, 0.85 + 0.07 * tier)))
    return tuple(parts)


def bush(frame: Frame, leaves: Material, draws: Draws) -> tuple[Part, ...]:
    """A bush of two or three blobs that touch the ground."""
    parts: list[Part] = []
    for _ in range(draws.integer(2, 3)):
        size = draws.uniform(0.4, 0.8)
        middle = (draws.uniform(-0.6, 0.6), size * 0.75)
        parts.append(_blob(frame, middle, (size, size * 0.85), _lit(leaves, draws.uniform(0.85, 1.15)), 0.3))
    return tuple(parts)


def _blob(
    frame: Frame, middle: tuple[float, float], radii: tuple[float, float], leaves: Material, raggedness: float = 0.5
) -> Blob:
    return Blob(frame.place(*middle), radii, leaves, Label.VEGETATION, raggedness)


def _lit(leaves: Material, brightness: float) -> Material:
    red, green, blue = leaves.color
    color = (red * brightness, green * brightness, blue * brightness)
    return Material(color, leaves.grain, leaves.grain_size, leaves.mottle, leaves.mottle_size)
