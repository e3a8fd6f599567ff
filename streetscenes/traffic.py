"""What drives, waits and is parked on the road."""

from streetscenes import people, vehicles
from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.layout import Crossing, Lane, Layout, Side
from streetscenes.parts import Face, Frame, Layer, Material, Part, Thing, across_the_view
from streetscenes.shadows import footprint

_AHEAD, _ONCOMING, _TO_THE_RIGHT, _TO_THE_LEFT = (0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)
_KINDS = ("car",) * 13 + ("truck", "bus", "cyclist", "motorcyclist", "motorcyclist") * 2 + ("cyclist",) * 2
_SIZES = {
    "car": vehicles.CAR_SIZE,
    "truck": vehicles.TRUCK_SIZE,
    "bus": vehicles.BUS_SIZE,
    "tram": vehicles.TRAM_SIZE,
    "cyclist": (0.5, 1.75, 1.7),
    "motorcyclist": (0.6, 2.0, 1.7),
}
_END_OF_TRAFFIC = 95.0


def driving(layout: Layout, draws: Draws) -> list[Thing]:
    """Vehicles in the lanes, leaving the crossing free."""
    things = []
    for lane in layout.lanes:
        tram = layout.tram and abs(lane.middle) > layout.lane_width / 2 and draws.chance(0.6)
        z = draws.uniform(9.0, 26.0) if abs(lane.middle) < layout.lane_width / 2 else draws.uniform(2.0, 22.0)
        while z < _END_OF_TRAFFIC:
            kind = "tram" if tram else draws.choice(_KINDS)
            tram = False
            length = _SIZES[kind][1]
            if not layout.in_crossing(z, z + length):
                things.append(_in_lane(kind, lane, layout.lane_width, z + length / 2, draws))
            z += length + draws.uniform(2.0, 8.0) + draws.uniform(0.0, 30.0) * draws.uniform()
    return things


def parked(side: Side, layout: Layout, draws: Draws) -> list[Thing]:
    """Cars, a few trucks and motorcycles at the kerb."""
    things: list[Thing] = []
    if not side.parking:
        return things
    fullness = draws.uniform(0.2, 0.95)
    heading = _ONCOMING if side.sign < 0 and draws.chance(0.8) else _AHEAD
    z = draws.uniform(-2.0, 4.0)
    while z < 75.0:
        kind = draws.choice(("car",) * 14 + ("truck", "motorcycle"))
        length = 2.1 if kind == "motorcycle" else _SIZES[kind][1]
        x = side.sign * (side.kerb - side.parking / 2 + draws.uniform(-0.12, 0.12))
        middle = z + length / 2
        if draws.chance(fullness) and not layout.in_crossing(z - 4.0, z + length) and z > 0.5:
            if kind == "motorcycle":
                things.append(_slanted(people.motorcycle, (x, middle), Layer.PARKING, draws))
            else:
                things.append(_vehicle(kind, (x, middle), heading, Layer.PARKING, draws))
        z += length + draws.uniform(0.6, 1.4)
    return things


def crossing_traffic(crossing: Crossing, draws: Draws) -> list[Thing]:
    """Vehicles seen from the side on the other street."""
    things = []
    quarter = (crossing.far - crossing.near) / 4
    for z, heading in ((crossing.far - quarter, _TO_THE_LEFT), (crossing.near + quarter, _TO_THE_RIGHT)):
        x = draws.uniform(-26.0, 0.0)
        while x < 26.0:
            kind = draws.choice((*_KINDS, "tram"))
            length = _SIZES[kind][1]
            if draws.chance(0.5):
                things.append(_vehicle(kind, (x + length / 2, z), heading, Layer.ROAD, draws))
            x += length + draws.uniform(2.0, 12.0)
    return things


def bonnet(camera_height: float, draws: Draws) -> Thing:
    """The bonnet of the car that carries the camera: not part of what is evaluated."""
    drop = camera_height * draws.uniform(0.34, 0.44)
    reach = draws.uniform(1.2, 1.5)
    grey = draws.uniform(0.05, 0.5)
    paint = Material((grey, grey * 1.02, grey * 1.06), grain=0.0, mottle=0.15, mottle_size=0.9)
    left = ((-1.1, -0.5), (-1.0, -0.16), (-0.8, -0.07), (-0.45, -0.015), (0.0, 0.0))
    rim = (*left, *((-x, z) for x, z in left[-2::-1]))
    y = camera_height - drop
    corners = ((-1.1, y, 0.41), *((x, y, reach + z) for x, z in rim), (1.1, y, 0.41))
    return Thing((Face(corners, paint, Label.EGO_VEHICLE),), layer=Layer.CAMERA, depth=0.0)


def _in_lane(kind: str, lane: Lane, lane_width: float, z: float, draws: Draws) -> Thing:
    x = lane.middle + draws.uniform(-0.25, 0.25)
    if kind in ("cyclist", "motorcyclist"):
        aside = draws.uniform(0.15, 0.32) * lane_width
        x = lane.middle + (-aside if lane.oncoming else aside)
        draw = people.cyclist_from_behind if kind == "cyclist" else people.motorcyclist_from_behind
        parts = draw(Frame((x, 0.0, z)), draws)
        return Thing(parts, Layer.ROAD, z, footprint(x, z, 0.45, 1.7), 1.6)
    return _vehicle(kind, (x, z), _ONCOMING if lane.oncoming else _AHEAD, Layer.ROAD, draws)


def _vehicle(kind: str, place: tuple[float, float], heading: tuple[float, float], layer: Layer, draws: Draws) -> Thing:
    x, z = place
    frame = Frame((x, 0.0, z), heading)
    width, length, height = _SIZES[kind]
    across, along = (width, length) if heading[0] == 0 else (length, width)
    parts: tuple[Part, ...]
    if kind in ("cyclist", "motorcyclist"):
        # Their figures face the way they are seen: across the picture.
        facing = Frame((x, 0.0, z), (0.0, heading[0]))
        parts = (people.cyclist if kind == "cyclist" else people.motorcyclist)(facing, draws)
    else:
        draw = {"car": vehicles.car, "truck": vehicles.truck, "bus": vehicles.bus, "tram": vehicles.tram}[kind]
        parts = draw(frame, draws)
    return Thing(parts, layer, z - along / 2, footprint(x, z, across, along), height * 0.9)


def _slanted(draw: people.Draw, place: tuple[float, float], layer: Layer, draws: Draws) -> Thing:
    """A two-wheeler left standing at some angle."""
    x, z = place
    return Thing(
        draw(Frame((x, 0.0, z), across_the_view(x, z, draws)), draws), layer, z, footprint(x, z, 1.4, 0.5), 0.9
    )
