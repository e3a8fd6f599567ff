"""Cars, trucks, buses and trams: convex bodies with windows, wheels and lamps."""

from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.parts import Box, Color, Face, Frame, Grid, Material, Part, disc_along, inset

CAR_SIZE = (1.8, 4.3, 1.5)
"""Width, length and height, metres; vans are higher."""
TRUCK_SIZE = (2.5, 8.0, 3.4)
"""Width, length and height, metres."""
BUS_SIZE = (2.55, 11.5, 3.1)
"""Width, length and height, metres."""
TRAM_SIZE = (2.5, 24.0, 3.5)
"""Width, length and height, metres."""

_PAINTS: tuple[Color, ...] = (
    *((0.85, 0.85, 0.86), (0.62, 0.63, 0.65), (0.40, 0.41, 0.43), (0.16, 0.16, 0.18), (0.09, 0.09, 0.10)),
    *((0.55, 0.10, 0.10), (0.13, 0.20, 0.42), (0.22, 0.33, 0.24), (0.62, 0.55, 0.42), (0.38, 0.25, 0.18)),
    *((0.75, 0.62, 0.18), (0.35, 0.48, 0.60)),
)
_RUBBER = Material((0.07, 0.07, 0.075), grain=0.05, mottle=0.0)
_RIM = Material((0.45, 0.46, 0.48), mottle=0.0)
_PLATE = Material((0.85, 0.84, 0.78), grain=0.0, mottle=0.0)
_TAIL_LAMP = Material((0.60, 0.07, 0.06), grain=0.0, mottle=0.0, glow=0.25)
_HEAD_LAMP = Material((0.88, 0.88, 0.82), grain=0.0, mottle=0.0, glow=0.3)


