"""The original procedure, written to be checked by eye: scale by scale, tile by tile, in float64.

The oracle of every test and the baseline of every benchmark; it shares no code with the fast path. Its structure is
that of the published PSPNet testers (hszhao/semseg ``tool/test.py``; PSPNet-Keras-tensorflow ``pspnet.py``): pad to the
crop, slide with the last tile snapped to the edge, softmax, mean over the flip, sum ÷ count, resize to the original
size, mean over scales. Where others differ, a field of the protocol says so.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from toolkit.models import Model
from toolkit.segmentation.protocol import Protocol


@torch.inference_mode()
def reference_probabilities(pixels: np.ndarray, model: Model, protocol: Protocol, *, around: int = 0) -> np.ndarray:
    """Mean class probabilities of an image, the slow and obvious way.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 ``(height, width, 3)``, RGB.
    model : Model
        Its network is called in float32 on one tile at a time.
    protocol : Protocol
        Any.
    around : int
        Of a panorama: it is segmented with so many columns of its right end at its left, and of its left end at its
        right, at the scales that it has by itself; the middle is taken.

    Returns
    -------
    numpy.ndarray
        float64 ``(n_classes, height, width)``.
    """
    if around:
        pixels = np.concatenate([pixels[:, -around:], pixels, pixels[:, :around]], axis=1)
        return _probabilities(pixels, model, protocol, around)[:, :, around:-around].cpu().numpy()
    return _probabilities(pixels, model, protocol).cpu().numpy()


@torch.inference_mode()
def reference_labels(pixels: np.ndarray, model: Model, protocol: Protocol) -> np.ndarray:
    """The most probable class of each pixel, int64 ``(height, width)``; parameters as for `reference_probabilities`."""
    return _probabilities(pixels, model, protocol).argmax(0).cpu().numpy()


def _probabilities(pixels: np.ndarray, model: Model, protocol: Protocol, around: int = 0) -> Tensor:
    height, width = pixels.shape[:2]
    device = next(model.network.parameters()).device
    total = torch.zeros(model.n_classes, height, width, dtype=torch.float64, device=device)
    n_passes = 0
    for scale in protocol.scales:
        image = _rescale(pixels, scale, model, protocol, around)
        total += _one_pass(image, (height, width), model, protocol)
        n_passes += 1
        if protocol.flip and protocol.flip_merge == "image":
            total += _one_pass(image.flip(-1), (height, width), model, protocol).flip(-1)
            n_passes += 1
    return total / n_passes


def _one_pass(image: Tensor, original: tuple[int, int], model: Model, protocol: Protocol) -> Tensor:
    """Class probabilities ``(n_classes, *original)`` of an image that was rescaled once."""
    image_height, image_width = image.shape[-2:]
    device = next(model.network.parameters()).device
    mean = torch.tensor(model.normalization.mean, dtype=torch.float32).view(3, 1, 1)
    std = torch.tensor(model.normalization.std, dtype=torch.float32).view(3, 1, 1)

    # The tile: a crop, or as large as the image, or a slice of it; never of a size that the network does not take.
    if protocol.mode == "whole":
        crop_height, crop_width = image_height, image_width
    elif protocol.mode == "slices":
        crop_height = _slice_side(image_height, protocol.slices[0], protocol)
        crop_width = _slice_side(image_width, protocol.slices[1], protocol)
    elif protocol.padding == "none":
        crop_height, crop_width = min(image_height, protocol.crop_size), min(image_width, protocol.crop_size)
    else:
        crop_height = crop_width = protocol.crop_size
    crop_height, crop_width = model.round_up(crop_height), model.round_up(crop_width)

    # Pad up to the tile.
    missing_rows = max(crop_height - image_height, 0)
    missing_columns = max(crop_width - image_width, 0)
    top = missing_rows // 2 if protocol.padding == "center" else 0
    left = missing_columns // 2 if protocol.padding == "center" else 0
    value = mean if protocol.pad_value == "mean" else torch.zeros(3, 1, 1)
    canvas = value.repeat(1, image_height + missing_rows, image_width + missing_columns)
    canvas[:, top : top + image_height, left : left + image_width] = image
    canvas = ((canvas - mean) / std).to(device)
    canvas_height, canvas_width = canvas.shape[-2:]

    if protocol.upsample == "image":
        logits = _logits(model, canvas, original, protocol)
        if protocol.flip and protocol.flip_merge == "tile":
            logits = (logits + _logits(model, canvas, original, protocol, mirrored=True)) / 2
        return logits.softmax(0)

    weight = _tile_weight(crop_height, crop_width, protocol).to(device)
    summed = torch.zeros(model.n_classes, canvas_height, canvas_width, dtype=torch.float64, device=device)
    counted = torch.zeros(canvas_height, canvas_width, dtype=torch.float64, device=device)
    for row in _starts(canvas_height, crop_height, protocol.slices[0], protocol):
        for column in _starts(canvas_width, crop_width, protocol.slices[1], protocol):
            tile = canvas[:, row : row + crop_height, column : column + crop_width]
            output = _tile_output(model, tile, protocol)
            if protocol.flip and protocol.flip_merge == "tile":
                output = (output + _tile_output(model, tile, protocol, mirrored=True)) / 2
            summed[:, row : row + crop_height, column : column + crop_width] += output * weight
            counted[row : row + crop_height, column : column + crop_width] += weight

    merged = (summed / counted)[:, top : top + image_height, left : left + image_width]
    aligned = model.align_corners if protocol.restore_align_corners is None else protocol.restore_align_corners
    merged = F.interpolate(merged[None], size=original, mode="bilinear", align_corners=aligned)[0]
    return merged.softmax(0) if protocol.merge == "logits" else merged


def _tile_output(model: Model, tile: Tensor, protocol: Protocol, *, mirrored: bool = False) -> Tensor:
    logits = _logits(model, tile, (tile.shape[-2], tile.shape[-1]), protocol, mirrored=mirrored)
    return logits.softmax(0) if protocol.merge == "probabilities" else logits


def _logits(model: Model, tile: Tensor, size: tuple[int, int], protocol: Protocol, *, mirrored: bool = False) -> Tensor:
    """Logits ``(n_classes, *size)`` of a tile; of its mirror image, turned back, if asked for."""
    aligned = model.align_corners if protocol.output_align_corners is None else protocol.output_align_corners
    logits: Tensor = model.network(tile.flip(-1)[None]).flip(-1) if mirrored else model.network(tile[None])
    logits = logits.float()
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=aligned)[0].double()


def _rescale(pixels: np.ndarray, scale: float, model: Model, protocol: Protocol, around: int) -> Tensor:
    """The image at one scale, RGB 0…255, float32 ``(3, height, width)``."""
    height, width = pixels.shape[0], pixels.shape[1] - 2 * around
    if protocol.scale_base == "original":
        size = (height * scale, width * scale)
    else:
        assert protocol.base_size is not None
        target = _target(protocol.base_size * scale, protocol)
        if protocol.scale_base == "square":
            size = (target, target)
        elif protocol.scale_base == "long":
            size = (target / max(height, width) * height, target / max(height, width) * width)
        else:
            factor = target / min(height, width)
            if protocol.long_limit is not None:
                limit = protocol.long_limit * scale if protocol.limit_scales else protocol.long_limit
                factor = min(factor, _target(limit, protocol) / max(height, width))
            size = (factor * height, factor * width)
    new_height, new_width = _whole(size[0], protocol), _whole(size[1], protocol)
    if around:
        new_width = round(new_width * (width + 2 * around) / width)

    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
    if protocol.fit == "pad":
        return _resize(image, new_height, new_width, protocol)
    if protocol.fit == "resize_again":
        image = _resize(image, new_height, new_width, protocol)
    multiple = protocol.size_multiple
    new_height, new_width = math.ceil(new_height / multiple) * multiple, math.ceil(new_width / multiple) * multiple
    if protocol.mode == "whole":
        new_height, new_width = model.round_up(new_height), model.round_up(new_width)
    return _resize(image, new_height, new_width, protocol)


def _target(side: float, protocol: Protocol) -> int:
    return max(round(side) if protocol.rounding == "half_even" else int(side), 1)


def _whole(side: float, protocol: Protocol) -> int:
    if protocol.rounding == "half_even":
        return max(round(side), 1)
    if protocol.rounding == "half_up":
        return max(int(side + 0.5), 1)
    return max(int(side), 1)


def _resize(image: Tensor, height: int, width: int, protocol: Protocol) -> Tensor:
    if protocol.resize == "pil":
        bands = image.permute(1, 2, 0).to(torch.uint8).numpy()
        resized = Image.fromarray(bands).resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()
    exact = F.interpolate(image[None].double(), size=(height, width), mode="bilinear", align_corners=False)[0]
    if protocol.resize == "bilinear_uint8":
        exact = (exact + 0.5 + 1e-6).floor()  # halves up, also those that lack a rounding error
    return exact.float()


def _slice_side(side: int, n_slices: int, protocol: Protocol) -> int:
    return math.ceil(side / (n_slices - (n_slices - 1) * protocol.slice_overlap))


def _starts(side: int, crop: int, n_slices: int, protocol: Protocol) -> list[int]:
    if protocol.mode == "slices":
        return sorted({round(index * (side - crop) / max(n_slices - 1, 1)) for index in range(n_slices)})
    starts = []
    for index in range(math.ceil((side - crop) / protocol.tile_stride) + 1):
        end = min(index * protocol.tile_stride + crop, side)
        starts.append(end - crop)
    return starts


def _tile_weight(height: int, width: int, protocol: Protocol) -> Tensor:
    weight = torch.ones(height, width, dtype=torch.float64)
    if protocol.blend == "gaussian":
        for row in range(height):
            weight[row, :] *= math.exp(-0.5 * ((row - (height - 1) / 2) / (height / 8)) ** 2)
        for column in range(width):
            weight[:, column] *= math.exp(-0.5 * ((column - (width - 1) / 2) / (width / 8)) ** 2)
    return weight.clamp(min=1e-3)
