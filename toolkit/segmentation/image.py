"""One image on its way through the network: which crops it needs, and what becomes of their outputs, band by band."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from toolkit.models import Model
from toolkit.segmentation.batching import Batches
from toolkit.segmentation.canvas import Canvas
from toolkit.segmentation.memory import band_rows
from toolkit.segmentation.merging import PassOutputs
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.tiles import Level, levels

FinishBand = Callable[[slice, Tensor], None]
"""Gets rows of the image, and the sum of their class probabilities over all passes ``(n_classes, n_rows, width)``."""


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
    finish_band : callable
        Gets each band's sums, from top to bottom.
    """

    def __init__(self, pixels: Tensor, model: Model, protocol: Protocol, finish_band: FinishBand) -> None:
        self._pixels = pixels
        self._model = model
        self._protocol = protocol
        self._finish_band = finish_band
        self._height, self._width = pixels.shape[-2:]
        self._total: Tensor | None = None

    @property
    def n_passes(self) -> int:
        """How many passes the sums are over."""
        return len(self._protocol.scales) * len(self._mirrored_passes)

    def send_through(self, batches: Batches) -> None:
        """Add all crops of the image, and what is to be done with their outputs."""
        passes = [_Pass(level, mirrored, self) for level in self._levels() for mirrored in self._mirrored_passes]
        step = band_rows(self._width, self._model.n_classes, self._pixels.device)
        for start in range(0, self._height, step):
            rows = slice(start, min(start + step, self._height))
            for one in passes:
                one.add_crops(rows, batches)
                batches.then(functools.partial(self._merge, one.outputs, rows))
            batches.then(functools.partial(self._finish, rows))

    def _levels(self) -> list[Level]:
        divisor, remainder = self._model.size_divisor, self._model.size_remainder
        return levels(self._height, self._width, self._protocol, size_divisor=divisor, size_remainder=remainder)

    @property
    def _mirrored_passes(self) -> tuple[bool, ...]:
        return (False, True) if self._protocol.flip and self._protocol.flip_merge == "image" else (False,)

    def _merge(self, outputs: PassOutputs, rows: slice) -> None:
        if self._total is None:
            shape = (self._model.n_classes, rows.stop - rows.start, self._width)
            self._total = torch.zeros(shape, device=self._pixels.device)
        outputs.add_probabilities(rows, self._total, self._height)
        outputs.discard_above(rows.stop, self._height)

    def _finish(self, rows: slice) -> None:
        assert self._total is not None  # every image has at least one pass
        total, self._total = self._total, None
        self._finish_band(rows, total)

    def canvas(self, level: Level, mirrored: bool) -> Canvas:
        """What the tiles of a pass are cut from."""
        pixels = self._pixels.flip(-1) if mirrored else self._pixels
        return Canvas(pixels, level, self._model.normalization, self._protocol)

    def outputs(self, level: Level, mirrored: bool) -> PassOutputs:
        """Where the outputs of a pass are gathered."""
        return PassOutputs(level, self._protocol, aligned=self._model.align_corners, mirrored=mirrored)

    @property
    def mirrors_tiles(self) -> bool:
        """Whether each tile is seen mirrored as well."""
        return self._protocol.flip and self._protocol.flip_merge == "tile"

    @property
    def height(self) -> int:
        """Pixels."""
        return self._height


class _Pass:
    """One level of an image, plain or mirrored, and which of its tiles have been sent."""

    def __init__(self, level: Level, mirrored: bool, image: ImageOnItsWay) -> None:
        self.outputs = image.outputs(level, mirrored)
        self._level = level
        self._mirrored = mirrored
        self._image = image
        self._rows_sent = 0

    def add_crops(self, rows: slice, batches: Batches) -> None:
        """Add the tiles that rows of the image need and that were not sent for the rows above."""
        end = self.outputs.needed_rows(rows, self._image.height).stop
        tops = [top for top in self._level.tops[self._rows_sent :] if top < end]
        self._rows_sent += len(tops)
        if not tops:
            return
        canvas = self._image.canvas(self._level, self._mirrored)
        for top in tops:
            for left in self._level.lefts:
                crop = canvas.crop(top, left)
                take = functools.partial(self.outputs.add, top, left)
                batches.add(crop, take)
                if self._image.mirrors_tiles:
                    batches.add(crop.flip(-1), _unmirrored(take))


def _unmirrored(take: Callable[[Tensor], None]) -> Callable[[Tensor], None]:
    return lambda output: take(output.flip(-1))