def car(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A car on its wheels, in the middle of its frame: saloon, hatchback or van."""
    width, length, _ = CAR_SIZE
    back, front = -length / 2, length / 2
    shape = draws.choice(("saloon", "hatchback", "hatchback", "van"))
    waist = draws.uniform(0.84, 0.95) + (0.15 if shape == "van" else 0.0)
    roof = waist + draws.uniform(0.50, 0.62) + (0.35 if shape == "van" else 0.0)
    boot = {"saloon": 0.75, "hatchback": 0.12, "van": 0.04}[shape]
    lean = {"saloon": 0.5, "hatchback": 0.45, "van": 0.12}[shape]
    bonnet = 0.75 if shape == "van" else 1.15
    paint = _painted(draws)
    half = width / 2
    body = Box(
        ((back + 0.05, 0.27), (back, 0.6), (back + 0.06, waist), (front - bonnet, waist), (front, 0.68), (front, 0.27)),
        (half,) * 6,
    )
    cabin = Box(
        (
            (back + boot, waist),
            (back + boot + lean, roof),
            (front - bonnet - 0.75, roof),
            (front - bonnet + 0.05, waist),
        ),
        (half * 0.96, half * 0.80, half * 0.80, half * 0.96),
    )
    parts = [*_wheels(frame, half, (back + 0.8, front - 0.85), 0.32, Label.CAR)]
    parts += _solid(frame, body, paint, Label.CAR)
    parts += _solid(frame, cabin, paint, Label.CAR)
    glass = _glass(draws)
    rear, _, windscreen, _ = cabin.hull(frame)
    for pane in (*cabin.sides(frame), rear, windscreen):
        parts.append(Face(inset(pane, 0.84), glass, Label.CAR, one_sided=True))
    parts += _wheels(frame, half + 0.01, (back + 0.8, front - 0.85), 0.32, Label.CAR, rims=True)
    parts += _ends(frame, half, back - 0.01, front + 0.01, 0.66, Label.CAR)
    return tuple(parts)


def truck(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A truck with a box or a tarpaulin behind its cab."""
    width, length, height = TRUCK_SIZE
    half, back, front = width / 2, -length / 2, length / 2
    cab = Box(
        ((front - 1.9, 0.5), (front - 1.9, 2.7), (front - 0.3, 2.75), (front, 1.5), (front, 0.5)), (half * 0.96,) * 5
    )
    load = Box(((back, 1.0), (back, height), (front - 2.0, height), (front - 2.0, 1.0)), (half,) * 4)
    chassis = Box(((back, 0.55), (back, 1.0), (front - 1.9, 1.0), (front - 1.9, 0.55)), (half * 0.85,) * 4)
    axles = (back + 1.0, back + 2.2, front - 1.1)
    ribs = Grid((0.6, 9.0), (0.0, 0.06, 0.0, 1.0), (0.3, 0.3, 0.3))
    cover = _painted(draws, (ribs,) if draws.chance(0.5) else ())
    parts = [*_wheels(frame, half * 0.97, axles, 0.48, Label.TRUCK)]
    parts += _solid(frame, chassis, Material((0.12, 0.12, 0.13)), Label.TRUCK)
    glass = _glass(draws)
    cabin = _solid(frame, cab, _painted(draws), Label.TRUCK)
    cabin.append(Face(inset(cab.hull(frame)[2], 0.82), glass, Label.TRUCK, one_sided=True))
    for across in (-half * 0.97, half * 0.97):
        pane = ((front - 1.3, 1.6), (front - 1.3, 2.5), (front - 0.5, 2.5), (front - 0.25, 1.6))
        corners = tuple(frame.place(across, up, along) for along, up in pane)
        cabin.append(Face(corners if across > 0 else corners[::-1], glass, Label.TRUCK, one_sided=True))
    behind = _solid(frame, load, cover, Label.TRUCK)
    coming = _distance(frame, front) < _distance(frame, back)
    parts += [*behind, *cabin] if coming else [*cabin, *behind]
    parts += _wheels(frame, half, axles, 0.48, Label.TRUCK, rims=True)
    parts += _ends(frame, half, back - 0.01, front + 0.01, 0.78, Label.TRUCK)
    return tuple(parts)


def bus(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A city bus."""
    _, length, _ = BUS_SIZE
    parts = _coach(frame, draws, BUS_SIZE, 0.35, Label.BUS)
    axles = (-length / 2 + 2.6, length / 2 - 2.4)
    parts += _wheels(frame, BUS_SIZE[0] / 2 + 0.01, axles, 0.48, Label.BUS, rims=True)
    parts += _ends(frame, BUS_SIZE[0] / 2, -length / 2 - 0.01, length / 2 + 0.01, 0.8, Label.BUS)
    return tuple(parts)


def tram(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A tram of three cars."""
    _, length, height = TRAM_SIZE
    parts = _coach(frame, draws, TRAM_SIZE, 0.2, Label.TRAIN)
    bellows = Material((0.13, 0.13, 0.14), mottle=0.0)
    for along in (-length / 6, length / 6):
        for across in (-TRAM_SIZE[0] / 2 - 0.01, TRAM_SIZE[0] / 2 + 0.01):
            corners = tuple(
                frame.place(across, up, along + shift)
                for shift, up in ((-0.4, 0.3), (-0.4, height), (0.4, height), (0.4, 0.3))
            )
            parts.append(Face(corners if across > 0 else corners[::-1], bellows, Label.TRAIN, one_sided=True))
    parts += _ends(frame, TRAM_SIZE[0] / 2, -length / 2 - 0.01, length / 2 + 0.01, 0.75, Label.TRAIN)
    return tuple(parts)


def _distance(frame: Frame, along: float) -> float:
    """Square of the distance to the camera, on the ground."""
    x, _, z = frame.place(0.0, 0.0, along)
    return x * x + z * z


def _coach(frame: Frame, draws: Draws, size: tuple[float, float, float], floor: float, label: Label) -> list[Part]:
    """A long box with a row of windows, a stripe, and a glazed front and back."""
    width, length, height = size
    half, back, front = width / 2, -length / 2, length / 2
    box = Box(((back, floor), (back + 0.1, height), (front - 0.25, height), (front, floor)), (half,) * 4)
    origin = (frame.place(0.0, 0.0, back)[2 if frame.heading[0] == 0 else 0], 0.0)
    panes = Grid((draws.uniform(1.2, 1.9), 50.0), (0.05, 0.95, 1.25 / 50, 2.45 / 50), _glass(draws).color, origin)
    stripe = Grid((50.0, 50.0), (0.0, 1.0, 0.75 / 50, 1.05 / 50), draws.choice(_PAINTS))
    paint = _painted(draws)
    parts = _solid(frame, box, paint, label)
    for side in box.sides(frame):
        glazed = Material(paint.color, paint.grain, paint.grain_size, 0.03, 1.5, grids=(stripe, panes))
        parts.append(Face(side, glazed, label, one_sided=True))
    for across, along, heads in ((half, back - 0.005, False), (half, front + 0.005, True)):
        pane = ((-across * 0.86, 1.3), (-across * 0.84, 2.6), (across * 0.84, 2.6), (across * 0.86, 1.3))
        corners = frame.polygon(pane, along - 0.2 * heads * 0.5)
        parts.append(Face(corners[::-1] if heads else corners, _glass(draws), label, one_sided=True))
    return parts


def _painted(draws: Draws, grids: tuple[Grid, ...] = ()) -> Material:
    red, green, blue = draws.choice(_PAINTS)
    fade = draws.uniform(0.85, 1.15)
    color = (min(red * fade, 0.95), min(green * fade, 0.95), min(blue * fade, 0.95))
    return Material(color, grain=0.02, mottle=0.05, mottle_size=0.9, rise=draws.uniform(0.0, 0.12), grids=grids)


def _glass(draws: Draws) -> Material:
    """Dark, with more or less of the sky in it."""
    sky = draws.uniform(0.06, 0.38)
    return Material((sky * 0.9, sky * 0.98, sky * 1.08), grain=0.0, mottle=0.25, mottle_size=0.8, rise=0.12)


def _solid(frame: Frame, box: Box, material: Material, label: Label) -> list[Part]:
    """All faces of a body; those that look away are dropped when it is painted."""
    return [Face(corners, material, label, one_sided=True) for corners in (*box.hull(frame), *box.sides(frame))]


def _wheels(
    frame: Frame, half: float, axles: tuple[float, ...], radius: float, label: Label, *, rims: bool = False
) -> list[Part]:
    """Wheels on both sides; without rims, also the tyres seen from the ends."""
    parts: list[Part] = []
    toward_right = frame.place(1.0, 0.0)[0] - frame.origin[0], frame.place(1.0, 0.0)[2] - frame.origin[2]
    for side in (-1, 1):
        # A wheel on the side that looks away is hidden by the body.
        place = frame.place(side * half, 0.0)
        seen = side * (toward_right[0] * place[0] + toward_right[1] * place[2]) < 0
        for axle in axles:
            if rims and seen:
                parts.append(Face(disc_along(frame, side * half, (axle, radius), radius), _RUBBER, label))
                parts.append(Face(disc_along(frame, side * half * 1.005, (axle, radius), radius * 0.6), _RIM, label))
            elif not rims:
                inner, outer = side * (half - 0.22), side * half
                tyre = ((inner, 0.0), (inner, radius * 1.6), (outer, radius * 1.6), (outer, 0.0))
                ends = (axle - radius * 0.8, axle + radius * 0.8)
                parts += [Face(frame.polygon(tyre, along), _RUBBER, label) for along in ends]
    return parts


def _ends(frame: Frame, half: float, back: float, front: float, up: float, label: Label) -> list[Part]:
    """Lamps and number plates; a plate's class is that of its vehicle."""
    parts: list[Part] = []
    for along, lamp, turned in ((back, _TAIL_LAMP, False), (front, _HEAD_LAMP, True)):
        outlines = [
            (((side * half * 0.62, up - 0.02), (side * half * 0.62, up + 0.14)), (side * half * 0.94, up), lamp)
            for side in (-1, 1)
        ]
        for ((inner, low), (_, high)), (outer, _), material in outlines:
            left, right = min(inner, outer), max(inner, outer)
            parts.append(_plate(frame, (left, right, low, high), along, material, label, turned))
        parts.append(_plate(frame, (-0.26, 0.26, up - 0.24, up - 0.12), along, _PLATE, label, turned))
    return parts


def _plate(
    frame: Frame,
    box: tuple[float, float, float, float],
    along: float,
    material: Material,
    label: Label,
    turned: bool,
) -> Face:
    """An upright rectangle (left, right, low, high) on the back, or on the front if it is turned."""
    left, right, low, high = box
    corners = frame.polygon(((left, low), (left, high), (right, high), (right, low)), along)
    return Face(corners[::-1] if turned else corners, material, label, one_sided=True)
