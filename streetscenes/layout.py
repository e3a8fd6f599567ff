"""How a street is divided: lanes, kerbs, pavements and a crossing."""

from dataclasses import dataclass

from streetscenes.draws import Draws

KERB = 0.12
"""Height of the pavement above the road, metres."""


@dataclass(frozen=True)
class Lane:
    """A lane of the road."""

    middle: float
    """Metres from the camera's axis, negative to the left."""
    oncoming: bool
    """Whether its traffic comes towards the camera."""


@dataclass(frozen=True)
class Side:
    """One side of the street, from the middle outward; distances from the camera's axis, metres."""

    sign: int
    """1: right; −1: left."""
    parking: float
    """Width of the parking lane inside the kerb; 0: there is none."""
    kerb: float
    """Where the road ends."""
    verge: float
    """Where the grass beside the road ends; at the kerb if there is none."""
    walk: float
    """Where the pavement ends."""
    front: float
    """Where the houses begin; between pavement and houses there are gardens."""


@dataclass(frozen=True)
class Crossing:
    """Where another street crosses; metres ahead."""

    near: float
    """Its near kerb."""
    far: float
    """Its far kerb."""


@dataclass(frozen=True)
class Layout:
    """The plan of a street."""

    lanes: tuple[Lane, ...]
    """From left to right."""
    lane_width: float
    """Metres."""
    sides: tuple[Side, Side]
    """Left and right."""
    crossing: Crossing | None
    """The street that crosses, if one does."""
    tram: bool
    """Whether trams run here."""

    def in_crossing(self, near: float, far: float) -> bool:
        """Whether something that reaches from ``near`` to ``far`` would stand in the crossing street."""
        crossing = self.crossing
        return crossing is not None and near < crossing.far + 1.0 and far > crossing.near - 1.0


def draw_layout(draws: Draws) -> Layout:
    """A street with one to four lanes, most of them with a crossing."""
    lane_width = draws.uniform(2.9, 3.5)
    ahead, oncoming = draws.choice(((1, 1), (1, 1), (2, 1), (1, 2), (2, 2), (2, 0), (1, 0)))
    own = draws.integer(0, ahead - 1)
    offset = draws.uniform(-0.35, 0.35)
    lanes = tuple(
        Lane((number - oncoming - own) * lane_width + offset, oncoming=number < oncoming)
        for number in range(oncoming + ahead)
    )
    left = _side(-1, lane_width / 2 - lanes[0].middle, draws)
    right = _side(1, lane_width / 2 + lanes[-1].middle, draws)
    crossing = None
    if draws.chance(0.55):
        near = draws.uniform(13.0, 38.0)
        crossing = Crossing(near, near + draws.uniform(8.0, 13.0))
    return Layout(lanes, lane_width, (left, right), crossing, tram=draws.chance(0.22))


def _side(sign: int, lanes_end: float, draws: Draws) -> Side:
    parking = draws.uniform(2.0, 2.4) if draws.chance(0.6) else 0.0
    kerb = lanes_end + (parking or draws.uniform(0.1, 0.5))
    verge = kerb + (draws.uniform(0.8, 2.5) if draws.chance(0.35) else 0.0)
    walk = verge + draws.uniform(1.8, 4.0)
    front = walk + (draws.uniform(2.0, 7.0) if draws.chance(0.4) else 0.0)
    return Side(sign, parking, kerb, verge, walk, front)
