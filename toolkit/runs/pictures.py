"""What is made of an image's file before it is segmented: its pixels, which of them count, and what is noticed."""

from dataclasses import dataclass

import numpy as np

from toolkit.runs.tasks import Work
from toolkit.segmentation import Looks, Mask, PictureError, look_at
from toolkit.sources import SourceError, decode_image, read_bytes
from toolkit.sources.transparency import opaque_pixels


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, read."""

    pixels: np.ndarray
    """uint8 ``(height, width, 3)``, RGB."""
    counted: np.ndarray | None
    """Which pixels count, bool ``(height, width)``; None: all."""
    looks: Looks
    """What was noticed of it."""


def make_picture(data: bytes, uri: str, mask: str | None, work: Work) -> Picture:
    """Decode the bytes of an image's file, look at it, and find out which of its pixels count.

    Parameters
    ----------
    data : bytes
        Of the file.
    uri : str
        Of the image; only named in errors.
    mask : str or None
        URI of its own mask, ``""`` where one is wanted and not given; None where none is wanted.
    work : Work
        The run's.

    Raises
    ------
    SourceError
        They are no picture that can be read.
    PictureError
        The picture's mask cannot be read, no pixel counts, or the picture is no panorama of the run's projection.
    """
    pixels = decode_image(data, uri, work.limits)
    size = (pixels.shape[0], pixels.shape[1])
    if work.projection is not None:
        work.projection.check(*size)
    counted = None
    if work.area is not None:
        opaque = opaque_pixels(data, uri, work.limits) if work.area.opaque else None
        own = None if mask is None else _read_mask(mask, work)
        counted = work.area.counted(*size, opaque=opaque, mask=own)
    return Picture(pixels, counted, look_at(pixels))


def _read_mask(uri: str, work: Work) -> Mask:
    assert work.area is not None  # who asks for masks names their column
    if not uri:
        raise PictureError("area_unreadable", f"the column {work.area.mask_column!r} names no mask of this image")
    try:
        return Mask.decode(read_bytes(uri, work.limits), uri, work.limits)
    except SourceError as error:
        raise PictureError("area_unreadable", f"its mask cannot be read: {error}") from error
