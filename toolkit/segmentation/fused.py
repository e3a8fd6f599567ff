"""The quick way to merge on a CPU: upsampling, softmax, weighting and resizing of a pixel while it is in the cache.

Equal to what `merging` does with tensors up to rounding; the same bits whatever the number of threads.
"""

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toolkit.segmentation.merging import GAUSSIAN_FLOOR, PassOutputs, gaussian, parts
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.resampling import positions
from toolkit.segmentation.tiles import levels

_LEAST_BLOCK_ROWS, _MOST_BLOCK_ROWS, _BLOCK_COLUMNS = 16, 64, 512
_LOG2_E = math.log2(math.e)
_LEAST_SUM_OF_POWERS = -1e29  # the kernels take -1e30 for a class that there is not
_MOST_TRIES = 3
_CPU = torch.device("cpu")

Axis = tuple[np.ndarray, np.ndarray]
"""For each pixel along an axis, the source pixel before it (int64), and how far beyond that it lies (float32)."""


@functools.cache
def _kernels() -> ModuleType | None:
    try:
        from toolkit.segmentation import kernels
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        return None
    return kernels


def is_possible(device: torch.device) -> bool:
    """Whether it is a CPU, and numba is there."""
    return device.type == "cpu" and _kernels() is not None


@functools.cache
def warm_up() -> None:
    """Have the kernels compiled before an image waits for them: it takes seconds, once per machine."""
    protocol = Protocol(crop_size=8, stride=8)
    for _ in range(_MOST_TRIES):
        outputs = FusedPassOutputs(levels(8, 8, protocol)[0], protocol, 2, aligned=False, mirrored=False)
        outputs.add(0, 0, torch.zeros(2, 8, 8))
        # What is compiled serves also if it cannot be kept: no room, no quota.
        with contextlib.suppress(OSError):
            summarise(outputs.merge(slice(0, 8), (8, 8), None, adding=False), soft=False)
            return


class FusedPassOutputs(PassOutputs):
    """As `PassOutputs`, with all steps of merging in one; outputs lie class by class at each pixel, as do sums."""

    _finite = True

    def _kept(self, output: Tensor) -> Tensor:
        """The logits as the kernels take them, ``(h, w, n_classes)``."""
        if self._finite:
            logits = output.float().permute(1, 2, 0).contiguous()
            powers = (logits - logits.amax(-1, keepdim=True)).mul_(_LOG2_E)
            self._finite = powers.sum().item() > _LEAST_SUM_OF_POWERS  # not so of infinities, and what is not a number
            if self._finite:
                return powers
            # What becomes of infinities is a matter of torch's softmax and interpolation.
            for views in self._tiles.values():
                views[:] = [(view / _LOG2_E).permute(2, 0, 1).contiguous() for view in views]
        return super()._kept(output)

    def empty_sums(self, n_rows: int, width: int, device: torch.device) -> Tensor:
        return torch.empty(n_rows, width, self._n_classes, device=device).permute(2, 0, 1)

    def strips(self, rows: slice, size: tuple[int, int], *, summed: bool) -> Iterator[slice]:
        return iter([rows]) if self._finite and summed else super().strips(rows, size, summed=summed)

    def merge(self, rows: slice, size: tuple[int, int], sums: Tensor | None, *, adding: bool) -> Tensor:
        if not self._finite:
            return super().merge(rows, size, sums, adding=adding)
        if sums is None:
            sums = self.empty_sums(rows.stop - rows.start, size[1], _CPU)
        kernels = _kernels()
        assert kernels is not None
        total = sums.permute(1, 2, 0).numpy()
        constant = self._constant_arguments(size)

        def merge_block(block: tuple[slice, slice]) -> None:
            down, across = block
            kernels.merge_block(
                *constant,
                (down.start, down.stop, across.start, across.stop),
                adding,
                total[down.start - rows.start : down.stop - rows.start],
            )

        n_blocks = math.ceil(size[1] / _BLOCK_COLUMNS)
        columns = parts(slice(0, size[1]), math.ceil(size[1] / n_blocks))
        _in_threads(merge_block, list(itertools.product(parts(rows, _block_rows(rows)), columns)))
        return sums

    def _constant_arguments(self, size: tuple[int, int]) -> tuple[Any, ...]:
        """What is the same for all blocks; see `toolkit.segmentation.kernels.merge_block`."""
        level, protocol = self.level, self._protocol
        tiles = self._tiles
        shape = tuple(next(iter(tiles.values()))[0].shape)
        if protocol.upsample == "image":  # as if the logits were the canvas
            crop = inside = (shape[0], shape[1])
            begin, aligned = (0, 0), self._output_aligned
        else:
            crop, inside, begin = level.crop, (level.height, level.width), (level.top, level.left)
            aligned = self._restore_aligned
        blend = [gaussian(side, _CPU) if protocol.blend == "gaussian" else torch.ones(side) for side in crop]
        return (
            np.array([[view.data_ptr() for view in views] for views in tiles.values()], np.int64),
            shape,
            tuple(np.array(starts, np.int64) for starts in zip(*tiles, strict=True)),
            tuple(_axis(*sides, self._output_aligned) for sides in zip(shape[:2], crop, strict=True)),
            tuple(weights.numpy() for weights in blend),
            GAUSSIAN_FLOOR if protocol.blend == "gaussian" else 0.0,
            (
                _axis(inside[0], size[0], aligned, before=begin[0]),
                _axis(inside[1], size[1], aligned, before=begin[1], mirrored=self._mirrored),
            ),
            (begin[0] + inside[0], begin[1] + inside[1]),
            (
                protocol.merge == "probabilities",
                protocol.merge == "logits",
                inside[1] == size[1] and not self._mirrored,
            ),
        )


