"""The presets against the published procedures, each written down once more by itself and with nothing in common."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor

from toolkit.models import Model
from toolkit.segmentation import Protocol, mean_probabilities

MakeImage = Callable[..., np.ndarray]

PHOTOS = ["horses.jpg", "leuvenA.jpg"]
SHAPES = [(90, 120), (118, 61), (40, 50)]
"""Wide, high, and smaller than the crop."""


def planes(pixels: np.ndarray) -> Tensor:
    """``(height, width, 3)`` → float32 ``(1, 3, height, width)``."""
    return torch.tensor(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()


def opencv_resize(image: Tensor, height: int, width: int) -> Tensor:
    """``cv2.resize`` with INTER_LINEAR on floats: half-pixel centres, no antialiasing."""
    return F.interpolate(image, (height, width), mode="bilinear", align_corners=False)


def constants(model: Model) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``(1, 3, 1, 1)``."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in vars(model.normalization).values())
    return mean, std


def starts(side: int, crop: int, stride: int) -> list[int]:
    """Where crops begin: every stride, the last one as far as the edge lets it."""
    count = math.ceil((side - crop) / stride) + 1
    return [min(index * stride, side - crop) for index in range(count)]


def zoomed(network: torch.nn.Module, crops: Tensor) -> Tensor:
    """Logits at the crops' size, corners aligned, as PSPNet gives them."""
    return F.interpolate(network(crops), crops.shape[-2:], mode="bilinear", align_corners=True)


def semseg(pixels: np.ndarray, model: Model, *, base: int, crop: int, scales: tuple[float, ...]) -> Tensor:
    """hszhao/semseg, ``tool/test.py``."""
    mean, std = constants(model)
    height, width = pixels.shape[:2]
    total = torch.zeros(model.n_classes, height, width, dtype=torch.float64)
    for scale in scales:
        long = round(scale * base)
        if height > width:
            new_height, new_width = long, round(long / float(height) * width)
        else:
            new_height, new_width = round(long / float(width) * height), long
        image = opencv_resize(planes(pixels), new_height, new_width)

        pad_rows, pad_columns = max(crop - new_height, 0), max(crop - new_width, 0)
        above, before = pad_rows // 2, pad_columns // 2
        border = mean.expand(1, 3, new_height + pad_rows, new_width + pad_columns).clone()
        border[:, :, above : above + new_height, before : before + new_width] = image

        stride = math.ceil(crop * 2 / 3)
        prediction = torch.zeros(model.n_classes, *border.shape[-2:], dtype=torch.float64)
        count = torch.zeros(border.shape[-2:], dtype=torch.float64)
        for top in starts(border.shape[-2], crop, stride):
            for left in starts(border.shape[-1], crop, stride):
                one = (border[:, :, top : top + crop, left : left + crop] - mean) / std
                plain, mirrored = zoomed(model.network, torch.cat([one, one.flip(3)])).softmax(1)
                prediction[:, top : top + crop, left : left + crop] += (plain + mirrored.flip(2)) / 2
                count[top : top + crop, left : left + crop] += 1
        prediction = (prediction / count)[:, above : above + new_height, before : before + new_width]
        total += opencv_resize(prediction[None], height, width)[0]
    return total / len(scales)


