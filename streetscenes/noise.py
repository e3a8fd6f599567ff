"""Texture that repeats without a seam, looked up by position, so that a surface looks the same in any piece."""

from dataclasses import dataclass

import numpy as np

from streetscenes.draws import Draws

Floats = np.ndarray
"""Arrays of float32. Only sums, products, quotients and roots of them are taken, which every machine rounds alike."""

_SIDE = 256
_CELLS_OF_MOTTLE = (8, 16, 32, 64)
_CELLS_OF_GRAIN = (64, 128, 256)


@dataclass(frozen=True, eq=False)
class Noise:
    """Two tables of values from −1 to 1 around 0, ``(256, 256)`` float32: clouds of patches, and fine grain."""

    mottle: Floats
    """Patches at sizes of 32, 16, 8 and 4 texels."""
    grain: Floats
    """Specks at sizes of 4, 2 and 1 texels."""

    @classmethod
    def drawn(cls, draws: Draws) -> "Noise":
        """Tables of one scene."""
        return cls(_octaves(draws.part(0), _CELLS_OF_MOTTLE), _octaves(draws.part(1), _CELLS_OF_GRAIN))


def limited(values: Floats) -> Floats:
    """Values cut off at 0 and 1, in place; quicker than ``numpy.clip`` for the small arrays here."""
    np.maximum(values, 0.0, out=values)
    np.minimum(values, 1.0, out=values)
    return values


def nearest(table: Floats, across: Floats, along: Floats) -> Floats:
    """Values at positions in texels that broadcast; the table repeats."""
    columns = np.floor(across).astype(np.int32) & (_SIDE - 1)
    rows = np.floor(along).astype(np.int32) & (_SIDE - 1)
    values: Floats = table.ravel()[rows * _SIDE + columns]
    return values


def smooth(table: Floats, across: Floats, along: Floats) -> Floats:
    """The same, interpolated between the four texels around."""
    left, top = np.floor(across), np.floor(along)
    right_share, lower_share = across - left, along - top
    columns, rows = left.astype(np.int32) & (_SIDE - 1), (top.astype(np.int32) & (_SIDE - 1)) * _SIDE
    next_columns, next_rows = (columns + 1) & (_SIDE - 1), (rows + _SIDE) & (_SIDE * _SIDE - 1)
    values = table.ravel()
    upper = _between(values[rows + columns], values[rows + next_columns], right_share)
    lower = _between(values[next_rows + columns], values[next_rows + next_columns], right_share)
    return _between(upper, lower, lower_share)


def _octaves(draws: Draws, cells: tuple[int, ...]) -> Floats:
    """Value noise: finer patches on coarser ones, each octave 0.6 as strong as the one before."""
    table = np.zeros((_SIDE, _SIDE), np.float32)
    strength, total = 1.0, 0.0
    for number, side in enumerate(cells):
        octets = draws.part(number).octets(side * side)
        lattice = octets.reshape(side, side).astype(np.float32) / 127.5 - 1.0
        table += strength * _enlarged(lattice)
        total += strength
        strength *= 0.6
    return table / total


def _enlarged(lattice: Floats) -> Floats:
    """The lattice interpolated to the size of a table, first down the columns, then along the rows."""
    step = _SIDE // len(lattice)
    if step == 1:
        return lattice
    share = ((np.arange(step) + 0.5) / step).astype(np.float32)
    share = share * share * (3.0 - 2.0 * share)
    tall = _between(lattice[:, None], np.roll(lattice, -1, 0)[:, None], share[:, None]).reshape(_SIDE, -1)
    return _between(tall[:, :, None], np.roll(tall, -1, 1)[:, :, None], share).reshape(_SIDE, _SIDE)


def _between(first: Floats, second: Floats, share: Floats) -> Floats:
    mixed: Floats = first + (second - first) * share
    return mixed
