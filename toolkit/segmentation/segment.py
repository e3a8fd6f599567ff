"""One image → label map and composition."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toolkit.models import Model, load_model
from toolkit.segmentation.area import Area
from toolkit.segmentation.batching import Batches
from toolkit.segmentation.execution import Execution, Precision, PreparedNetwork, float32_arithmetic
from toolkit.segmentation.image import ImageOnItsWay
from toolkit.segmentation.pixels import checked_pixels, extended, tensor_of
from toolkit.segmentation.projection import Projection
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.segmenter import SegmentedImage, Segmenter
from toolkit.sources import decode_image, read_bytes
from toolkit.sources.transparency import opaque_pixels


def segment_image(
    pixels: np.ndarray | str | Path,
    model: Model | str | Path,
    protocol: Protocol | None = None,
    *,
    batch_size: int | None = None,
    precision: Precision = "float32",
    compile: bool = False,
    soft_composition: bool = False,
    area: Area | str | Path | Mapping[str, Any] | None = None,
    projection: Projection | str | Mapping[str, Any] | None = None,
) -> SegmentedImage:
    """Segment one image in this process, on the device of the model's network.

    Parameters
    ----------
    pixels : numpy.ndarray or str or pathlib.Path
        uint8 ``(height, width, 3)``, RGB; or the path of an image file.
    model : Model or str
        From `load_model`, or what that takes; the former saves loading it for every image.
    protocol : Protocol
        Scales, tiles and merging; ``Protocol()`` by default.
    batch_size : int, optional
        Tiles per call of the network, found while working by default; changes speed and memory, not the result.
    precision : str
        Arithmetic inside the network: ``"float32"``, ``"bfloat16"``, and on a GPU ``"tf32"`` and ``"float16"``.
    compile : bool
        Whether the network goes through ``torch.compile``.
    soft_composition : bool
        Whether the result also has the mean class probabilities.
    area : Area, str, path or mapping, optional
        Which pixels count, in any words that `Area.of` takes: ``"circle"``, ``{"bottom": 0.1}``, a mask's file. All by
        default.
    projection : "equirectangular", mapping or Projection, optional
        Of a 360° panorama: pixels count by the solid angle that they cover, and the picture goes on over its borders.
        See `Projection.of`.

    Returns
    -------
    SegmentedImage
        Label map of the whole picture; composition and confidence of what counts; and which share of it that is.

    Raises
    ------
    SourceError
        The file cannot be read as an image.
    PictureError
        No pixel lies in the area, or the picture is no panorama.
    TypeError, ValueError
        The pixels or an argument are of another type or shape than they must be.
    MemoryError
        The image needs more memory than there is.
    ArithmeticError
        The network gave values that are not finite.
    """
    execution = Execution(precision=precision, compile=compile, batch_size=batch_size)
    area, projection = Area.of(area), Projection.of(projection)
    image, counted = _read(pixels, area)
    model = load_model(model) if isinstance(model, str | Path) else model
    protocol = Protocol() if protocol is None else protocol
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol, not {protocol!r}; Protocol.preset(name) makes a published one")
    segmenter = Segmenter(
        model, protocol, execution=execution, soft_composition=soft_composition, projection=projection
    )
    result = segmenter.add(image, counted)
    segmenter.finish()
    return result.result()


def _read(pixels: np.ndarray | str | Path, area: Area | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The pixels, and which of them count."""
    if area is not None and area.mask_column:
        raise ValueError(
            f"area: mask_column={area.mask_column!r} is for the images of a catalog; give this image's mask as mask=…"
        )
    opaque = None
    if isinstance(pixels, str | Path):
        data = read_bytes(str(pixels))
        image = decode_image(data, str(pixels))
        if area is not None and area.opaque:
            opaque = opaque_pixels(data, str(pixels))
    else:
        image = checked_pixels(pixels)
        if area is not None and area.opaque:
            raise ValueError("area: opaque needs an image's file; an array (height, width, 3) knows no transparency")
    return image, None if area is None else area.counted(*image.shape[:2], opaque=opaque)


@torch.inference_mode()
def mean_probabilities(
    pixels: np.ndarray, model: Model, protocol: Protocol, *, execution: Execution | None = None, around: int = 0
) -> Tensor:
    """Mean class probabilities of an image, on the device of the model's network, as `segment_image` computes them.

    Equal to `reference_probabilities` up to rounding. Unlike `segment_image`, holds them all.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 ``(height, width, 3)``, RGB.
    model : Model
        The network and its normalisation.
    protocol : Protocol
        Any.
    execution : Execution
        Precision, compilation, batch size.
    around : int
        Of a panorama: how many columns beyond its borders it is segmented with, see `columns_around`.

    Returns
    -------
    torch.Tensor
        float32 ``(n_classes, height, width)``; sums to 1 over the classes.
    """
    execution = Execution() if execution is None else execution
    network = PreparedNetwork(model, execution)
    batches = Batches(network, execution.batch_size)
    image = extended(tensor_of(checked_pixels(pixels)).to(network.device).permute(2, 0, 1), around)
    bands: list[Tensor] = []
    columns = slice(around, image.shape[-1] - around)

    def keep(rows: slice, total: Tensor) -> None:
        bands.append(total[..., columns].clone())

    on_its_way = ImageOnItsWay(image, model, protocol, keep, around)
    with float32_arithmetic(network.device):
        on_its_way.send_through(batches)
        batches.finish()
    return torch.cat(bands, dim=1).div_(on_its_way.n_passes)
