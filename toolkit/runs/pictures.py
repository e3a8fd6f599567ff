"""What is made of an image's file before it is segmented: its pixels, and what is noticed of them."""

from dataclasses import dataclass

import numpy as np

from toolkit.runs.tasks import Work
from toolkit.segmentation import Looks, look_at
from toolkit.sources import decode_image


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, read."""

    pixels: np.ndarray
    """uint8 ``(height, width, 3)``, RGB."""
    looks: Looks
    """What was noticed of it."""


def make_picture(data: bytes, uri: str, work: Work) -> Picture:
    """Decode the bytes of an image's file, and look at it.

    Raises
    ------
    SourceError
        They are no picture that can be read.
    """
    pixels = decode_image(data, uri, work.limits)
    return Picture(pixels, look_at(pixels))
