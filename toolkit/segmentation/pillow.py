"""Pillow's bilinear resizing, exactly, where the image lies: a GPU need not wait for the host."""

import functools
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from toolkit.segmentation.pixels import on_device

_BITS = 22
"""Pillow's weights are whole numbers of so many bits after the point."""


def resize_as_pillow(image: Tensor, size: tuple[int, int]) -> Tensor:
    """What ``Image.resize(…, Image.Resampling.BILINEAR)`` gives, bit by bit.

    Parameters
    ----------
    image : torch.Tensor
        uint8 ``(…, height, width)``.
    size : tuple of int
        (height, width) of the result, pixels.

    Returns
    -------
    torch.Tensor
        uint8 ``(…, *size)``, on the device of the image; the image itself if it has that size.
    """
    height, width = image.shape[-2:]
    if size[0] < height and 2 * (width - size[1]) < height - size[0] and _takes_rows_first():
        return _along(-1, _along(-2, image, size[0]), size[1])
    return _along(-2, _along(-1, image, size[1]), size[0])


@functools.cache
def _takes_rows_first() -> bool:
    """Whether the installed Pillow begins with the rows where these become fewer by far; older ones never do.

    It rounds in between, so that it matters.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    resized = np.array(Image.fromarray(pixels).resize((20, 5), Image.Resampling.BILINEAR))
    columns_first = _along(-2, _along(-1, torch.from_numpy(pixels), 20), 5)
    return not np.array_equal(columns_first.numpy(), resized)


def _along(dimension: int, image: Tensor, new_side: int) -> Tensor:
    side = image.shape[dimension]
    if side == new_side:
        return image
    places, weights = _taps(side, new_side, image.device)
    shape = list(image.shape)
    shape[dimension] = new_side
    total = torch.full(shape, 1 << (_BITS - 1), dtype=torch.int32, device=image.device)  # a half, to round
    for place, weight in zip(places, weights, strict=True):
        total.addcmul_(image.index_select(dimension, place).int(), weight if dimension == -1 else weight[:, None])
    return total.bitwise_right_shift_(_BITS).clamp_(0, 255).to(torch.uint8)


@functools.lru_cache(maxsize=256)  # the levels of one image are those of the next of its size
def _taps(side: int, new_side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The source pixels of each pixel of a resized axis, and their weights, int32, each ``(n_taps, new_side)``."""
    scale = side / new_side
    support = max(scale, 1.0)
    center = (np.arange(new_side) + 0.5) * scale
    first = np.maximum(center - support + 0.5, 0).astype(np.int64)
    end = np.minimum((center + support + 0.5).astype(np.int64), side)
    places = first + np.arange(2 * math.ceil(support) + 1)[:, None]
    distance = np.abs((places - center + 0.5) * (1 / support))
    weights = np.where(places < end, np.maximum(1 - distance, 0), 0)
    weights /= np.add.accumulate(weights)[-1]  # one after another, as Pillow adds them
    whole = (0.5 + weights * (1 << _BITS)).astype(np.int32)
    taken = whole.any(axis=1)
    places = np.minimum(places[taken], side - 1).astype(np.int32)
    return on_device(torch.from_numpy(places), device), on_device(torch.from_numpy(whole[taken]), device)
