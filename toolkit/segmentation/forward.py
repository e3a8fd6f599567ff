"""The fast path: all tiles of all scales and flips of an image through the network in full batches."""

from collections.abc import Iterator
from itertools import groupby, islice

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from toolkit.models import Model
from toolkit.segmentation.merging import LevelAccumulator
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.tiles import Level, Tile, levels

_View = tuple[Tile, bool]  # a tile, and whether it is seen mirrored


@torch.inference_mode()
def mean_probabilities(pixels: np.ndarray, model: Model, protocol: Protocol, *, batch_size: int = 4) -> Tensor:
    """Mean class probabilities of an image, on the device of the model's network.

    Equal to `reference_probabilities` up to rounding. Memory holds the result, one level's canvas and accumulator and
    one batch, whatever the number of scales, flips and tiles.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 ``(height, width, 3)``, RGB.
    model : Model
        The network and its normalisation.
    protocol : Protocol
        Any.
    batch_size : int
        Tiles per call of the network.

    Returns
    -------
    torch.Tensor
        float32 ``(n_classes, height, width)``; sums to 1 over the classes.
    """
    device = next(model.network.parameters()).device
    height, width = pixels.shape[:2]
    image_levels = levels(height, width, protocol, size_divisor=model.size_divisor, size_remainder=model.size_remainder)
    total = torch.zeros(model.n_classes, height, width, device=device)
    accumulator: LevelAccumulator | None = None
    for views, outputs in _outputs(_crops(pixels, image_levels, model, protocol, device), model, protocol, batch_size):
        for (tile, mirrored), output in zip(views, outputs, strict=True):
            if accumulator is None or accumulator.level is not tile.level:
                if accumulator is not None:
                    accumulator.fold_into(total)
                accumulator = LevelAccumulator(tile.level, model.n_classes, protocol, device)
            accumulator.add(tile, output.flip(-1) if mirrored else output)
    assert accumulator is not None  # every image has at least one tile
    accumulator.fold_into(total)
    return total.div_(len(image_levels))


def _crops(
    pixels: np.ndarray, image_levels: list[Level], model: Model, protocol: Protocol, device: torch.device
) -> Iterator[tuple[_View, Tensor]]:
    """Each view with its normalised crop ``(3, crop_height, crop_width)``; one level's canvas exists at a time."""
    for level in image_levels:
        canvas = _canvas(pixels, level, model, protocol, device)
        for top, left in level.origins:
            tile = Tile(level, top, left)
            crop = canvas[:, tile.rows, tile.columns]
            yield (tile, False), crop
            if protocol.flip:
                yield (tile, True), crop.flip(-1)


def _canvas(pixels: np.ndarray, level: Level, model: Model, protocol: Protocol, device: torch.device) -> Tensor:
    """The level's image ``(3, canvas_height, canvas_width)``: resized, normalised, padded."""
    image = _resized(pixels, level, protocol, device)
    mean = torch.tensor(model.normalization.mean, device=device).view(3, 1, 1)
    std = torch.tensor(model.normalization.std, device=device).view(3, 1, 1)
    fill = torch.zeros_like(mean) if protocol.pad_value == "mean" else -mean / std
    canvas = fill.repeat(1, *level.canvas)
    canvas[:, level.top : level.top + level.height, level.left : level.left + level.width] = (image - mean) / std
    return canvas


def _resized(pixels: np.ndarray, level: Level, protocol: Protocol, device: torch.device) -> Tensor:
    size = (level.height, level.width)
    if size != pixels.shape[:2] and protocol.resize == "pil":
        pixels = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
    # torch takes no view that runs backwards, such as BGR turned into RGB.
    image = torch.tensor(np.ascontiguousarray(pixels), device=device).permute(2, 0, 1).float()
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]


def _outputs(
    crops: Iterator[tuple[_View, Tensor]], model: Model, protocol: Protocol, batch_size: int
) -> Iterator[tuple[list[_View], Tensor]]:
    """Batches of equally shaped crops through the network, in the merge space ``(n, n_classes, height, width)``."""
    for _, same_shape in groupby(crops, key=lambda item: item[1].shape):
        while batch := list(islice(same_shape, batch_size)):
            views, tiles = zip(*batch, strict=True)
            stacked = torch.stack(tiles).contiguous(memory_format=torch.channels_last)
            logits = model.network(stacked).float()
            if logits.shape != (len(batch), model.n_classes, *stacked.shape[-2:]):
                raise ValueError(
                    f"{model.name} gave {tuple(logits.shape)} for {tuple(stacked.shape)}; it must give logits of "
                    f"{model.n_classes} classes at the size of its input"
                )
            yield list(views), logits.softmax(1) if protocol.merge == "probabilities" else logits
