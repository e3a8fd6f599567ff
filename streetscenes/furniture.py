"""What stands on the pavement: lamps, traffic lights, signs, bins."""

from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.parts import Color, Face, Frame, Material, Part, bar, disc

_STEEL: tuple[Color, ...] = ((0.52, 0.53, 0.54), (0.36, 0.37, 0.37), (0.18, 0.21, 0.19), (0.60, 0.58, 0.54))
_DARK = Material((0.08, 0.08, 0.08), mottle=0.0)
_SIGN_COLORS: tuple[Color, ...] = ((0.72, 0.10, 0.10), (0.10, 0.24, 0.58), (0.90, 0.89, 0.86), (0.86, 0.70, 0.12))
_BACK_OF_SIGN = Material((0.48, 0.49, 0.50), mottle=0.05)
_WHITE = Material((0.90, 0.90, 0.87), grain=0.0, mottle=0.03)
_LAMPS: tuple[Color, ...] = ((0.95, 0.16, 0.10), (0.98, 0.70, 0.15), (0.15, 0.85, 0.45))


def lamp_post(frame: Frame, draws: Draws, *, toward: int, height: float) -> tuple[Part, ...]:
    """A lamp whose arm reaches over the road; ``toward`` is 1 if that is to the right, else −1."""
    steel = _steel(draws)
    arm = draws.uniform(0.8, 2.0) * toward
    head = (
        (arm - 0.35, height + 0.18),
        (arm - 0.30, height + 0.34),
        (arm + 0.30, height + 0.34),
        (arm + 0.35, height + 0.18),
    )
    return (
        Face(frame.polygon(((-0.10, 0.0), (-0.06, height), (0.06, height), (0.10, 0.0))), steel, Label.POLE),
        Face(frame.polygon(((-0.14, 0.0), (-0.14, 0.9), (0.14, 0.9), (0.14, 0.0))), steel, Label.POLE),
        Face(frame.polygon(bar((0.0, height - 0.05), (arm, height + 0.26), 0.09)), steel, Label.POLE),
        Face(frame.polygon(head), steel, Label.POLE),
    )


def traffic_light(frame: Frame, draws: Draws, *, toward: int, overhead: bool) -> tuple[Part, ...]:
    """A traffic light on a post; overhead there is a second one on an arm over the road."""
    steel = _steel(draws)
    height = 5.6 if overhead else 3.3
    lit = draws.integer(0, 2)
    parts: list[Part] = [
        Face(frame.polygon(((-0.09, 0.0), (-0.07, height), (0.07, height), (0.09, 0.0))), steel, Label.POLE)
    ]
    if overhead:
        reach = toward * draws.uniform(2.6, 4.0)
        parts.append(Face(frame.polygon(bar((0.0, height - 0.1), (reach, height - 0.1), 0.12)), steel, Label.POLE))
        parts += _signal(frame, (reach, height - 0.2), lit)
    parts += _signal(frame, (0.0, 2.9), lit)
    return tuple(parts)


