"""Which pixels of a picture are transparent."""

import io

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from toolkit.sources.errors import SourceError

_LEAST_ALPHA = 128


def opaque_pixels(data: bytes, uri: str) -> npt.NDArray[np.bool_] | None:
    """Which pixels of a picture are not transparent: those whose alpha is at least 128 of 255.

    Parameters
    ----------
    data : bytes
        A picture that `decode_image` could decode.
    uri : str
        Where it came from; only named in errors.

    Returns
    -------
    numpy.ndarray or None
        bool ``(height, width)``, upright as the pixels are; None if the picture knows no transparency.

    Raises
    ------
    SourceError
        ``corrupt``: its transparency cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if not image.has_transparency_data:
                return None
            image.load()
            if image.mode.startswith("I;16"):  # Pillow converts none of these; their one transparent value says it all
                values = np.asarray(image) != image.info["transparency"]
                picture = Image.fromarray(values.astype(np.uint8) * 255)
            else:
                picture = image.convert("RGBA").getchannel("A")
            picture.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
            return np.asarray(ImageOps.exif_transpose(picture)) >= _LEAST_ALPHA
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError("corrupt", uri, f"its transparency cannot be decoded ({error}); copy it again") from error
