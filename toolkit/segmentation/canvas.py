"""From the decoded image to the network's input: rescaled, normalised, padded, on the compute device."""

import functools

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from toolkit.models import Normalization
from toolkit.segmentation.pillow import resize_as_pillow
from toolkit.segmentation.pixels import on_device
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.resampling import resize_rows, source_rows
from toolkit.segmentation.tiles import Level

_TIE = 1e-6
_RESIZED_PIXELS = 2**18
_PILLOW_ITSELF = ("cpu",)
"""Where Pillow resizes, and not what gives the same; it is quicker there."""
_WHOLE_PIXELS = 2**22
"""Canvases up to this size are made at once; of larger ones, only the rows that a row of tiles covers."""


class Canvas:
    """One level of an image, from which tiles are cut.

    Parameters
    ----------
    pixels : torch.Tensor
        uint8 ``(3, height, width)``, on the compute device.
    level : Level
        What is made of it.
    normalization : Normalization
        The model's.
    protocol : Protocol
        How the image is rescaled and padded.
    """

    def __init__(self, pixels: Tensor, level: Level, normalization: Normalization, protocol: Protocol) -> None:
        self._level = level
        self._protocol = protocol
        self._source = _prepared(pixels, level, protocol)
        self._mean, self._std = _statistics(normalization, pixels.device)
        self._made = slice(0, 0)
        self._rows = torch.empty(0)

    def crop(self, top: int, left: int) -> Tensor:
        """The normalised tile ``(3, crop_height, crop_width)`` at a position on the canvas, float32; a view."""
        height, width = self._level.crop
        if not (self._made.start <= top and top + height <= self._made.stop):
            whole = self._level.canvas[0] * self._level.canvas[1] <= _WHOLE_PIXELS
            self._made = slice(0, self._level.canvas[0]) if whole else slice(top, top + height)
            self._rows = self._padded(self._made)
        first = top - self._made.start
        return self._rows[:, first : first + height, left : left + width]

    def _padded(self, rows: slice) -> Tensor:
        """Rows of the canvas, normalised ``(3, n_rows, canvas_width)``."""
        level = self._level
        top, bottom = max(rows.start, level.top), min(rows.stop, level.top + level.height)
        image = self._image(slice(top - level.top, bottom - level.top)).sub_(self._mean).div_(self._std)
        if image.shape[-2:] == (rows.stop - rows.start, level.canvas[1]):
            return image
        canvas = torch.empty(3, rows.stop - rows.start, level.canvas[1], device=image.device)
        canvas[:] = 0 if self._protocol.pad_value == "mean" else -self._mean / self._std
        canvas[:, top - rows.start : bottom - rows.start, level.left : level.left + level.width] = image
        return canvas

    def _image(self, rows: slice) -> Tensor:
        """Rows of the rescaled image, 0…255, float32 ``(3, n_rows, width)``, in memory of their own."""
        size = (self._level.height, self._level.width)
        if self._source.shape[-2:] == size:
            return self._source[:, rows].to(torch.float32, copy=True)
        return _bilinear(self._source, size, rows, self._protocol)


@functools.lru_cache(maxsize=64)
def _statistics(normalization: Normalization, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 ``(3, 1, 1)``."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (normalization.mean, normalization.std))
    return on_device(mean, device), on_device(std, device)


def _prepared(pixels: Tensor, level: Level, protocol: Protocol) -> Tensor:
    """What the level's rows are made of: the image, or what must be resized whole, uint8 or float32."""
    if level.resized_first is not None:
        pixels = _resized(pixels, level.resized_first, protocol)
    if protocol.resize == "pil":
        pixels = _resized(pixels, (level.height, level.width), protocol)
    return pixels


def _resized(pixels: Tensor, size: tuple[int, int], protocol: Protocol) -> Tensor:
    if pixels.shape[-2:] == size:
        return pixels
    if protocol.resize == "pil":
        if pixels.device.type not in _PILLOW_ITSELF:
            return resize_as_pillow(pixels, size)
        picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
        resized = np.array(picture.resize(size[::-1], Image.Resampling.BILINEAR))
        return torch.from_numpy(resized).permute(2, 0, 1)
    image = _bilinear(pixels, size, slice(0, size[0]), protocol)
    return image.to(torch.uint8) if protocol.resize == "bilinear_uint8" else image


def _bilinear(source: Tensor, size: tuple[int, int], rows: slice, protocol: Protocol) -> Tensor:
    """Some rows of an image that is resized to a size, float32 ``(3, n_rows, size[1])``; some at a time, because they
    are computed in float64: float32 would not know where the pixels of a large image lie."""
    height, width = source.shape[-2:]
    step = max(int(_RESIZED_PIXELS / max(width * height / size[0], size[1])), 1)
    resized = torch.empty(3, rows.stop - rows.start, size[1], device=source.device)
    for start in range(rows.start, rows.stop, step):
        part = slice(start, min(start + step, rows.stop))
        needed = source_rows(height, size[0], part, align_corners=False)
        slab = source[:, needed].to(torch.float64, memory_format=torch.contiguous_format)
        image = resize_rows(slab, size, part, align_corners=False, first_row=needed.start, height=height)
        rounded = _whole_values(image) if protocol.resize == "bilinear_uint8" else image
        resized[:, part.start - rows.start : part.stop - rows.start] = rounded
    return resized


def _whole_values(image: Tensor) -> Tensor:
    """Rounded, halves up; also those that lack a rounding error, so that it does not matter how they were computed."""
    return image.add_(0.5 + _TIE).floor_()
