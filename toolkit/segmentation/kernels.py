"""What `merging` does with tensors, pixel by pixel as machine code for a CPU, while it is in the cache.

Needs numba; `fused` imports this only where it is needed. Logits come as ``log2(e) · (logit - greatest of the pixel)``,
which leaves every softmax as it is and makes it a matter of powers of two that are at most 1.
"""
# mypy: disable-error-code="attr-defined,no-untyped-call,untyped-decorator,call-arg,unreachable"

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

Array = np.ndarray

LANES = 8
"""Classes are filled up to a multiple of this inside a kernel, so that loops over them need not end one by one."""
_ABSENT = np.float32(-1e30)
_LEAST_EXPONENT = np.float32(-100)
_LEAST_SUM = np.float32(1e-20)
"""A smaller sum of powers may be of such whose exponents were cut off."""
_0, _HALF, _1 = np.float32(0), np.float32(0.5), np.float32(1)
_C = [np.float32(c) for c in (1.00000012, 0.693146944, 0.240221217, 0.0555074252, 0.00967545994, 0.0013266971)]
_C0, _C1, _C2, _C3, _C4, _C5 = _C
"""2^x on [-½, ½], by least squares of the relative error, which is at most 3e-7."""
_BIAS, _MANTISSA_BITS = np.int32(127), np.int32(23)

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def _kept(function: Callable[..., None]) -> Any:
    """Compiled at the first call; or taken from where an earlier process kept it, if there is such a place."""
    try:
        return njit(cache=True, **_OPTIONS)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(**_OPTIONS)(function)


@intrinsic
def _float_of(_: Any, bits: Any) -> Any:
    """The float32 that 32 bits are."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return types.float32(types.int32), build


@intrinsic
def _memory_at(_: Any, address: Any) -> Any:
    """A pointer to an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float32)(types.int64), build


@njit(inline="always", **_OPTIONS)
def _power_of_2(exponent: Any) -> Any:
    """2^exponent of one in [-100, 0]."""
    whole = np.int32(exponent - _HALF)
    rest = exponent - np.float32(whole)
    power = ((((_C5 * rest + _C4) * rest + _C3) * rest + _C2) * rest + _C1) * rest + _C0
    return power * _float_of(np.int32(np.int32(whole + _BIAS) << _MANTISSA_BITS))


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sum(values: Array) -> Any:
    total = _0
    for index in range(len(values)):
        total += values[index]
    return total


@njit(**_OPTIONS)
def _add_row(
    first: Array, second: Array, places: Array, step: int, fraction: Array, factor: Array, target: Array, n: int
) -> None:
    """Add to each pixel what lies a fraction of the way from its place in the first to a step further in the second."""
    for x in range(len(target)):
        i, j = places[x], min(places[x] + step, len(second) - 1)
        f, share = fraction[x], factor[x]
        for c in range(n):
            target[x, c] += share * (first[i, c] + f * (second[j, c] - first[i, c]))


@njit(**_OPTIONS)
def _add_softmax_row(
    first: Array,
    second: Array,
    places: Array,
    step: int,
    fraction: Array,
    factor: Array,
    target: Array,
    n: int,
    powers: Array,
) -> None:
    """Likewise, after softmax."""
    for x in range(len(target)):
        i, j = places[x], min(places[x] + step, len(second) - 1)
        f = fraction[x]
        greatest = total = _0
        for _ in range(2):
            for c in range(len(powers)):
                exponent = first[i, c] + f * (second[j, c] - first[i, c]) - greatest
                powers[c] = _power_of_2(max(exponent, _LEAST_EXPONENT))
            total = _sum(powers)
            if total > _LEAST_SUM:
                break
            # Neighbours that agree on nothing: no class comes anywhere near the greatest of both.
            greatest = first[i, 0] + f * (second[j, 0] - first[i, 0])
            for c in range(1, n):
                greatest = max(greatest, first[i, c] + f * (second[j, c] - first[i, c]))
        share = factor[x] / total
        for c in range(n):
            target[x, c] += share * powers[c]


