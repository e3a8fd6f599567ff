"""One image → label map and composition."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toolkit.models import Model, load_model
from toolkit.segmentation.batching import Batches
from toolkit.segmentation.execution import Execution, Precision, PreparedNetwork, float32_arithmetic
from toolkit.segmentation.image import ImageOnItsWay
from toolkit.segmentation.pixels import checked_pixels, tensor_of
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.segmenter import SegmentedImage, Segmenter
from toolkit.sources import read_image


def segment_image(
    pixels: np.ndarray | str | Path,
    model: Model | str | Path,
    protocol: Protocol | None = None,
    *,
    batch_size: int | None = None,
    precision: Precision = "float32",
    compile: bool = False,
    soft_composition: bool = False,
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

    Returns
    -------
    SegmentedImage
        Label map, composition and confidence.

    Raises
    ------
    SourceError
        The file cannot be read as an image.
    TypeError, ValueError
        The pixels or an argument are of another type or shape than they must be.
    MemoryError
        The image needs more memory than there is.
    ArithmeticError
        The network gave values that are not finite.
    """
    execution = Execution(precision=precision, compile=compile, batch_size=batch_size)
    image = read_image(str(pixels)) if isinstance(pixels, str | Path) else checked_pixels(pixels)
    model = load_model(model) if isinstance(model, str | Path) else model
    protocol = Protocol() if protocol is None else protocol
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol, not {protocol!r}; Protocol.preset(name) makes a published one")
    segmenter = Segmenter(model, protocol, execution=execution, soft_composition=soft_composition)
    result = segmenter.add(image)
    segmenter.finish()
    return result.result()


@torch.inference_mode()
def mean_probabilities(
    pixels: np.ndarray, model: Model, protocol: Protocol, *, execution: Execution | None = None
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

    Returns
    -------
    torch.Tensor
        float32 ``(n_classes, height, width)``; sums to 1 over the classes.
    """
    execution = Execution() if execution is None else execution
    network = PreparedNetwork(model, execution)
    batches = Batches(network, execution.batch_size)
    image = tensor_of(checked_pixels(pixels)).to(network.device)
    bands: list[Tensor] = []
    on_its_way = ImageOnItsWay(image.permute(2, 0, 1), model, protocol, lambda rows, total: bands.append(total.clone()))
    with float32_arithmetic(network.device):
        on_its_way.send_through(batches)
        batches.finish()
    return torch.cat(bands, dim=1).div_(on_its_way.n_passes)
