"""Where the tiles of an image lie: pure geometry from (height, width, protocol)."""

import math
from dataclasses import dataclass

from toolkit.segmentation.protocol import Protocol


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
    """(height, width) of every tile of this level, pixels."""
    origins: tuple[tuple[int, int], ...]
    """(top, left) of each tile on the canvas, row by row."""


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


def plan(height: int, width: int, protocol: Protocol, *, size_divisor: int = 1, size_remainder: int = 0) -> list[Tile]:
    """The tiles of all scales of an image; each is seen twice if the protocol flips.

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    protocol : Protocol
        Its scales, crop, stride and padding.
    size_divisor, size_remainder : int
        Sides the network takes (k · divisor + remainder); matters in mode ``"whole"``, where the tile is as large as
        the image and is padded up to such a side.

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
        for level in levels(height, width, protocol, size_divisor=size_divisor, size_remainder=size_remainder)
        for top, left in level.origins
    ]


def levels(
    height: int, width: int, protocol: Protocol, *, size_divisor: int = 1, size_remainder: int = 0
) -> list[Level]:
    """The scales of an image, each with its canvas and tile origins; parameters as for `plan`."""
    if height < 1 or width < 1:
        raise ValueError(f"an image needs at least one pixel, but its size is {height} × {width}")
    return [_level(height, width, scale, protocol, size_divisor, size_remainder) for scale in protocol.scales]


def _level(height: int, width: int, scale: float, protocol: Protocol, divisor: int, remainder: int) -> Level:
    height, width = _scaled_size(height, width, scale, protocol)
    rows = _axis(height, protocol, divisor, remainder)
    columns = _axis(width, protocol, divisor, remainder)
    return Level(
        scale=scale,
        height=height,
        width=width,
        top=rows.margin,
        left=columns.margin,
        canvas=(rows.canvas, columns.canvas),
        crop=(rows.crop, columns.crop),
        origins=tuple((top, left) for top in rows.starts for left in columns.starts),
    )


@dataclass(frozen=True)
class _Axis:
    """One axis of a level, in pixels."""

    canvas: int
    crop: int
    margin: int
    starts: tuple[int, ...]


def _axis(side: int, protocol: Protocol, divisor: int, remainder: int) -> _Axis:
    if protocol.mode == "whole":
        crop = canvas = max(math.ceil((side - remainder) / divisor), 0 if remainder else 1) * divisor + remainder
    elif protocol.padding == "none":
        crop, canvas = min(side, protocol.crop_size), side
    else:
        crop, canvas = protocol.crop_size, max(side, protocol.crop_size)
    margin = (canvas - side) // 2 if protocol.padding == "center" else 0
    n_tiles = math.ceil((canvas - crop) / protocol.tile_stride) + 1
    # The last tile snaps to the edge.
    return _Axis(canvas, crop, margin, tuple(min(i * protocol.tile_stride, canvas - crop) for i in range(n_tiles)))


def _scaled_size(height: int, width: int, scale: float, protocol: Protocol) -> tuple[int, int]:
    if protocol.base_size is None:
        return max(1, round(height * scale)), max(1, round(width * scale))
    base_side = max(height, width) if protocol.scale_base == "long" else min(height, width)
    target = round(protocol.base_size * scale)
    return max(1, round(target / base_side * height)), max(1, round(target / base_side * width))
