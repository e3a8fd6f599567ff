"""People on foot, and people on bicycles and motorcycles: flat figures made of limbs."""

from collections.abc import Callable

from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.parts import Color, Face, Frame, Material, Part, bar, disc

_CLOTHES: tuple[Color, ...] = (
    *((0.10, 0.11, 0.14), (0.17, 0.20, 0.32), (0.45, 0.44, 0.43), (0.72, 0.70, 0.66), (0.50, 0.14, 0.14)),
    *((0.22, 0.34, 0.24), (0.56, 0.45, 0.30), (0.28, 0.36, 0.50), (0.62, 0.50, 0.16), (0.36, 0.22, 0.36)),
)
_SKIN: tuple[Color, ...] = ((0.78, 0.60, 0.50), (0.62, 0.45, 0.35), (0.42, 0.29, 0.21), (0.27, 0.18, 0.13))
_HAIR: tuple[Color, ...] = ((0.10, 0.08, 0.07), (0.28, 0.19, 0.11), (0.55, 0.43, 0.26), (0.55, 0.54, 0.52))
_METAL: tuple[Color, ...] = ((0.10, 0.10, 0.11), (0.50, 0.51, 0.53), (0.48, 0.12, 0.12), (0.14, 0.28, 0.42))
_TYRE = Material((0.06, 0.06, 0.065), mottle=0.0)
_FLAT = Frame((0.0, 0.0, 0.0))
_SHOES = Material((0.10, 0.09, 0.09), mottle=0.0)

_Outline = tuple[tuple[float, float], ...]
Draw = Callable[[Frame, Draws], tuple[Part, ...]]
"""Draws a figure where a frame says."""


