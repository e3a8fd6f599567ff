"""The ground: road with its markings, kerbs, pavements, verges, and the land beside the street."""

from streetscenes.camera import FARTHEST, NEAREST
from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.layout import KERB, Crossing, Layout, Side
from streetscenes.parts import Color, Face, Grid, Material

_FAR = 500.0
_WIDE = 400.0
_PAINT = Material((0.86, 0.86, 0.83), grain=0.10, grain_size=0.03, mottle=0.16, mottle_size=0.5)
_YELLOW_PAINT = Material((0.82, 0.66, 0.24), grain=0.10, grain_size=0.03, mottle=0.16, mottle_size=0.5)
_STONES: tuple[Color, ...] = ((0.50, 0.49, 0.47), (0.42, 0.41, 0.41), (0.56, 0.52, 0.46), (0.46, 0.38, 0.34))
_GRASS: tuple[Color, ...] = (
    (0.30, 0.40, 0.17),
    (0.38, 0.42, 0.20),
    (0.46, 0.42, 0.26),
    (0.26, 0.34, 0.18),
    (0.40, 0.34, 0.25),
)


def land(layout: Layout, draws: Draws) -> tuple[Face, ...]:
    """All of the ground, in the order in which it is painted."""
    grass = _grass(draws)
    asphalt = _asphalt(draws)
    left, right = layout.sides
    stretches = [(NEAREST, _FAR)]
    faces = [_flat(-left.kerb, right.kerb, NEAREST, _FAR, asphalt, Label.ROAD)]
    faces += _repairs(left, right, asphalt, draws)
    faces += _markings(layout, draws)
    if layout.crossing is not None:
        stretches = [(NEAREST, layout.crossing.near), (layout.crossing.far, _FAR)]
        faces += _crossing_road(layout.sides, layout.crossing, asphalt, draws)
    for side in layout.sides:
        stone, kerb = _pavement(draws)
        for stretch in stretches:
            faces += _beside_the_road(side, stretch, grass, stone, kerb)
    return tuple(faces)


def _asphalt(draws: Draws) -> Material:
    grey = draws.uniform(0.26, 0.50)
    warmth = draws.uniform(-0.03, 0.06)
    color = (grey * (1 + warmth), grey, grey * (1 - warmth))
    grids: tuple[Grid, ...] = ()
    if draws.chance(0.15):  # cobbles
        stone = (color[0] * 1.12, color[1] * 1.12, color[2] * 1.12)
        grids = (Grid((0.22, 0.15), (0.08, 0.92, 0.10, 0.90), stone, shift=0.5, variety=0.2),)
    return Material(
        color, draws.uniform(0.05, 0.14), 0.025, draws.uniform(0.04, 0.12), draws.uniform(1.0, 4.0), grids=grids
    )


def _grass(draws: Draws) -> Material:
    red, green, blue = draws.choice(_GRASS)
    fade = draws.uniform(0.8, 1.2)
    return Material(
        (red * fade, green * fade, blue * fade), draws.uniform(0.15, 0.3), 0.02, draws.uniform(0.1, 0.25), 0.9
    )


def _beside_the_road(
    side: Side, stretch: tuple[float, float], grass: Material, stone: Material, kerb: Material
) -> list[Face]:
    """Land, pavement, verge and kerb of one side, on a stretch of the street."""
    near, far = stretch
    x = side.sign * side.kerb
    rise = ((x, 0.0, near), (x, KERB, near), (x, KERB, far), (x, 0.0, far))
    return [
        _strip(side, (side.walk, _WIDE), stretch, grass, Label.TERRAIN),
        _strip(side, (side.verge, side.walk), stretch, stone, Label.SIDEWALK),
        *([_strip(side, (side.kerb, side.verge), stretch, grass, Label.TERRAIN)] if side.verge > side.kerb else []),
        _strip(side, (side.kerb, side.kerb + 0.16), stretch, kerb, Label.SIDEWALK),
        Face(rise, kerb, Label.SIDEWALK),
    ]


def _pavement(draws: Draws) -> tuple[Material, Material]:
    """What pavement and kerb are made of."""
    color = draws.choice(_STONES)
    fade = draws.uniform(0.75, 1.25)
    color = (color[0] * fade, color[1] * fade, color[2] * fade)
    grids: tuple[Grid, ...] = ()
    if draws.chance(0.7):
        size = draws.uniform(0.3, 0.9)
        joint = (color[0] * 0.72, color[1] * 0.72, color[2] * 0.72)
        slabs = Grid(
            (size, size * draws.choice((1.0, 1.0, 0.5))),
            (0.03, 0.97, 0.03, 0.97),
            color,
            shift=draws.choice((0.0, 0.5)),
            variety=0.1,
        )
        color, grids = joint, (slabs,)
    stone = Material(color, 0.06, 0.03, draws.uniform(0.05, 0.12), 1.4, grids=grids)
    edge = draws.uniform(0.42, 0.66)
    kerb = Material((edge, edge * 0.99, edge * 0.96), 0.08, 0.03, 0.1, 0.7)
    return stone, kerb


