"""Where the tiles of an image lie: pure geometry from (height, width, protocol)."""

import math
from dataclasses import dataclass

from toolkit.models import InputRules
from toolkit.segmentation.protocol import Protocol

_ANY_SIZE = InputRules()


@dataclass(frozen=True)
class Level:
    """One scale of an image: the size it is resized to, and the padded canvas that its tiles are cut from."""

    scale: float
    """The protocol's scale."""
    height: int
    """Height of the rescaled image, pixels."""
    width: int
    """Width of the rescaled image, pixels."""
    top: int
    """Rows of padding above the image."""
    left: int
    """Columns of padding left of the image."""
    canvas: tuple[int, int]
    """(height, width) of the rescaled image with its padding, pixels."""
    crop: tuple[int, int]
    """(height, width) of every tile of this level, pixels; sides that the network takes."""
    tops: tuple[int, ...]
    """First canvas row of each row of tiles."""
    lefts: tuple[int, ...]
    """First canvas column of each column of tiles."""
    resized_first: tuple[int, int] | None = None
    """(height, width) that the image is resized to before it is resized to this level's; None: it is not."""

    @property
    def origins(self) -> tuple[tuple[int, int], ...]:
        """(top, left) of each tile on the canvas, row by row."""
        return tuple((top, left) for top in self.tops for left in self.lefts)


@dataclass(frozen=True)
class Tile:
    """One crop of one rescaled image."""

    level: Level
    """The scale it belongs to."""
    top: int
    """First row on the level's canvas."""
    left: int
    """First column on the level's canvas."""

    @property
    def scale(self) -> float:
        """The protocol's scale that the tile belongs to."""
        return self.level.scale

    @property
    def rows(self) -> slice:
        """Rows of the canvas that the tile covers."""
        return slice(self.top, self.top + self.level.crop[0])

    @property
    def columns(self) -> slice:
        """Columns of the canvas that the tile covers."""
        return slice(self.left, self.left + self.level.crop[1])


def plan(height: int, width: int, protocol: Protocol, *, rules: InputRules = _ANY_SIZE, around: int = 0) -> list[Tile]:
    """The tiles of all scales of an image; each is seen twice if the protocol flips.

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    protocol : Protocol
        Its scales, crop, stride and padding.
    rules : InputRules
        Sides that the network takes; ``model.rules``. A tile of another size, be it ``crop_size`` or that of a whole
        image, is made larger up to such a side.
    around : int
        Columns beyond the left and right borders of a panorama that are segmented with it: see `columns_around`.

    Returns
    -------
    list of Tile
        Scale by scale, row by row.

    Examples
    --------
    >>> len(plan(640, 640, Protocol(scales=(0.5, 0.75, 1.0, 1.25), crop_size=473)))
    18
    """
    return [
        Tile(level, top, left)
        for level in levels(height, width, protocol, rules=rules, around=around)
        for top, left in level.origins
    ]


def levels(
    height: int, width: int, protocol: Protocol, *, rules: InputRules = _ANY_SIZE, around: int = 0
) -> list[Level]:
    """The scales of an image, each with its canvas and tile origins; parameters as for `plan`.

    Of a panorama, what lies beyond its left and right borders belongs to it, too: so many columns ``around``. They
    change nothing of the scale.
    """
    if height < 1 or width < 1:
        raise ValueError(f"an image needs at least one pixel, but its size is {height} × {width}")
    return [_level(height, width, scale, protocol, rules, around) for scale in protocol.scales]


def columns_around(height: int, width: int, protocol: Protocol, *, rules: InputRules = _ANY_SIZE) -> int:
    """How many columns beyond its left and right borders a panorama is segmented with; parameters as for `plan`.

    Half a tile, as the smallest scale sees it, so that what lies at the seam has as much around it as what lies within;
    at most a quarter of the panorama.
    """
    halves = [level.crop[1] / 2 * width / level.width for level in levels(height, width, protocol, rules=rules)]
    return min(math.ceil(max(halves)), width // 4)


def _level(height: int, width: int, scale: float, protocol: Protocol, rules: InputRules, around: int) -> Level:
    first = _scaled_size(height, width, scale, protocol)
    if around:
        first = first[0], round(first[1] * (width + 2 * around) / width)
    size = first if protocol.fit == "pad" else (_fitted(first[0], protocol, rules), _fitted(first[1], protocol, rules))
    rows = _axis(size[0], protocol.slices[0], protocol, rules)
    columns = _axis(size[1], protocol.slices[1], protocol, rules)
    return Level(
        scale=scale,
        height=size[0],
        width=size[1],
        top=rows.margin,
        left=columns.margin,
        canvas=(rows.canvas, columns.canvas),
        crop=(rows.crop, columns.crop),
        tops=rows.starts,
        lefts=columns.starts,
        resized_first=first if protocol.fit == "resize_again" and first != size else None,
    )


@dataclass(frozen=True)
class _Axis:
    """One axis of a level, in pixels."""

    canvas: int
    crop: int
    margin: int
    starts: tuple[int, ...]


def _axis(side: int, n_slices: int, protocol: Protocol, rules: InputRules) -> _Axis:
    crop = rules.round_up(_crop(side, n_slices, protocol))
    canvas = max(side, crop)
    margin = (canvas - side) // 2 if protocol.padding == "center" else 0
    if protocol.mode == "slices":
        last = max(n_slices - 1, 1)
        starts = [round(index * (canvas - crop) / last) for index in range(n_slices)]
    else:
        n_tiles = math.ceil((canvas - crop) / protocol.tile_stride) + 1
        # The last tile snaps to the edge.
        starts = [min(index * protocol.tile_stride, canvas - crop) for index in range(n_tiles)]
    return _Axis(canvas, crop, margin, tuple(dict.fromkeys(starts)))


def _crop(side: int, n_slices: int, protocol: Protocol) -> int:
    """Side of the tile before it is rounded up to one that the network takes."""
    if protocol.mode == "whole":
        return side
    if protocol.mode == "slices":
        return math.ceil(side / (n_slices - (n_slices - 1) * protocol.slice_overlap))
    return min(side, protocol.crop_size) if protocol.padding == "none" else protocol.crop_size


def _scaled_size(height: int, width: int, scale: float, protocol: Protocol) -> tuple[int, int]:
    if protocol.base_size is None:
        return _rounded(height * scale, protocol), _rounded(width * scale, protocol)
    # Rounding twice (the target, then the sides) is semseg's; the others have whole targets.
    target = _target(protocol.base_size * scale, protocol)
    if protocol.scale_base == "square":
        return target, target
    short, long = sorted((height, width))
    factor = target / (long if protocol.scale_base == "long" else short)
    if protocol.long_limit is not None:
        limit = protocol.long_limit * scale if protocol.limit_scales else protocol.long_limit
        factor = min(factor, _target(limit, protocol) / long)
    return _rounded(height * factor, protocol), _rounded(width * factor, protocol)


def _target(side: float, protocol: Protocol) -> int:
    """A base side at a scale in whole pixels: semseg rounds it, all others cut it off."""
    return max(1, round(side) if protocol.rounding == "half_even" else math.floor(side))


def _rounded(side: float, protocol: Protocol) -> int:
    if protocol.rounding == "half_even":
        return max(1, round(side))
    return max(1, math.floor(side + 0.5 if protocol.rounding == "half_up" else side))


def _fitted(side: int, protocol: Protocol, rules: InputRules) -> int:
    side = math.ceil(side / protocol.size_multiple) * protocol.size_multiple
    return rules.round_up(side) if protocol.mode == "whole" else side
