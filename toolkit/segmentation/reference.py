"""The plain sequential procedure, written to be checked by eye: scale by scale, tile by tile, in float64.

The oracle of every test and the baseline of every benchmark; it shares no code with the fast path. Its structure is
that of the published PSPNet testers (hszhao/semseg ``tool/test.py``; PSPNet-Keras-tensorflow ``pspnet.py``): pad to the
crop, slide with the last tile snapped to the edge, softmax, mean over the flip, sum ÷ count, resize to the original
size, mean over scales.
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
def reference_probabilities(pixels: np.ndarray, model: Model, protocol: Protocol) -> np.ndarray:
    """Mean class probabilities of an image, the slow and obvious way.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 ``(height, width, 3)``, RGB.
    model : Model
        Its network is called in float32 on one tile at a time.
    protocol : Protocol
        Any.

    Returns
    -------
    numpy.ndarray
        float64 ``(n_classes, height, width)``.
    """
    height, width = pixels.shape[:2]
    mean = torch.tensor(model.normalization.mean, dtype=torch.float32).view(3, 1, 1)
    std = torch.tensor(model.normalization.std, dtype=torch.float32).view(3, 1, 1)
    total = torch.zeros(model.n_classes, height, width, dtype=torch.float64)

    for scale in protocol.scales:
        image = _rescale(pixels, scale, protocol)
        image_height, image_width = image.shape[-2:]

        # Pad up to the crop (or, for a whole image, up to a size that the network takes).
        if protocol.mode == "whole":
            crop_height, crop_width = model.round_up(image_height), model.round_up(image_width)
        elif protocol.padding == "none":
            crop_height, crop_width = min(image_height, protocol.crop_size), min(image_width, protocol.crop_size)
        else:
            crop_height = crop_width = protocol.crop_size
        missing_rows = max(crop_height - image_height, 0)
        missing_columns = max(crop_width - image_width, 0)
        top = missing_rows // 2 if protocol.padding == "center" else 0
        left = missing_columns // 2 if protocol.padding == "center" else 0
        value = mean if protocol.pad_value == "mean" else torch.zeros(3, 1, 1)
        canvas = value.repeat(1, image_height + missing_rows, image_width + missing_columns)
        canvas[:, top : top + image_height, left : left + image_width] = image
        canvas = (canvas - mean) / std

        weight = _tile_weight(crop_height, crop_width, protocol)
        summed = torch.zeros(model.n_classes, *canvas.shape[-2:], dtype=torch.float64)
        counted = torch.zeros(*canvas.shape[-2:], dtype=torch.float64)
        for row in _starts(canvas.shape[-2], crop_height, protocol.tile_stride):
            for column in _starts(canvas.shape[-1], crop_width, protocol.tile_stride):
                tile = canvas[None, :, row : row + crop_height, column : column + crop_width]
                output = _forward(model, tile, protocol)
                if protocol.flip:
                    output = (output + _forward(model, tile.flip(-1), protocol).flip(-1)) / 2
                summed[:, row : row + crop_height, column : column + crop_width] += output * weight
                counted[row : row + crop_height, column : column + crop_width] += weight

        merged = (summed / counted)[:, top : top + image_height, left : left + image_width]
        merged = F.interpolate(merged[None], size=(height, width), mode="bilinear", align_corners=False)[0]
        total += merged.softmax(0) if protocol.merge == "logits" else merged

    return (total / len(protocol.scales)).numpy()


def _rescale(pixels: np.ndarray, scale: float, protocol: Protocol) -> Tensor:
    height, width = pixels.shape[:2]
    if protocol.scale_base == "original":
        new_height, new_width = round(height * scale), round(width * scale)
    else:
        assert protocol.base_size is not None
        side = max(height, width) if protocol.scale_base == "long" else min(height, width)
        target = round(protocol.base_size * scale)
        new_height, new_width = round(target / side * height), round(target / side * width)
    new_height, new_width = max(new_height, 1), max(new_width, 1)
    if protocol.resize == "pil":
        resized = Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
    return F.interpolate(image[None], size=(new_height, new_width), mode="bilinear", align_corners=False)[0]


def _starts(side: int, crop: int, stride: int) -> list[int]:
    starts = []
    for index in range(math.ceil((side - crop) / stride) + 1):
        end = min(index * stride + crop, side)
        starts.append(end - crop)
    return starts


def _forward(model: Model, tile: Tensor, protocol: Protocol) -> Tensor:
    logits: Tensor = model.network(tile)[0].double()
    return logits.softmax(0) if protocol.merge == "probabilities" else logits


def _tile_weight(height: int, width: int, protocol: Protocol) -> Tensor:
    weight = torch.ones(height, width, dtype=torch.float64)
    if protocol.blend == "gaussian":
        for row in range(height):
            weight[row, :] *= math.exp(-0.5 * ((row - (height - 1) / 2) / (height / 8)) ** 2)
        for column in range(width):
            weight[:, column] *= math.exp(-0.5 * ((column - (width - 1) / 2) / (width / 8)) ** 2)
    return weight.clamp(min=1e-3)
