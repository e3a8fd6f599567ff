"""One image on its way through the network: which crops it needs, and what becomes of their outputs, band by band."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from toolkit.models import Model
from toolkit.segmentation.batching import Batches, is_out_of_memory
from toolkit.segmentation.canvas import Canvas
from toolkit.segmentation.fused import FusedPassOutputs, is_possible
from toolkit.segmentation.memory import band_rows
from toolkit.segmentation.merging import PassOutputs, parts
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.tiles import Level, levels

FinishRows = Callable[[slice, Tensor], None]
"""Gets rows of the image, and the sum of their class probabilities over all passes ``(n_classes, n_rows, width)``,
which are only there during the call."""


class ImageOnItsWay:
    """One image, from its pixels to the sums of its class probabilities.

    Memory holds one band of sums, the outputs of the tiles that the band needs (as small as the network gives them)
    and one canvas, whatever the number of scales and flips.

    Parameters
    ----------
    pixels : torch.Tensor
        uint8 ``(3, height, width)``, on the device of the network.
    model : Model
        Its classes, normalisation and the sides that its network takes.
    protocol : Protocol
        The numerics.
    finish_rows : callable
        Gets all rows' sums, from top to bottom, some at a time.
    around : int
        So many columns at the left and right of the pixels are what lies beyond the borders of a panorama.
    """

    def __init__(
        self, pixels: Tensor, model: Model, protocol: Protocol, finish_rows: FinishRows, around: int = 0
    ) -> None:
        self._n_classes = model.n_classes
        self._device = pixels.device
        self._height, self._width = pixels.shape[-2:]
        self._finish_rows = finish_rows
        self._passes = [
            _Pass(level, mirrored, pixels, model, protocol)
            for level in levels(self._height, self._width - 2 * around, protocol, rules=model.rules, around=around)
            for mirrored in ((False, True) if protocol.flip and protocol.flip_merge == "image" else (False,))
        ]
        self._sums: Tensor | None = None

    @property
    def n_passes(self) -> int:
        """How many passes the sums are over."""
        return len(self._passes)

    def send_through(self, batches: Batches) -> None:
        """Add all crops of the image, and what is to be done with their outputs."""
        step = band_rows(self._width, self._n_classes, self._device)
        for start in range(0, self._height, step):
            rows = slice(start, min(start + step, self._height))
            for one in self._passes:
                one.add_crops(rows, batches)
                batches.then(functools.partial(self._merge, one, rows))

    def _merge(self, one: "_Pass", rows: slice) -> None:
        """Add a pass to the band's sums; the last one's strips are finished while they are in the cache."""
        size, first = (self._height, self._width), self._passes[0]
        summed = len(self._passes) > 1
        if summed and one is first:
            self._sums = one.outputs.empty_sums(rows.stop - rows.start, self._width, self._device)
        sums = self._sums

        def sums_of(part: slice) -> Tensor:
            assert sums is not None
            return sums[:, part.start - rows.start : part.stop - rows.start]

        def merge(part: slice) -> None:
            if summed:
                one.outputs.merge(part, size, sums_of(part), adding=one is not first)
            else:
                self._finish_rows(part, one.outputs.merge(part, size, None, adding=False))

        for strip in one.outputs.strips(rows, size, summed=summed):
            _in_halves_if_need_be(strip, merge)
            if summed and one is self._passes[-1]:
                _in_halves_if_need_be(strip, lambda part: self._finish_rows(part, sums_of(part)))
        one.outputs.discard_above(rows.stop, self._height)
        if one is self._passes[-1]:
            self._sums = None


def _in_halves_if_need_be(rows: slice, work: Callable[[slice], None]) -> None:
    """Do the work on rows; if memory does not suffice, which it must notice before it changes anything, on halves."""
    try:
        return work(rows)
    except RuntimeError as error:
        if not is_out_of_memory(error) or rows.stop - rows.start == 1:
            raise
    # Outside the handler: what it holds on to would keep the memory of the failed attempt.
    torch.cuda.empty_cache()
    for half in parts(rows, (rows.stop - rows.start + 1) // 2):
        _in_halves_if_need_be(half, work)
    return None


class _Pass:
    """One level of an image, plain or mirrored, and which of its tiles have been sent."""

    def __init__(self, level: Level, mirrored: bool, pixels: Tensor, model: Model, protocol: Protocol) -> None:
        kind = FusedPassOutputs if is_possible(pixels.device) else PassOutputs
        self.outputs = kind(level, protocol, model.n_classes, aligned=model.align_corners, mirrored=mirrored)
        self._level = level
        self._mirrored = mirrored
        self._pixels = pixels
        self._normalization = model.normalization
        self._protocol = protocol
        self._rows_sent = 0

    def add_crops(self, rows: slice, batches: Batches) -> None:
        """Add the tiles that rows of the image need and that were not sent for the rows above."""
        end = self.outputs.needed_rows(rows, self._pixels.shape[-2]).stop
        tops = [top for top in self._level.tops[self._rows_sent :] if top < end]
        self._rows_sent += len(tops)
        if not tops:
            return
        pixels = self._pixels.flip(-1) if self._mirrored else self._pixels
        canvas = Canvas(pixels, self._level, self._normalization, self._protocol)
        mirrors_tiles = self._protocol.flip and self._protocol.flip_merge == "tile"
        for top in tops:
            for left in self._level.lefts:
                crop = canvas.crop(top, left)
                take = functools.partial(self.outputs.add, top, left)
                batches.add(crop, take)
                if mirrors_tiles:
                    batches.add(crop.flip(-1), _unmirrored(take))


def _unmirrored(take: Callable[[Tensor], None]) -> Callable[[Tensor], None]:
    return lambda output: take(output.flip(-1))
