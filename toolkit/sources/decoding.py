"""From the bytes of a picture to its pixels: upright RGB ``(height, width, 3)``, or an error that says why not."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

from toolkit.sources.errors import SourceError, too_many_bytes, too_many_pixels
from toolkit.sources.formats import ALLOWED_FORMATS, SELF_DELIMITING_FORMATS, ends_early, recognize, webp_size
from toolkit.sources.parsers import Picture, open_picture
from toolkit.sources.reading import DEFAULT_LIMITS, ReadLimits, read_bytes

_COLOUR_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
_UNSUPPORTED_BY_PILLOW = ("unsupported", "not yet supported", "unknown pixel mode", "cannot handle")
_CUT_OFF_FOR_PILLOW = ("truncated", "not enough image data")
_ALLOWED = f"allowed are {', '.join(ALLOWED_FORMATS)} with 1 to 16 bits per channel and one picture per file"

_WARNINGS_LOCK = threading.Lock()

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> npt.NDArray[np.uint8]:
    """Read and decode the picture behind a URI: :func:`read_bytes`, then :func:`decode_image`; RGB, uint8 ``(height,
    width, 3)``."""
    return decode_image(read_bytes(uri, limits), uri, limits)


def decode_image(data: bytes, uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> npt.NDArray[np.uint8]:
    """Decode a picture to upright RGB pixels.

    Parameters
    ----------
    data : bytes
        A whole JPEG, PNG, WebP, TIFF or BMP file, told by its first bytes and not by its name.
    uri : str
        Where it came from; only named in errors.
    limits : ReadLimits
        Caps on bytes and pixels. Pixels are counted from the header, before anything is decoded.

    Returns
    -------
    numpy.ndarray
        uint8 ``(height, width, 3)``, RGB, C-contiguous and writable, turned by the EXIF orientation (an unreadable EXIF
        block counts as upright).

    Raises
    ------
    SourceError
        ``empty``, ``too_large``, ``not_an_image``, ``unsupported_format``, ``truncated`` or ``corrupt``; Pillow's own
        exception, if there was one, is its ``__cause__``.
    MemoryError
        If the machine has no memory for the picture, which is not the picture's fault.

    Notes
    -----
    Grey, 1-bit and palette pictures become RGB. Transparent ones are laid over white, as a viewer shows them. CMYK and
    YCbCr are converted by Pillow's formulas; embedded colour profiles are not applied. 16-bit grey is scaled by 1/257
    and rounded, never clipped; of 16-bit colour Pillow keeps the upper byte. Of an MPO file (phones, stereo cameras)
    the first picture is taken. Texts, profiles and thumbnails of a PNG or JPEG make it neither good nor bad. What
    other code of the process has set in Pillow (``LOAD_TRUNCATED_IMAGES``, ``MAX_IMAGE_PIXELS``, …) changes nothing.
    """
    pixels: npt.NDArray[np.uint8] = _whatever_warnings_are(lambda: _decoded(data, uri, limits, _to_rgb))
    return pixels


def decode_alpha(data: bytes, uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> npt.NDArray[np.uint8] | None:
    """How opaque the pixels of a picture are; parameters, errors and notes as for :func:`decode_image`.

    Returns
    -------
    numpy.ndarray or None
        uint8 ``(height, width)``, from 0 (transparent) to 255, upright as the pixels are; None if the picture knows no
        transparency.
    """
    alpha: npt.NDArray[np.uint8] | None = _whatever_warnings_are(lambda: _decoded(data, uri, limits, _to_alpha))
    return alpha


def _whatever_warnings_are(decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except Warning:
        pass
    # Someone has made errors of warnings, which say nothing of this picture. One thread at a time: the filters of
    # warnings are the whole process's.
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode()


def _decoded(
    data: bytes, uri: str, limits: ReadLimits, part: Callable[[ImageFile.ImageFile], Image.Image | None]
) -> Any:
    format_name = _allowed_format(data, uri, limits)
    if format_name == "WEBP" and (size := webp_size(data)):
        _require_size(*size, uri, limits)
    try:
        picture = open_picture(format_name, data)
        _require_decodable(picture, format_name, uri, limits)
        picture.image.load()
        upright = _UPRIGHT.get(_orientation(picture))
        wanted = part(picture.image)
        if wanted is None:
            return None
        pixels = np.array(wanted if upright is None else wanted.transpose(upright))
    except (SourceError, MemoryError, Warning):
        raise
    except Exception as error:
        raise _undecodable(error, format_name, data, uri) from error
    if format_name in SELF_DELIMITING_FORMATS and ends_early(format_name, data):
        raise _truncated(format_name, uri)
    return pixels


def _allowed_format(data: bytes, uri: str, limits: ReadLimits) -> str:
    if not data:
        raise SourceError("empty", uri, "the file has no bytes; copy it again")
    if len(data) > limits.max_bytes:
        raise too_many_bytes(uri, f"{len(data)} bytes", limits.max_bytes)
    format_name = recognize(data)
    if format_name is None:
        reason = f"starts with {data[:16]!r}, which is no picture; allowed are {', '.join(ALLOWED_FORMATS)}"
        raise SourceError("not_an_image", uri, reason)
    if format_name not in ALLOWED_FORMATS:
        raise SourceError("unsupported_format", uri, f"is a file of format {format_name}; {_ALLOWED}; convert it first")
    return format_name


def _require_size(width: int, height: int, uri: str, limits: ReadLimits) -> None:
    if width * height > limits.max_pixels:
        raise too_many_pixels(uri, width, height, limits.max_pixels)


def _require_decodable(picture: Picture, format_name: str, uri: str, limits: ReadLimits) -> None:
    _require_size(*picture.image.size, uri, limits)
    n_frames, mode = picture.n_frames, picture.image.mode
    if n_frames > 1:
        what = f"{format_name} with {n_frames} {'pages' if format_name == 'TIFF' else 'frames'}"
        raise SourceError("unsupported_format", uri, f"is a {what}; {_ALLOWED}; split it first")
    if mode not in _COLOUR_MODES and not mode.startswith("I;16"):
        reason = f"has pixels of Pillow's mode {mode}; {_ALLOWED}; convert it first"
        raise SourceError("unsupported_format", uri, reason)


def _to_rgb(image: ImageFile.ImageFile) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _grey_to_rgb(image)
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _to_alpha(image: ImageFile.ImageFile) -> Image.Image | None:
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I;16"):  # Pillow converts none of these; their one transparent value says it all
        opaque = np.asarray(image) != image.info["transparency"]
        return Image.fromarray(opaque.astype(np.uint8) * 255)
    return image.convert("RGBA").getchannel("A")


def _grey_to_rgb(image: ImageFile.ImageFile) -> Image.Image:
    tags: Any = getattr(image, "tag_v2", {})
    # Pillow leaves 12-bit values as they are, and applies "white is zero" to 8 bits only.
    (n_bits,) = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))
    largest = (1 << n_bits) - 1
    samples = np.asarray(image).astype(np.uint32)
    transparent = samples == image.info["transparency"] if "transparency" in image.info else None
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:
        samples = largest - samples
    grey = ((samples * 255 + largest // 2) // largest).astype(np.uint8)
    if transparent is not None:
        grey[transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _orientation(picture: Picture) -> Any:
    try:
        return picture.orientation
    except (MemoryError, Warning):
        raise
    except Exception:  # noqa: BLE001 - whatever is broken in the EXIF block, the picture itself is fine
        return 1


def _undecodable(error: Exception, format_name: str, data: bytes, uri: str) -> SourceError:
    words = f"{type(error).__name__}: {error}"
    if any(phrase in words.lower() for phrase in _CUT_OFF_FOR_PILLOW) or ends_early(format_name, data):
        return _truncated(format_name, uri)
    if any(phrase in words.lower() for phrase in _UNSUPPORTED_BY_PILLOW):
        return SourceError(
            "unsupported_format", uri, f"a {format_name} of a kind that is not read ({words}); {_ALLOWED}"
        )
    return SourceError("corrupt", uri, f"starts as a {format_name} and cannot be decoded ({words}); copy it again")


def _truncated(format_name: str, uri: str) -> SourceError:
    return SourceError("truncated", uri, f"is a {format_name} whose end is missing; copy it again")