@functools.lru_cache(maxsize=256)  # those of one image are those of the next of its size
def _axis(side: int, new_side: int, aligned: bool, *, before: int = 0, mirrored: bool = False) -> Axis:
    """Where the pixels of a resized axis lie among those that it is made of, which begin at ``before``."""
    lower, fraction = positions(side, new_side, slice(0, new_side), aligned, _CPU)
    if mirrored:
        lower, fraction = lower.flip(0), fraction.flip(0)
    return (lower + before).numpy(), fraction.float().numpy()


def is_pixel_by_pixel(sums: Tensor) -> bool:
    """Whether sums ``(n_classes, n_rows, width)`` lie as `FusedPassOutputs` has them."""
    return is_possible(sums.device) and sums.permute(1, 2, 0).is_contiguous()


def summarise(total: Tensor, *, soft: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of sums of probabilities ``(n_classes, n_rows, width)``, each pixel's class and each row's sums.

    Returns
    -------
    labels : numpy.ndarray
        The first class of the greatest sum, uint16 ``(n_rows, width)``.
    greatest : numpy.ndarray
        Sum of the greatest, float64 ``(n_rows,)``.
    mass : numpy.ndarray
        Sum of each class, float64 ``(n_rows, n_classes)``; without rows unless ``soft``.
    """
    kernels = _kernels()
    assert kernels is not None
    sums = total.permute(1, 2, 0).numpy()
    n_rows, width, n_classes = sums.shape
    labels, greatest = np.empty((n_rows, width), np.uint16), np.empty(n_rows)
    mass = np.zeros((n_rows if soft else 0, n_classes))

    def summarise_rows(some: slice) -> None:
        kernels.summarise_rows(sums[some], labels[some], greatest[some], mass[some])

    rows = slice(0, n_rows)
    _in_threads(summarise_rows, list(parts(rows, _block_rows(rows))))
    return labels, greatest, mass


def _block_rows(rows: slice) -> int:
    """So few that all threads have some, and so many that few are made twice."""
    share: int = (rows.stop - rows.start) // (2 * torch.get_num_threads())
    return min(max(share, _LEAST_BLOCK_ROWS), _MOST_BLOCK_ROWS)


def _in_threads(function: Callable[[Any], None], parts: Sequence[Any]) -> None:
    """Call it for all parts, in as many threads as torch has."""
    n_threads = min(torch.get_num_threads(), len(parts))
    if n_threads == 1:
        for part in parts:
            function(part)
        return
    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(function, parts))
