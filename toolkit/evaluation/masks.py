"""The masks of a data set, read exactly: the values that the file stores, never colours made of them, never resized."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, ImageFile, PngImagePlugin, TiffImagePlugin

from toolkit.sources import ReadLimits, SourceError, read_bytes
from toolkit.sources.errors import too_many_pixels
from toolkit.sources.formats import ends_early, recognize
from toolkit.sources.parsers import Picture, open_picture
from toolkit.sources.reading import DEFAULT_LIMITS

MASK_SUFFIXES = (".png", ".tif", ".tiff")
"""Suffixes, in lower case, of the files that can be masks."""

_ALLOWED = "masks are PNG or losslessly compressed TIFF files"
_LOSSLESS_TIFF = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd")
_LOSSY = ("JPEG", "WEBP", "HEIC", "AVIF", "JPEG 2000", "JPEG XL")
_PNG_GREY = 0


def read_mask(
    uri: str, *, channel: int | None = None, colors: bool = False, limits: ReadLimits = DEFAULT_LIMITS
) -> np.ndarray:
    """Read the values that a mask file stores.

    Parameters
    ----------
    uri : str
        A plain path or a URI that has a reader. PNG of any kind (1 to 16 bits, grey, palette, several channels), or
        TIFF without loss (8 bits; 16 or 32 bits where it has one channel).
    channel : int, optional
        Which channel, in the order of the file, if it has several; None: it must have one.
    colors : bool
        Give colours instead of values; those of its palette if it has one.
    limits : ReadLimits
        Caps on bytes and pixels.

    Returns
    -------
    numpy.ndarray
        uint8, uint16 or int32 ``(height, width)``, the stored values: of a palette the indices, of 2- and 4-bit grey
        what the bits say, of 16 bits all of them. With `colors`, uint8 ``(height, width, 3)``, RGB. An EXIF orientation
        is not applied.

    Raises
    ------
    SourceError
        The file is missing, not readable, larger than the limits, damaged, or of a kind that does not keep values
        exactly, such as JPEG.
    """
    data = read_bytes(uri, limits)
    format_name = recognize(data)
    if format_name in _LOSSY:
        reason = f"is a {format_name} file, which changes class values when it is compressed; save the masks as PNG"
        raise SourceError("unsupported_format", uri, reason)
    if format_name is None:
        raise SourceError("not_an_image", uri, f"starts with {data[:16]!r}, which is no picture; {_ALLOWED}")
    if format_name not in ("PNG", "TIFF"):
        raise SourceError("unsupported_format", uri, f"is a file of format {format_name}; {_ALLOWED}")
    try:
        picture = open_picture(format_name, data)
        image = picture.image
        _check(picture, uri, limits)
        values = _colors(image, uri) if colors else _values(image, data, uri, channel)
    except (SourceError, MemoryError):
        raise
    except Exception as error:
        code = "truncated" if ends_early(format_name, data) else "corrupt"
        reason = f"cannot be decoded ({type(error).__name__}: {error}); copy it again"
        raise SourceError(code, uri, f"starts as a {format_name} and {reason}") from error
    if ends_early(format_name, data):
        raise SourceError("truncated", uri, f"is a {format_name} whose end is missing; copy it again")
    return values


def _check(picture: Picture, uri: str, limits: ReadLimits) -> None:
    width, height = picture.image.size
    if width * height > limits.max_pixels:
        raise too_many_pixels(uri, width, height, limits.max_pixels)
    if picture.n_frames > 1:
        raise SourceError("unsupported_format", uri, "holds several pictures; split it first")
    if isinstance(picture.image, TiffImagePlugin.TiffImageFile):
        _check_tiff(picture.image, uri)


def _check_tiff(image: TiffImagePlugin.TiffImageFile, uri: str) -> None:
    compression = str(image.info.get("compression"))
    bits = tuple(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    # Each of these Pillow would read as other values than those stored.
    found = [
        (compression not in _LOSSLESS_TIFF, f"compression {compression}"),
        (image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0, "white as zero"),
        (image.tag_v2.get(ExifTags.Base.Orientation, 1) != 1, "an orientation"),
        (bits not in ((8,), (16,), (32,), (8, 8, 8)), f"{bits} bits per channel"),
        (
            image.mode not in ("L", "P", "RGB", "I") and not image.mode.startswith("I;16"),
            f"pixels of kind {image.mode}",
        ),
    ]
    for refused, what in found:
        if refused:
            raise SourceError("unsupported_format", uri, f"is a TIFF with {what}; save the mask as PNG")


def _values(image: ImageFile.ImageFile, data: bytes, uri: str, channel: int | None) -> np.ndarray:
    is_png = isinstance(image, PngImagePlugin.PngImageFile)
    bit_depth, color_type = (data[24], data[25]) if is_png else (8, None)
    if bit_depth == 16 and color_type != _PNG_GREY:
        values = _all_16_bits(image, data, uri)
    else:
        image.load()
        values = np.array(image)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if color_type == _PNG_GREY and bit_depth in (2, 4):
        values //= 255 // (2**bit_depth - 1)  # Pillow spreads them over 0…255
    if values.ndim == 2:
        return values
    if channel is None:
        reason = (
            f"has {values.shape[2]} channels, and which one holds the class is not said; name the data set whose "
            "encoding it has (dataset=...), or save class indices in one channel"
        )
        raise SourceError("unsupported_format", uri, reason)
    if channel >= values.shape[2]:
        raise SourceError("unsupported_format", uri, f"has {values.shape[2]} channels, none with number {channel}")
    return np.ascontiguousarray(values[..., channel])


def _all_16_bits(image: ImageFile.ImageFile, data: bytes, uri: str) -> np.ndarray:
    """Values ``(height, width, n_channels)`` uint16 of a PNG of several channels, of which Pillow keeps the upper byte.

    Its decoder can unpack the same bytes in the other order: then what it keeps is the lower one.
    """
    lower = open_picture("PNG", data).image
    (tile,) = lower.tile
    if tile.args not in ("RGB;16B", "RGBA;16B"):
        raise SourceError("unsupported_format", uri, "is a 16-bit PNG of grey and alpha; save the mask without alpha")
    lower.tile = [tile._replace(args=tile.args.replace("16B", "16L"))]
    for picture in (image, lower):
        picture.load()
    values: npt.NDArray[np.uint16] = np.asarray(image).astype(np.uint16) << 8 | np.asarray(lower)
    return values


def _colors(image: ImageFile.ImageFile, uri: str) -> np.ndarray:
    is_deep: Any = image.mode.startswith("I") or "16" in str(image.tile[0].args)
    if is_deep:
        raise SourceError("unsupported_format", uri, "has 16 bits per channel; colours of classes have 8")
    image.load()
    return np.array(image.convert("RGB"))  # transparency is dropped, not blended
