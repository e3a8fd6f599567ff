"""One image → label map and composition."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from toolkit.models import Model
from toolkit.segmentation.forward import mean_probabilities
from toolkit.segmentation.protocol import Protocol
from toolkit.sources import read_image


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """What one image is made of."""

    labels: np.ndarray
    """Label map: class index per pixel, uint8 (uint16 above 256 classes) ``(height, width)``."""
    composition: np.ndarray
    """Fraction of the pixels in each class, float64 ``(n_classes,)``, summing to 1."""


def segment_image(
    pixels: np.ndarray | str | Path, model: Model, protocol: Protocol | None = None, *, batch_size: int = 4
) -> SegmentedImage:
    """Segment one image in this process, on the device of the model's network.

    Parameters
    ----------
    pixels : numpy.ndarray or str or pathlib.Path
        uint8 ``(height, width, 3)``, RGB; or the path of an image file.
    model : Model
        From `load_model`.
    protocol : Protocol
        Scales, tiles and merging; ``Protocol()`` by default.
    batch_size : int
        Tiles per call of the network; changes speed and memory, not the result.

    Returns
    -------
    SegmentedImage
        Label map and composition.

    Raises
    ------
    SourceError
        The file cannot be read as an image.
    TypeError, ValueError
        The pixels are of another type or shape, or the crop is not one that the network takes.
    ArithmeticError
        The network gave values that are not finite.
    """
    protocol = Protocol() if protocol is None else protocol
    check_compatible(model, protocol)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, not {batch_size!r}")
    image = read_image(str(pixels)) if isinstance(pixels, str | Path) else _checked_pixels(pixels)
    probabilities = mean_probabilities(image, model, protocol, batch_size=batch_size)
    if not torch.isfinite(probabilities).all():
        raise ArithmeticError(f"{model.name} gave values that are not finite; are its weights and normalisation right?")
    labels = probabilities.argmax(0)
    counts = torch.bincount(labels.flatten(), minlength=model.n_classes).cpu().numpy()
    return SegmentedImage(labels.cpu().numpy().astype(label_dtype(model.n_classes)), counts / counts.sum())


def label_dtype(n_classes: int) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned type that holds every class index."""
    return np.dtype(np.uint8 if n_classes <= 256 else np.uint16)


def check_compatible(model: Model, protocol: Protocol) -> None:
    """Refuse a protocol that the model cannot run.

    Raises
    ------
    ValueError
        The tiles are of a size that the network does not take; the message names sizes that it takes.
    """
    if protocol.mode == "whole" or (model.accepts(protocol.crop_size) and protocol.padding != "none"):
        return
    if model.size_divisor == 1:
        return
    if protocol.padding == "none":
        raise ValueError(
            f"padding='none' gives tiles of any size, but {model.name} takes only sides of "
            f"{model.size_divisor}k + {model.size_remainder}; choose padding='bottom_right' or 'center'"
        )
    above = model.round_up(protocol.crop_size)
    nearest = [side for side in (above - model.size_divisor, above) if model.accepts(side)]
    raise ValueError(
        f"crop_size={protocol.crop_size} is not a size that {model.name} takes "
        f"({model.size_divisor}k + {model.size_remainder}); choose {' or '.join(map(str, nearest))}"
    )


def _checked_pixels(pixels: object) -> np.ndarray:
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pixels must be a numpy array or the path of an image, not {type(pixels).__name__}")
    if pixels.dtype != np.uint8:
        raise TypeError(f"pixels must be uint8, not {pixels.dtype}; scale other types to 0…255 first")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"pixels must have shape (height, width, 3) and at least one pixel, not {pixels.shape}")
    return pixels