def person(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """Someone who walks or stands; across the frame is the way they face."""
    tall = draws.uniform(0.82, 1.08)
    step = draws.uniform(0.0, 0.30)
    swing = draws.uniform(-0.16, 0.16)
    skirt = draws.chance(0.2)
    top, trousers = _cloth(draws), _cloth(draws)
    skin, hair = Material(draws.choice(_SKIN), mottle=0.0), Material(draws.choice(_HAIR), grain=0.08)
    figure = _Figure(frame, Label.PERSON, tall)
    figure.add(bar((-step, 0.04), (-0.04, 0.86), 0.15), skin if skirt else trousers)
    figure.add(bar((step, 0.04), (0.05, 0.86), 0.15), skin if skirt else trousers)
    for foot in (-step, step):
        figure.add(((foot - 0.08, 0.0), (foot - 0.08, 0.08), (foot + 0.16, 0.06), (foot + 0.16, 0.0)), _SHOES)
    if skirt:
        figure.add(((-0.27, 0.48), (-0.15, 0.95), (0.15, 0.95), (0.27, 0.48)), trousers)
    figure.add(bar((0.0, 1.38), (-swing - 0.22, 0.85), 0.11), top)
    figure.add(
        (
            *((-0.17, 0.82), (-0.21, 1.12), (-0.23, 1.38), (-0.10, 1.49)),
            *((0.10, 1.49), (0.23, 1.38), (0.21, 1.12), (0.17, 0.82)),
        ),
        top,
    )
    if draws.chance(0.35):
        figure.add(((-0.36, 0.95), (-0.36, 1.38), (-0.18, 1.42), (-0.16, 0.95)), _cloth(draws))  # a rucksack
    figure.add(bar((0.04, 1.38), (swing + 0.22, 0.87), 0.10), top)
    figure.add(disc(_FLAT, (swing + 0.23, 0.84), 0.05), skin)
    figure.add_head((0.02, 1.62), skin, hair)
    return tuple(figure.parts)


def bicycle(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A bicycle seen from the side; across the frame is the way it heads."""
    metal = Material(draws.choice(_METAL), mottle=0.0)
    machine = _Figure(frame, Label.BICYCLE)
    machine.add_wheels((-0.52, 0.34), (0.54, 0.34), 0.34)
    hub, saddle, head = (-0.08, 0.30), (-0.20, 0.82), (0.38, 0.80)
    for start, end in (((-0.52, 0.34), saddle), ((-0.52, 0.34), hub), (hub, saddle), (hub, head), (saddle, head)):
        machine.add(bar(start, end, 0.045), metal)
    machine.add(bar((0.54, 0.34), (0.36, 0.98), 0.045), metal)
    machine.add(bar((0.30, 1.02), (0.46, 0.98), 0.05), _TYRE)
    machine.add(bar((-0.34, 0.92), (-0.08, 0.90), 0.07), _TYRE)
    machine.add(bar(saddle, (-0.22, 0.91), 0.04), metal)
    return tuple(machine.parts)


def motorcycle(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """A motorcycle or scooter seen from the side; across the frame is the way it heads."""
    paint = Material(draws.choice(_METAL), mottle=0.05, mottle_size=0.4, rise=0.2)
    engine = Material((0.22, 0.22, 0.23), grain=0.1, mottle=0.25, mottle_size=0.25)
    machine = _Figure(frame, Label.MOTORCYCLE)
    machine.add_wheels((-0.66, 0.31), (0.70, 0.31), 0.31, tyre=0.10)
    machine.add(((-0.42, 0.22), (-0.46, 0.66), (0.36, 0.66), (0.30, 0.22)), engine)
    machine.add(bar((0.70, 0.31), (0.42, 1.02), 0.09), engine)
    machine.add(((-0.98, 0.66), (-0.90, 0.80), (-0.30, 0.76), (-0.30, 0.56)), paint)
    machine.add(((-0.05, 0.62), (-0.08, 0.92), (0.40, 0.98), (0.50, 0.66)), paint)
    machine.add(bar((-0.82, 0.83), (-0.06, 0.83), 0.12), _TYRE)
    machine.add(bar((0.28, 1.08), (0.50, 1.02), 0.06), _TYRE)
    machine.add(disc(_FLAT, (0.56, 0.88), 0.10), Material((0.8, 0.8, 0.76), glow=0.2))
    return tuple(machine.parts)


def cyclist(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """Someone riding a bicycle, from the side."""
    return (*bicycle(frame, draws), *_rider(frame, draws, saddle=(-0.20, 0.92), grip=(0.38, 1.02), pedal=0.22))


def motorcyclist(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """Someone riding a motorcycle, from the side."""
    return (*motorcycle(frame, draws), *_rider(frame, draws, saddle=(-0.22, 0.88), grip=(0.36, 1.06), pedal=0.32))


def cyclist_from_behind(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """Someone on a bicycle who rides ahead of the camera, or towards it."""
    return _from_behind(frame, draws, Label.BICYCLE, wheel=0.05, saddle=0.92, grip=0.27)


def motorcyclist_from_behind(frame: Frame, draws: Draws) -> tuple[Part, ...]:
    """Someone on a motorcycle who rides ahead of the camera, or towards it."""
    return _from_behind(frame, draws, Label.MOTORCYCLE, wheel=0.16, saddle=0.85, grip=0.40)


class _Figure:
    """Collects the flat parts of one figure."""

    def __init__(self, frame: Frame, label: Label, scale: float = 1.0) -> None:
        self.parts: list[Part] = []
        self._frame, self._label, self._scale = frame, label, scale

    def add(self, outline: _Outline | tuple[tuple[float, float, float], ...], material: Material) -> None:
        """Add a polygon given as (across, up), metres."""
        scaled = [(corner[0] * self._scale, corner[1] * self._scale) for corner in outline]
        self.parts.append(Face(self._frame.polygon(scaled), material, self._label))

    def add_head(self, centre: tuple[float, float], skin: Material, hair: Material) -> None:
        """Add a neck, a head and what covers it."""
        x, y = centre
        self.add(bar((x - 0.01, y - 0.18), (x, y), 0.09), skin)
        self.add(disc(_FLAT, (x - 0.015, y + 0.025), 0.115, tall=1.15), hair)
        self.add(disc(_FLAT, (x + 0.02, y - 0.02), 0.088, tall=1.2), skin)

    def add_wheels(
        self, back: tuple[float, float], front: tuple[float, float], radius: float, tyre: float = 0.04
    ) -> None:
        """Add two wheels that one may look through; their class holds for all that they enclose."""
        for centre in (back, front):
            outer, inner = (disc(self._frame, centre, size) for size in (radius, radius - tyre))
            self.parts.append(Face(outer, _TYRE, self._label, hole=inner))
            self.add(disc(_FLAT, centre, 0.05), _TYRE)


def _cloth(draws: Draws) -> Material:
    red, green, blue = draws.choice(_CLOTHES)
    fade = draws.uniform(0.75, 1.3)
    return Material((red * fade, green * fade, blue * fade), grain=0.06, grain_size=0.02, mottle=0.12, mottle_size=0.3)


def _rider(
    frame: Frame, draws: Draws, *, saddle: tuple[float, float], grip: tuple[float, float], pedal: float
) -> tuple[Part, ...]:
    """Someone who sits on a saddle and holds a handlebar."""
    top, trousers = _cloth(draws), _cloth(draws)
    skin = Material(draws.choice(_SKIN), mottle=0.0)
    helmet = _cloth(draws) if draws.chance(0.6) else Material(draws.choice(_HAIR))
    figure = _Figure(frame, Label.RIDER)
    hip = (saddle[0], saddle[1] + 0.06)
    shoulder = (saddle[0] + 0.24, saddle[1] + 0.54)
    knee = (saddle[0] + 0.40, saddle[1] - 0.16 + draws.uniform(-0.08, 0.08))
    figure.add(bar(hip, knee, 0.16), trousers)
    figure.add(bar(knee, (saddle[0] + 0.20, pedal), 0.12), trousers)
    figure.add(bar((saddle[0] + 0.14, pedal - 0.04), (saddle[0] + 0.36, pedal - 0.03), 0.08), _SHOES)
    figure.add(bar(hip, shoulder, 0.30), top)
    figure.add(bar(shoulder, grip, 0.10), top)
    figure.add_head((shoulder[0] + 0.08, shoulder[1] + 0.24), skin, helmet)
    return tuple(figure.parts)


def _from_behind(
    frame: Frame, draws: Draws, label: Label, *, wheel: float, saddle: float, grip: float
) -> tuple[Part, ...]:
    top, trousers = _cloth(draws), _cloth(draws)
    helmet = _cloth(draws) if draws.chance(0.6) else Material(draws.choice(_HAIR))
    machine, figure = _Figure(frame, label), _Figure(frame, Label.RIDER)
    machine.add(((-wheel, 0.0), (-wheel, 0.68), (wheel, 0.68), (wheel, 0.0)), _TYRE)
    machine.add(bar((-grip, 1.0), (grip, 1.0), 0.05), _TYRE)
    if label is Label.MOTORCYCLE:
        paint = Material(draws.choice(_METAL), mottle=0.05, rise=0.2)
        machine.add(((-0.2, 0.45), (-0.24, 0.85), (0.24, 0.85), (0.2, 0.45)), paint)
        machine.add(((-0.07, 0.62), (-0.07, 0.70), (0.07, 0.70), (0.07, 0.62)), Material((0.6, 0.1, 0.1), glow=0.3))
    lift = draws.uniform(0.0, 0.2)
    for side, foot in ((-1, 0.14 + lift), (1, 0.34 - lift)):
        figure.add(bar((side * 0.13, foot), (side * 0.12, saddle + 0.04), 0.14), trousers)
    figure.add(
        (
            *((-0.18, saddle - 0.06), (-0.22, saddle + 0.42), (-0.12, saddle + 0.56)),
            *((0.12, saddle + 0.56), (0.22, saddle + 0.42), (0.18, saddle - 0.06)),
        ),
        top,
    )
    for side in (-1, 1):
        figure.add(bar((side * 0.21, saddle + 0.46), (side * (grip + 0.02), 1.03), 0.10), top)
    figure.add(disc(_FLAT, (0.0, saddle + 0.72), 0.12, tall=1.15), helmet)
    return (*machine.parts, *figure.parts)
