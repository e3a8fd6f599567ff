"""The network's outputs for one pass over an image, put together into any rows of the image's size."""

from collections.abc import Iterator

import torch
from torch import Tensor

from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.resampling import has_channels_last, resize_rows, source_rows
from toolkit.segmentation.tiles import Level

GAUSSIAN_SIGMA = 1 / 8
"""Standard deviation of the gaussian blend in crops (MONAI's default)."""
GAUSSIAN_FLOOR = 1e-3
"""Least weight of a tile's pixel (MONAI's default), so that no pixel is divided by zero."""

# Rows are merged in strips that stay in a processor's cache from the logits to the sum; a GPU wants few, large steps.
_STRIP_FLOATS = {"cpu": 2**20, "cuda": 2**27}
_LEAST_STRIP_ROWS = 32
_CHANNELS_LAST = ("cuda",)
"""Where the classes of a pixel lie side by side, so that a softmax reads them once."""


class PassOutputs:
    """What the network gave for the tiles of one pass, as small as it gave it, and their weighted mean.

    Parameters
    ----------
    level : Level
        Whose tiles will be added.
    protocol : Protocol
        Its blend, merge space and upsampling.
    n_classes : int
        Of the network.
    aligned : bool
        Whether the network was trained with aligned corners.
    mirrored : bool
        Whether the pass sees the mirrored image.
    """

    def __init__(self, level: Level, protocol: Protocol, n_classes: int, *, aligned: bool, mirrored: bool) -> None:
        def or_as_trained(choice: bool | None) -> bool:
            return aligned if choice is None else choice

        self.level = level
        self._protocol = protocol
        self._n_classes = n_classes
        self._mirrored = mirrored
        self._output_aligned = or_as_trained(protocol.output_align_corners)
        self._restore_aligned = or_as_trained(protocol.restore_align_corners)
        self._tiles: dict[tuple[int, int], list[Tensor]] = {}
        self._weight: Tensor | None = None

    def add(self, top: int, left: int, output: Tensor) -> None:
        """Keep a tile's logits ``(n_classes, h, w)``, of the tile's size or smaller, not mirrored; twice if it was also
        seen mirrored."""
        kept = self._kept(output)
        self._tiles.setdefault((top, left), []).append(kept)

    def _kept(self, output: Tensor) -> Tensor:
        # In memory of its own: a view would keep its whole batch.
        if output.device.type in _CHANNELS_LAST:
            return output.permute(1, 2, 0).clone(memory_format=torch.contiguous_format).permute(2, 0, 1)
        return output.clone(memory_format=torch.contiguous_format)  # row by row, as resizing likes it

    def discard_above(self, row: int, image_height: int) -> None:
        """Let go of tiles that no image row from ``row`` on needs."""
        if row >= image_height:
            self._tiles.clear()
            return
        first = self.needed_rows(slice(row, image_height), image_height).start
        for top, left in [place for place in self._tiles if place[0] + self.level.crop[0] <= first]:
            del self._tiles[top, left]

    def needed_rows(self, rows: slice, image_height: int) -> slice:
        """The canvas rows that rows of the image's size are made of."""
        if self._protocol.upsample == "image":
            return slice(0, self.level.canvas[0])
        source = source_rows(self.level.height, image_height, rows, align_corners=self._restore_aligned)
        return slice(source.start + self.level.top, source.stop + self.level.top)

    def empty_sums(self, n_rows: int, width: int, device: torch.device) -> Tensor:
        """Memory for sums ``(n_classes, n_rows, width)``."""
        return _empty(self._n_classes, n_rows, width, device)

    def strips(self, rows: slice, size: tuple[int, int], *, summed: bool) -> Iterator[slice]:
        """Parts of the rows of an image of ``size`` (height, width), each of which is merged at once.

        ``summed`` says whether there are sums of all these rows, so that a part of any size takes no memory of its own.
        """
        widest = max(size[1], self.level.canvas[1])
        taller = max(self.level.height / size[0], 1)  # rows of the canvas that a row of the image is made of
        device = next(iter(self._tiles.values()))[0].device
        most = _STRIP_FLOATS.get(device.type, 2**27) / (self._n_classes * widest)
        yield from parts(rows, max(int(max(most, _LEAST_STRIP_ROWS) / taller), 1))

    def merge(self, rows: slice, size: tuple[int, int], sums: Tensor | None, *, adding: bool) -> Tensor:
        """The pass's class probabilities ``(n_classes, n_rows, width)`` of rows of the image.

        Parameters
        ----------
        rows : slice
            One of `strips`.
        size : tuple of int
            The image's (height, width).
        sums : torch.Tensor, optional
            Where they are put, or added; None: they are the only ones.
        adding : bool
            Whether the sums hold something.

        Returns
        -------
        torch.Tensor
            The sums, or the probabilities if there are none.
        """
        probabilities = self._probabilities(rows, size)
        if self._mirrored:
            probabilities = probabilities.flip(-1)
        if sums is None:
            return probabilities
        return sums.add_(probabilities) if adding else sums.copy_(probabilities)

    def _probabilities(self, rows: slice, size: tuple[int, int]) -> Tensor:
        level = self.level
        if self._protocol.upsample == "image":
            (views,) = self._tiles.values()
            logits = sum(views[1:], start=views[0]) / len(views)
            return _softmax(resize_rows(logits, size, rows, align_corners=self._output_aligned))
        needed = self.needed_rows(rows, size[0])
        merged = self._merged(needed)[..., level.left : level.left + level.width]
        restored = resize_rows(
            merged,
            size,
            rows,
            align_corners=self._restore_aligned,
            first_row=needed.start - level.top,
            height=level.height,
        )
        return _softmax(restored) if self._protocol.merge == "logits" else restored

    def _merged(self, rows: slice) -> Tensor:
        """The mean of the tiles over some canvas rows ``(n_classes, n_rows, canvas_width)``, in the merge space."""
        crop_height, crop_width = self.level.crop
        total = weights = None
        for (top, left), views in self._tiles.items():
            within = slice(max(rows.start, top), min(rows.stop, top + crop_height))
            if within.start >= within.stop:
                continue
            in_tile = slice(within.start - top, within.stop - top)
            tile = self._sum_of_views(views, in_tile)
            if len(self.level.origins) == 1:
                return tile.div_(len(views)) if len(views) > 1 else tile
            if total is None or weights is None:
                shape = (rows.stop - rows.start, self.level.canvas[1])
                total, weights = _empty(len(tile), *shape, tile.device).zero_(), tile.new_zeros(shape)
            place = (slice(within.start - rows.start, within.stop - rows.start), slice(left, left + crop_width))
            if self._protocol.blend == "constant":
                total[:, *place] += tile
                weights[place] += len(views)
            else:
                weight = self._tile_weight(tile.device)[in_tile]
                total[:, *place].addcmul_(tile, weight)
                weights[place] += weight * len(views)
        assert total is not None
        assert weights is not None  # every canvas row lies in some tile
        return total.mul_(weights.reciprocal_())

    def _sum_of_views(self, views: list[Tensor], rows: slice) -> Tensor:
        """Rows of one tile at the tile's size and in the merge space."""
        total = None
        for view in [sum(views[1:], start=views[0])] if self._protocol.merge == "logits" else views:
            tile = resize_rows(view, self.level.crop, rows, align_corners=self._output_aligned)
            output = tile if self._protocol.merge == "logits" else _softmax(tile)
            total = output if total is None else total.add_(output)
        assert total is not None  # a tile that is there was seen at least once
        return total

    def _tile_weight(self, device: torch.device) -> Tensor:
        if self._weight is None:
            self._weight = tile_weight(self.level.crop, self._protocol, device)
        return self._weight