def traffic_sign(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A sign on a post: round, triangular, square or a board, now and then seen from behind."""
    steel = _steel(draws)
    height = draws.uniform(2.2, 2.9)
    form = draws.choice(("disc", "disc", "triangle", "square", "diamond", "board"))
    color = draws.choice(_SIGN_COLORS)
    rim = Material(color, grain=0.01, mottle=0.06, mottle_size=0.5)
    field = _WHITE if draws.chance(0.5) and color != _SIGN_COLORS[2] else rim
    size = draws.uniform(0.34, 0.46)
    outline = _outline(form, size)
    middle = height + size
    parts: list[Part] = [
        Face(frame.polygon(((-0.045, 0.0), (-0.045, middle), (0.045, middle), (0.045, 0.0))), steel, Label.POLE)
    ]
    if draws.chance(0.15):
        parts.append(_plate(frame, outline, 1.0, middle, _BACK_OF_SIGN))
        return tuple(parts)
    parts.append(_plate(frame, outline, 1.0, middle, rim if field is not rim else _WHITE))
    parts.append(_plate(frame, outline, 0.92 if field is rim else 0.76, middle, field))
    # A symbol that one cannot read.
    ink = _DARK if field is _WHITE else _WHITE
    for _ in range(draws.integer(1, 2)):
        start = (draws.uniform(-0.4, 0.4) * size, draws.uniform(-0.4, 0.1) * size)
        end = (draws.uniform(-0.4, 0.4) * size, draws.uniform(0.15, 0.4) * size)
        stroke = [(x, middle + y) for x, y in bar(start, end, 0.28 * size)]
        parts.append(Face(frame.polygon(stroke), ink, Label.TRAFFIC_SIGN))
    return tuple(parts)


def bin_or_box(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A litter bin or a switch box: a thing that the benchmark does not evaluate."""
    wide, high = draws.uniform(0.25, 0.5), draws.uniform(0.8, 1.3)
    red, green, blue = draws.choice(_STEEL)
    body = Material((red * 0.8, green * draws.uniform(0.75, 0.95), blue * 0.8), mottle=0.1, rise=0.1)
    return (
        Face(frame.polygon(((-wide, 0.0), (-wide, high), (wide, high), (wide, 0.0))), body, Label.STATIC),
        Face(
            frame.polygon(((-wide - 0.03, high - 0.12), (-wide, high), (wide, high), (wide + 0.03, high - 0.12))),
            _DARK,
            Label.STATIC,
        ),
    )


def bollard(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A knee-high post."""
    steel = _steel(draws)
    parts = [Face(frame.polygon(((-0.08, 0.0), (-0.08, 0.95), (0.08, 0.95), (0.08, 0.0))), steel, Label.POLE)]
    if draws.chance(0.5):
        parts.append(Face(frame.polygon(((-0.08, 0.7), (-0.08, 0.85), (0.08, 0.85), (0.08, 0.7))), _WHITE, Label.POLE))
    return tuple(parts)


def _steel(draws: Draws) -> Material:
    return Material(draws.choice(_STEEL), grain=0.04, grain_size=0.02, mottle=0.1, mottle_size=0.6)


def _signal(frame: Frame, top: tuple[float, float], lit: int) -> list[Part]:
    """Three lamps in a housing that hangs from its top."""
    x, y = top
    housing = ((x - 0.17, y - 0.95), (x - 0.17, y), (x + 0.17, y), (x + 0.17, y - 0.95))
    parts: list[Part] = [Face(frame.polygon(housing), _DARK, Label.TRAFFIC_LIGHT)]
    for number, color in enumerate(_LAMPS):
        on = number == lit
        red, green, blue = (value if on else 0.22 * value for value in color)
        lamp = Material((red, green, blue), grain=0.0, mottle=0.0, glow=0.9 if on else 0.0)
        parts.append(Face(disc(frame, (x, y - 0.18 - 0.29 * number), 0.115), lamp, Label.TRAFFIC_LIGHT))
    return parts


def _outline(form: str, size: float) -> tuple[tuple[float, float], ...]:
    if form == "disc":
        circle = disc(Frame((0.0, 0.0, 0.0)), (0.0, 0.0), size)
        return tuple((x, y) for x, y, _ in circle)
    if form == "triangle":
        return ((0.0, 1.05 * size), (1.1 * size, -0.8 * size), (-1.1 * size, -0.8 * size))
    if form == "square":
        return ((-size, -size), (-size, size), (size, size), (size, -size))
    if form == "diamond":
        return ((0.0, -1.2 * size), (-1.2 * size, 0.0), (0.0, 1.2 * size), (1.2 * size, 0.0))
    return ((-2.2 * size, -0.8 * size), (-2.2 * size, 0.9 * size), (2.2 * size, 0.9 * size), (2.2 * size, -0.8 * size))


def _plate(
    frame: Frame, outline: tuple[tuple[float, float], ...], share: float, middle: float, material: Material
) -> Face:
    corners = [(x * share, middle + y * share) for x, y in outline]
    return Face(frame.polygon(corners), material, Label.TRAFFIC_SIGN)