@_kept
def merge_block(
    addresses: Any,
    shape: Any,
    origins: Any,
    in_tile: Any,
    weight: Any,
    least_weight: Any,
    in_level: Any,
    ends: Any,
    choices: Any,
    block: Any,
    adding: Any,
    total: Any,
) -> None:
    """Merge the tiles of one pass into a block of the image.

    Parameters
    ----------
    addresses : numpy.ndarray
        Where each tile's views lie in memory, ``(n_tiles, n_views)``.
    shape : tuple of int
        (height, width, n_classes) of a view.
    origins : tuple of numpy.ndarray
        First canvas row and column of each tile.
    in_tile : tuple
        For each row and for each column of a tile: the view's row above it, and how far beyond that it lies.
    weight : tuple of numpy.ndarray
        Weight of each row and of each column of a tile, whose product, or ``least_weight``, is that of a pixel.
    in_level : tuple
        For each row and for each column of the image: the canvas row above it, and how far beyond that it lies.
    ends : tuple of int
        The canvas row and column behind the last of the rescaled image.
    choices : tuple of bool
        Whether each tile goes through softmax; whether all do so together at last; whether the canvas's columns are the
        image's.
    block : tuple of int
        First row of the image, the one behind the last, and its columns likewise.
    adding : bool
        Whether ``total`` holds something that is added to.
    total : numpy.ndarray
        Sums of class probabilities ``(n_rows, width, n_classes)`` from the block's first row on.
    """
    height, width, n_classes = shape
    tops, lefts = origins
    (tile_row, row_fraction), (tile_column, column_fraction) = in_tile
    (level_row, down), (level_column, level_fraction) = in_level
    row_weight, column_weight = weight
    first_row, last_row, first_column, last_column = block
    softmax_first, softmax_last, same_columns = choices
    crop_height, crop_width = len(tile_row), len(tile_column)
    n_tiles, n_views = addresses.shape
    n_columns = last_column - first_column
    n_padded = (n_classes + LANES - 1) // LANES * LANES

    left = min(level_column[first_column], level_column[last_column - 1])
    following = 1 if same_columns else 2
    right = min(max(level_column[first_column], level_column[last_column - 1]) + following, ends[1])
    canvas = np.zeros((right - left, n_padded), np.float32)
    weights, shares = np.empty(right - left, np.float32), np.empty(right - left, np.float32)
    places = level_column[first_column:last_column] - left
    made = np.zeros((2, n_columns, n_padded), np.float32)
    made_of = np.full(2, -1, np.int64)
    line = np.full((width, n_padded), _ABSENT, np.float32)
    powers = np.empty(n_padded, np.float32)
    each, ones, halfway = np.arange(n_columns), np.ones(n_columns, np.float32), np.empty(n_columns, np.float32)

    for row in range(first_row, last_row):
        above = level_row[row]
        below = above if down[row] == _0 else min(above + 1, ends[0] - 1)
        for y in range(above, below + 1):
            if made_of[y % 2] == y:
                continue
            made_of[y % 2] = y
            here = made[y % 2] if same_columns else canvas
            here[:] = _0
            weights[:] = _0
            for tile in range(n_tiles):
                if tops[tile] <= y < tops[tile] + crop_height:
                    for x in range(max(left, lefts[tile]), min(right, lefts[tile] + crop_width)):
                        product = row_weight[y - tops[tile]] * column_weight[x - lefts[tile]]
                        weights[x - left] += np.float32(n_views) * max(product, least_weight)
            for tile in range(n_tiles):
                begin, end = max(left, lefts[tile]), min(right, lefts[tile] + crop_width)
                if not tops[tile] <= y < tops[tile] + crop_height or begin >= end:
                    continue
                within, across_tile = y - tops[tile], slice(begin - lefts[tile], end - lefts[tile])
                for x in range(begin, end):
                    product = row_weight[within] * column_weight[x - lefts[tile]]
                    shares[x - begin] = max(product, least_weight) / weights[x - left]
                source, fractions = tile_column[across_tile], column_fraction[across_tile]
                factor, target = shares[: end - begin], here[begin - left : end - left]
                for view in range(n_views):
                    logits = carray(_memory_at(addresses[tile, view]), (height, width, n_classes))
                    one, fraction = logits[tile_row[within]], row_fraction[within]
                    other = logits[min(tile_row[within] + 1, height - 1)]
                    for j in range(source[0], min(source[-1] + 2, width)):
                        for c in range(n_classes):
                            line[j, c] = one[j, c] + fraction * (other[j, c] - one[j, c])
                    if softmax_first:
                        _add_softmax_row(line, line, source, 1, fractions, factor, target, n_padded, powers)
                    else:
                        _add_row(line, line, source, 1, fractions, factor, target, n_padded)
            if not same_columns:
                made[y % 2] = _0
                across = level_fraction[first_column:last_column]
                _add_row(canvas, canvas, places, 1, across, ones, made[y % 2], n_padded)
        sums = total[row - first_row, first_column:last_column]
        if not adding:
            sums[:] = _0
        halfway[:] = down[row]
        if softmax_last:
            _add_softmax_row(made[above % 2], made[below % 2], each, 0, halfway, ones, sums, n_classes, powers)
        else:
            _add_row(made[above % 2], made[below % 2], each, 0, halfway, ones, sums, n_classes)


@_kept
def summarise_rows(total: Array, labels: Array, greatest: Array, mass: Array) -> None:
    """The first class of the greatest sum of each pixel; of each row, the sums of the greatest and of all.

    Parameters
    ----------
    total : numpy.ndarray
        Sums of class probabilities ``(n_rows, width, n_classes)``.
    labels : numpy.ndarray
        Gets the classes ``(n_rows, width)``.
    greatest : numpy.ndarray
        Gets each row's sum of the greatest ``(n_rows,)``.
    mass : numpy.ndarray
        Gets each row's sum of each class ``(n_rows, n_classes)``, unless it has no rows.
    """
    n_rows, width, n_classes = total.shape
    for row in range(n_rows):
        summed = 0.0
        for x in range(width):
            best, label = total[row, x, 0], 0
            for c in range(1, n_classes):
                if total[row, x, c] > best:
                    best, label = total[row, x, c], c
            labels[row, x] = label
            summed += best
            if len(mass):
                for c in range(n_classes):
                    mass[row, c] += total[row, x, c]
        greatest[row] = summed