def _empty(n_classes: int, n_rows: int, width: int, device: torch.device) -> Tensor:
    """Memory for ``(n_classes, n_rows, width)``, laid out as is best there."""
    if device.type in _CHANNELS_LAST:
        return torch.empty(n_rows, width, n_classes, device=device).permute(2, 0, 1)
    return torch.empty(n_classes, n_rows, width, device=device)


def _softmax(logits: Tensor) -> Tensor:
    """Class probabilities of logits ``(n_classes, height, width)``, laid out as they are."""
    if has_channels_last(logits):
        return logits.permute(1, 2, 0).softmax(-1).permute(2, 0, 1)
    return logits.softmax(0)


def parts(whole: slice, step: int) -> Iterator[slice]:
    """A slice cut into slices of ``step``; the last may be smaller."""
    for start in range(whole.start, whole.stop, step):
        yield slice(start, min(start + step, whole.stop))


def tile_weight(crop: tuple[int, int], protocol: Protocol, device: torch.device) -> Tensor:
    """Weight of each pixel of a tile ``(height, width)``, float32."""
    if protocol.blend == "constant":
        return torch.ones(crop, device=device)
    rows, columns = (gaussian(side, device) for side in crop)
    return torch.outer(rows, columns).clamp_(min=GAUSSIAN_FLOOR)


def gaussian(side: int, device: torch.device) -> Tensor:
    """The gaussian blend along one side ``(side,)``."""
    distance = torch.arange(side, device=device, dtype=torch.float32) - (side - 1) / 2
    return torch.exp(-0.5 * (distance / (side * GAUSSIAN_SIGMA)) ** 2)
