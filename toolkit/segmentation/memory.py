"""How much memory an image will take: it is cut into bands that fit, and refused if even those do not."""

import math

import torch

from toolkit.models import Model
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.tiles import Level, levels

_FLOAT = 4
_LEAST_BAND_ROWS = 32
_MERGED_FLOATS = 3 * 2**20
_BAND_FLOATS = {"cpu": 2**26, "cuda": 2**28}
"""Class probabilities are summed in bands of so many numbers, whatever the size of the image."""


def band_rows(width: int, n_classes: int, device: torch.device) -> int:
    """Rows of an image whose class probabilities are summed at a time."""
    return max(_BAND_FLOATS.get(device.type, 2**28) // (n_classes * width), _LEAST_BAND_ROWS)


def bytes_needed(
    height: int,
    width: int,
    model: Model,
    protocol: Protocol,
    *,
    output_stride: float = 1,
    batch_size: int = 4,
    around: int = 0,
) -> int:
    """Bytes of CPU memory that segmenting an image takes at its peak, without the network's own activations.

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    model : Model
        Decides the number of classes.
    protocol : Protocol
        Decides scales and tiles.
    output_stride : float
        How much smaller the network's logits are than its input, along each side.
    batch_size : int
        Tiles per call of the network.
    around : int
        Columns beyond the left and right borders of a panorama that are segmented with it.

    Returns
    -------
    int
        The image and its label map, one band of sums and what is merged into it, the network's outputs that a band
        needs, one canvas, and one batch with its outputs.
    """
    image_levels = levels(height, width, protocol, rules=model.rules, around=around)
    width += 2 * around
    band = min(band_rows(width, model.n_classes, torch.device("cpu")), height)
    views = (2 if protocol.flip else 1) * model.n_classes / output_stride**2
    bands = 1 if band == height else len(image_levels)  # of an undivided image, one level is there at a time
    kept = sorted(_tile_pixels_of_a_band(level, height, band) * views for level in image_levels)[-bands:]
    largest = max(level.crop[0] * level.crop[1] for level in image_levels)
    canvas = max(level.canvas[1] * min(level.canvas[0], 2 * level.crop[0]) for level in image_levels)
    widest = max(width, *(level.canvas[1] for level in image_levels))
    floats = (
        band * width * model.n_classes
        + max(3 * _LEAST_BAND_ROWS * widest * model.n_classes, _MERGED_FLOATS)
        + sum(kept)
        + 9 * canvas
        + batch_size * largest * (3 + model.n_classes / output_stride**2)
    )
    resized = max(level.height * level.width for level in image_levels) if protocol.resize == "pil" else 0
    return int(_FLOAT * floats) + 8 * height * width + 3 * resized


def _tile_pixels_of_a_band(level: Level, height: int, band: int) -> int:
    """Most pixels of tiles, as the network sees them, that rows of a band lie in."""
    covered = math.ceil(band * level.height / height) + 2
    rows = sum(1 for top in level.tops if top < covered + level.crop[0]) if len(level.tops) > 1 else 1
    return min(rows, len(level.tops)) * len(level.lefts) * level.crop[0] * level.crop[1]
