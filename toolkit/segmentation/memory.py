"""How much memory an image will take, so that one that cannot be held is refused instead of ending the process."""

from toolkit.models import Model
from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.tiles import levels

_FLOAT = 4


def bytes_needed(height: int, width: int, model: Model, protocol: Protocol, batch_size: int = 4) -> int:
    """Bytes that segmenting an image takes at its peak, without the network's own activations.

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    model : Model
        Decides the number of classes.
    protocol : Protocol
        Decides the largest scale.
    batch_size : int
        Tiles per call of the network.

    Returns
    -------
    int
        The running mean and one resized level at the image's size, the largest level's canvas and accumulator, and one
        batch with its outputs.
    """
    divisor, remainder = model.size_divisor, model.size_remainder
    image_levels = levels(height, width, protocol, size_divisor=divisor, size_remainder=remainder)
    largest = max(level.canvas[0] * level.canvas[1] for level in image_levels)
    copies = 2 if protocol.merge == "probabilities" else 3  # logits are softmaxed at the image's size
    tiles = batch_size * max(level.crop[0] * level.crop[1] for level in image_levels)
    floats = (
        height * width * (copies * model.n_classes + 3)
        + largest * (model.n_classes + 9)
        + tiles * (2 * model.n_classes + 3)
    )
    return _FLOAT * floats