def _markings(layout: Layout, draws: Draws) -> list[Face]:
    """Lines between lanes and along the edges; what lies on the road is road."""
    paint = _YELLOW_PAINT if draws.chance(0.15) else _PAINT
    dash, gap = draws.choice(((3.0, 6.0), (3.0, 3.0), (2.0, 4.0), (4.0, 8.0)))
    phase = draws.uniform(0.0, dash + gap)
    faces: list[Face] = []
    if draws.chance(0.12):
        return faces
    for number, lane in enumerate(layout.lanes[:-1]):
        x = lane.middle + layout.lane_width / 2
        between_directions = lane.oncoming != layout.lanes[number + 1].oncoming
        if between_directions and draws.chance(0.4):
            faces.append(_flat(x - 0.06, x + 0.06, NEAREST, 150.0, paint, Label.ROAD))
            continue
        z = NEAREST - phase
        while z < 110.0:
            if z + dash > NEAREST:
                faces.append(_flat(x - 0.06, x + 0.06, max(z, NEAREST), z + dash, paint, Label.ROAD))
            z += dash + gap
    for side in layout.sides:
        if side.parking or draws.chance(0.4):
            edge = side.kerb - (side.parking or 0.35)
            low, high = sorted((side.sign * edge - 0.05, side.sign * edge + 0.05))
            faces.append(_flat(low, high, NEAREST, 150.0, paint, Label.ROAD))
    return faces


def _repairs(left: Side, right: Side, asphalt: Material, draws: Draws) -> list[Face]:
    """Patches of other asphalt, wheel tracks and manholes."""
    faces: list[Face] = []
    for _ in range(draws.integer(0, 4)):
        fade = draws.uniform(0.75, 1.15)
        red, green, blue = asphalt.color
        patch = Material((red * fade, green * fade, blue * fade), asphalt.grain, asphalt.grain_size, 0.06)
        x, z = draws.uniform(-left.kerb + 0.5, right.kerb - 1.5), draws.uniform(3.0, 30.0)
        faces.append(_flat(x, x + draws.uniform(0.5, 1.8), z, z + draws.uniform(1.0, 9.0), patch, Label.ROAD))
    iron = Material((0.2, 0.19, 0.18), 0.1, 0.02, 0.1, 0.3)
    for _ in range(draws.integer(0, 2)):
        x, z = draws.uniform(-left.kerb + 0.6, right.kerb - 0.6), draws.uniform(4.0, 20.0)
        corners = (
            (-0.3, -0.12),
            (-0.3, 0.12),
            (-0.12, 0.3),
            (0.12, 0.3),
            (0.3, 0.12),
            (0.3, -0.12),
            (0.12, -0.3),
            (-0.12, -0.3),
        )
        faces.append(Face(tuple((x + a, 0.0, z + b) for a, b in corners), iron, Label.ROAD))
    return faces


def _crossing_road(sides: tuple[Side, Side], crossing: Crossing, asphalt: Material, draws: Draws) -> list[Face]:
    """The other street, with zebra crossings and a stop line."""
    left, right = sides
    # A little deeper than it is: the pavement beyond lies higher, and a ray may pass under its edge.
    faces = [_flat(-_WIDE, _WIDE, crossing.near, crossing.far + 2.5, asphalt, Label.ROAD)]
    zebras = [crossing.near - 3.6] + ([crossing.far + 0.8] if draws.chance(0.6) else [])
    if draws.chance(0.8):
        stripe = draws.uniform(0.4, 0.6)
        for z in zebras:
            x = -left.kerb + 0.3
            while x + stripe < right.kerb:
                faces.append(_flat(x, x + stripe, z, z + 2.8, _PAINT, Label.ROAD))
                x += 2 * stripe
    faces.append(
        _flat(0.3 - right.kerb / 4, right.kerb - 0.3, crossing.near - 5.0, crossing.near - 4.6, _PAINT, Label.ROAD)
    )
    return faces


def _strip(
    side: Side, between: tuple[float, float], stretch: tuple[float, float], material: Material, label: Label
) -> Face:
    """A strip along the street, as high as the pavement, between two distances from the axis."""
    left, right = sorted(side.sign * distance for distance in between)
    return _flat(left, right, *stretch, material, label, KERB)


def _flat(
    left: float, right: float, near: float, far: float, material: Material, label: Label, height: float = 0.0
) -> Face:
    """A rectangle on the ground."""
    far = min(far, FARTHEST)
    return Face(
        ((left, height, near), (left, height, far), (right, height, far), (right, height, near)), material, label
    )