def keras(pixels: np.ndarray, model: Model, *, crop: int, scales: tuple[float, ...]) -> Tensor:
    """PSPNet-Keras-tensorflow, ``pspnet.py`` with sliding evaluation; (x − mean) / std stands for its mean alone."""
    mean, std = constants(model)
    height, width = pixels.shape[:2]
    total = torch.zeros(model.n_classes, height, width, dtype=torch.float64)
    for scale in scales:
        # scipy's imresize: sizes cut off, Pillow's bilinear on uint8
        picture = Image.fromarray(pixels).resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
        image = np.array(picture)
        rows, columns = image.shape[:2]
        stride = math.ceil(crop * (1 - 1 / 3))
        summed = np.zeros((rows, columns, model.n_classes))
        count = np.zeros((rows, columns, 1))
        for row in range(max(math.ceil((rows - crop) / stride), 0) + 1):
            for column in range(max(math.ceil((columns - crop) / stride), 0) + 1):
                bottom, right = min(row * stride + crop, rows), min(column * stride + crop, columns)
                top, left = max(bottom - crop, 0), max(right - crop, 0)
                piece = image[top:bottom, left:right]
                padded = np.pad(piece, ((0, crop - piece.shape[0]), (0, crop - piece.shape[1]), (0, 0)))
                one = (planes(padded) - mean) / std
                plain = zoomed(model.network, one)[0].softmax(0)
                mirrored = zoomed(model.network, one.flip(3))[0].softmax(0).flip(2)
                both = ((plain + mirrored) / 2).permute(1, 2, 0).numpy()
                summed[top:bottom, left:right] += both[: piece.shape[0], : piece.shape[1]]
                count[top:bottom, left:right] += 1
        # scipy's zoom aligns corners
        full = ndimage.zoom(summed / count, (height / rows, width / columns, 1.0), order=1, prefilter=False)
        total += torch.tensor(full).permute(2, 0, 1)
    return total / len(scales)


