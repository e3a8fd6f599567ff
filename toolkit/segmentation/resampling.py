"""Bilinear resizing of any rows of the result, so that an image need not be held whole."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from toolkit.segmentation.pixels import on_device

_DENSE_ROWS = 128
"""Up to this many source rows, a product with the matrix of weights is faster than gathering two rows for each."""


def resize_rows(
    image: Tensor, size: tuple[int, int], rows: slice, *, align_corners: bool, first_row: int = 0, height: int = 0
) -> Tensor:
    """Some rows of what ``torch.nn.functional.interpolate(…, mode="bilinear")`` gives.

    Parameters
    ----------
    image : torch.Tensor
        float32 or float64 ``(…, height, width)``; or of its rows those from ``first_row`` on that `source_rows` names.
    size : tuple of int
        (height, width) of the whole result, pixels.
    rows : slice
        Rows of the result that are wanted, with start and stop.
    align_corners : bool
        As in ``interpolate``; without antialiasing.
    first_row, height : int
        Which rows of the image are given, and how many it has in all; by default all are given.

    Returns
    -------
    torch.Tensor
        ``(…, rows.stop - rows.start, size[1])``; may be the input's own memory if nothing changes.
    """
    height = height or image.shape[-2]
    needed = source_rows(height, size[0], rows, align_corners=align_corners)
    image = image[..., needed.start - first_row : needed.stop - first_row, :]
    if has_channels_last(image):
        # The rows too, and in one step, if all are wanted of all.
        every = (rows.start, rows.stop, image.shape[-2]) == (0, size[0], height)
        whole = (size[0] if every else image.shape[-2], size[1])
        if image.shape[-2:] != whole:
            # Not image[None], in whose strides torch does not see that channels come last.
            one = image.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
            image = F.interpolate(one, whole, mode="bilinear", align_corners=align_corners)[0]
        if every:
            return image
        flat = _resized_rows(image.permute(1, 2, 0).flatten(1), height, size[0], rows, needed, align_corners)
        return flat.view(len(flat), size[1], -1).permute(2, 0, 1)
    if image.shape[-1] != size[1]:
        flat = image.reshape(1, -1, *image.shape[-2:])
        across = F.interpolate(flat, size=(flat.shape[-2], size[1]), mode="bilinear", align_corners=align_corners)
        image = across.view(*image.shape[:-1], size[1])
    return _resized_rows(image, height, size[0], rows, needed, align_corners)


def has_channels_last(image: Tensor) -> bool:
    """Whether the values of a pixel of an image ``(n_channels, height, width)`` lie side by side."""
    return image.ndim == 3 and image.stride(0) == 1 and not image.is_contiguous()


def _resized_rows(
    image: Tensor, height: int, new_height: int, rows: slice, needed: slice, align_corners: bool
) -> Tensor:
    """Rows of an image ``(…, height, width)`` that is resized along its rows only; given are those that are needed."""
    if height == new_height:
        return image
    if image.shape[-2] <= _DENSE_ROWS:
        return torch.matmul(
            _row_weights(height, new_height, rows.start, rows.stop, align_corners, image.dtype, image.device), image
        )
    lower, fraction = positions(height, new_height, rows, align_corners, image.device)
    lower -= needed.start
    upper = (lower + 1).clamp_(max=image.shape[-2] - 1)
    weight = fraction.to(image.dtype)[:, None]
    return torch.lerp(image.index_select(-2, lower), image.index_select(-2, upper), weight)


def source_rows(height: int, new_height: int, rows: slice, *, align_corners: bool) -> slice:
    """The rows of an image of ``height`` rows that rows of the result resized to ``new_height`` are made of."""
    if height == new_height:
        return slice(rows.start, rows.stop)
    ends = slice(rows.start, rows.stop, max(rows.stop - rows.start - 1, 1))
    lower, _ = positions(height, new_height, ends, align_corners, torch.device("cpu"))
    return slice(int(lower[0]), min(int(lower[-1]) + 2, height))


@functools.lru_cache(maxsize=512)  # the strips of one image are those of the next of its size
def _row_weights(
    height: int, new_height: int, start: int, stop: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Weight of each needed source row in each row of the result, ``(stop - start, n_source_rows)``."""
    needed = source_rows(height, new_height, slice(start, stop), align_corners=align_corners)
    lower, fraction = positions(height, new_height, slice(start, stop), align_corners, torch.device("cpu"))
    lower -= needed.start
    n_rows = needed.stop - needed.start
    upper = (lower + 1).clamp_(max=n_rows - 1)
    weights = torch.zeros(len(lower), n_rows, dtype=torch.float64)
    weights.scatter_add_(1, lower[:, None], 1 - fraction[:, None]).scatter_add_(1, upper[:, None], fraction[:, None])
    return on_device(weights.to(dtype), device)


def positions(
    height: int, new_height: int, rows: slice, align_corners: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The source row above each row of the result, int64 ``(n,)``, and how far beyond it the row lies, float64."""
    row = torch.arange(rows.start, rows.stop, rows.step or 1, dtype=torch.float64, device=device)
    if align_corners:
        position = row * ((height - 1) / (new_height - 1) if new_height > 1 else 0.0)
    else:
        position = (row + 0.5).mul_(height / new_height).sub_(0.5).clamp_(min=0)
    lower = position.floor().clamp_(max=height - 1)
    return lower.long(), (position - lower).clamp_(max=1)