def mmseg1(
    pixels: np.ndarray, model: Model, *, crop: int, stride: int, scales: tuple[float, ...], flip: bool
) -> Tensor:
    """mmsegmentation 1.x: ``slide_inference``, ``postprocess_result`` and ``SegTTAModel``."""
    mean, std = constants(model)
    height, width = pixels.shape[:2]
    predictions = []
    for scale in scales:
        size = int(height * scale + 0.5), int(width * scale + 0.5)
        whole_values = (opencv_resize(planes(pixels).double(), *size) + 0.5 + 1e-6).floor().float()
        for mirrored in (False, True) if flip else (False,):
            image = (whole_values - mean) / std
            image = image.flip(3) if mirrored else image
            logits = torch.zeros(1, model.n_classes, *size, dtype=torch.float64)
            count = torch.zeros(1, 1, *size, dtype=torch.float64)
            for row in range(max(size[0] - crop + stride - 1, 0) // stride + 1):
                for column in range(max(size[1] - crop + stride - 1, 0) // stride + 1):
                    bottom, right = min(row * stride + crop, size[0]), min(column * stride + crop, size[1])
                    top, left = max(bottom - crop, 0), max(right - crop, 0)
                    piece = image[:, :, top:bottom, left:right]
                    output = F.interpolate(
                        model.network(piece), piece.shape[-2:], mode="bilinear", align_corners=model.align_corners
                    )
                    logits[:, :, top:bottom, left:right] += output
                    count[:, :, top:bottom, left:right] += 1
            logits = logits / count
            logits = logits.flip(3) if mirrored else logits
            logits = F.interpolate(logits, (height, width), mode="bilinear", align_corners=model.align_corners)
            predictions.append(logits[0].softmax(0))
    return torch.stack(predictions).mean(0)


def csail(pixels: np.ndarray, model: Model, *, short_sides: tuple[int, ...], long_side: int) -> Tensor:
    """semantic-segmentation-pytorch: ``mit_semseg/dataset.py`` (``TestDataset``), ``models.py``, ``eval.py``."""
    mean, std = constants(model)
    height, width = pixels.shape[:2]
    scores = torch.zeros(1, model.n_classes, height, width, dtype=torch.float64)
    for short in short_sides:
        factor = min(short / float(min(height, width)), long_side / float(max(height, width)))
        new_height, new_width = (((int(side * factor) - 1) // 8 + 1) * 8 for side in (height, width))
        picture = Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR)
        logits = model.network((planes(np.array(picture)) - mean) / std)
        logits = F.interpolate(logits.double(), size=(height, width), mode="bilinear", align_corners=False)
        scores += logits.softmax(1) / len(short_sides)
    return scores[0]


def segformer(pixels: np.ndarray, model: Model, *, scale: tuple[int, int], ratios: tuple[float, ...]) -> Tensor:
    """NVlabs/SegFormer on ADE20K: ``AlignResize`` to multiples of 32, whole image, mirrored too."""
    mean, std = constants(model)
    height, width = pixels.shape[:2]
    predictions = []
    for ratio in ratios:
        long, short = (int(side * ratio) for side in scale)
        factor = min(long / max(height, width), short / min(height, width))
        image = planes(pixels).double()
        kept = int(height * factor + 0.5), int(width * factor + 0.5)
        aligned = tuple(math.ceil(side / 32) * 32 for side in kept)
        for size in (kept, aligned):
            image = (opencv_resize(image, *size) + 0.5 + 1e-6).floor()
        normalised = (image.float() - mean) / std
        for one in (normalised, normalised.flip(3)):
            logits = opencv_resize(opencv_resize(model.network(one), *aligned), height, width)
            probabilities = logits[0].softmax(0)
            predictions.append(probabilities if one is normalised else probabilities.flip(2))
    return torch.stack(predictions).mean(0)


@torch.inference_mode()
def check(pixels: np.ndarray, model: Model, protocol: Protocol, expected: Tensor) -> None:
    """Probabilities agree, and nearly all labels."""
    found = mean_probabilities(pixels, model, protocol)
    torch.testing.assert_close(found.double(), expected.double(), rtol=0, atol=1e-4)
    assert (found.argmax(0) == expected.argmax(0)).double().mean() >= 0.999


@pytest.fixture(params=[(name, shape) for name in PHOTOS for shape in SHAPES], ids=str)
def pixels(request: pytest.FixtureRequest, photo: MakeImage) -> np.ndarray:
    """Part of a photo made smaller."""
    name, (height, width) = request.param
    part = photo(name, 180)[:height, :width]
    assert part.shape == (height, width, 3)
    return np.ascontiguousarray(part)


@pytest.fixture(params=[True, False], ids=["aligned", "not aligned"])
def pspnet(request: pytest.FixtureRequest, small_pspnet: Model) -> Model:
    """PSPNet's testers align corners whatever a model was trained with."""
    return dataclasses.replace(small_pspnet, align_corners=request.param)


@torch.inference_mode()
def test_semseg(pspnet: Model, pixels: np.ndarray) -> None:
    scales = (0.5, 1.0, 1.25)
    protocol = Protocol.preset("semseg", base_size=101, crop_size=65, scales=scales)
    check(pixels, pspnet, protocol, semseg(pixels, pspnet, base=101, crop=65, scales=scales))


@torch.inference_mode()
def test_keras(pspnet: Model, pixels: np.ndarray) -> None:
    scales = (0.5, 0.75, 1.0)
    protocol = Protocol.preset("keras", crop_size=65, scales=scales)
    check(pixels, pspnet, protocol, keras(pixels, pspnet, crop=65, scales=scales))


@torch.inference_mode()
@pytest.mark.parametrize("aligned", [False, True])
def test_mmseg1(random_model: Callable[..., Model], pixels: np.ndarray, aligned: bool) -> None:
    model = random_model(align_corners=aligned)
    settings: dict[str, Any] = {"stride": 43, "scales": (0.75, 1.0), "flip": True}
    expected = mmseg1(pixels, model, crop=65, **settings)
    check(pixels, model, Protocol.preset("mmseg1", crop_size=65, **settings), expected)


@torch.inference_mode()
def test_csail(small_segformer: Model, pixels: np.ndarray) -> None:
    protocol = Protocol.preset("csail", base_size=96, scales=(0.5, 0.75, 1.0), long_limit=110)
    expected = csail(pixels, small_segformer, short_sides=(48, 72, 96), long_side=110)
    check(pixels, small_segformer, protocol, expected)


@torch.inference_mode()
def test_segformer(small_segformer: Model, pixels: np.ndarray) -> None:
    ratios = (0.75, 1.0)
    protocol = Protocol.preset("segformer", base_size=80, long_limit=120, scales=ratios, flip=True)
    check(pixels, small_segformer, protocol, segformer(pixels, small_segformer, scale=(120, 80), ratios=ratios))
