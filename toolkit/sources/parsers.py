"""Pillow's parsers, deaf to what other code of the process has set in Pillow: the same bytes give the same pixels.

They are named rather than found by ``PIL.Image.open(formats=...)``. No other parser sees the bytes either way; but
``open()`` judges the size by Pillow's own process-wide limit, with a warning that can only be silenced for all threads
at once, where our cap is explicit; and plugins may be registered there. A JPEG is a JPEG here: of the several pictures
in a phone's MPO file, the first.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from toolkit.sources.essentials import Essentials, essentials_of_jpeg, essentials_of_png

_WEBP_HEADER_BYTES = 16
_UNCOMPRESSED = 0


def _load_strictly() -> Callable[[ImageFile.ImageFile], Any]:
    """Pillow's own way to load, for which ``ImageFile.LOAD_TRUNCATED_IMAGES`` is off; what others see is unchanged."""
    usual: Any = ImageFile.ImageFile.load
    names = {**usual.__globals__, "LOAD_TRUNCATED_IMAGES": False}
    return FunctionType(usual.__code__, names, usual.__name__, usual.__defaults__, usual.__closure__)


class _Strict(ImageFile.ImageFile):
    """What is cut off or broken is an error, whatever is set."""

    load = _load_strictly()


class _Png(PngImagePlugin.PngImageFile, _Strict):
    pass


class _Jpeg(JpegImagePlugin.JpegImageFile, _Strict):
    def load_read(self, read_bytes: int) -> bytes:
        """The next bytes, without the end that Pillow makes up where it is told to."""
        assert self.fp is not None
        return self.fp.read(read_bytes)


class _Tiff(TiffImagePlugin.TiffImageFile, _Strict):
    def load_prepare(self) -> None:
        """Make the image before Pillow does, which would hold its size against a limit of the process."""
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)  # type: ignore[attr-defined]
        super().load_prepare()


class _Bmp(BmpImagePlugin.BmpImageFile, _Strict):
    def _open(self) -> None:
        super()._open()
        if self.mode == "RGBA" and self.info["compression"] == _UNCOMPRESSED:
            # The fourth byte of such pixels is nothing, unless BmpImagePlugin.USE_RAW_ALPHA is set.
            self._mode = "RGB"
            self.tile = [tile._replace(args=("BGRX", *list(tile.args or ())[1:])) for tile in self.tile]


class _WebpBytes(io.BytesIO):
    """Gives the beginning of the header apart, so that Pillow does not hold its size against a limit of the process."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(_WEBP_HEADER_BYTES if size and size > 0 and self.tell() == 0 else size)


@dataclass(frozen=True)
class Picture:
    """A picture in a file."""

    image: ImageFile.ImageFile
    """Its size and mode; the pixels once it is loaded."""
    essentials: Essentials | None = None
    """Of formats that describe themselves at length: what the image was made of."""

    @property
    def n_frames(self) -> int:
        """How many pictures the file holds."""
        return self.essentials.n_frames if self.essentials else getattr(self.image, "n_frames", 1)

    @property
    def orientation(self) -> Any:
        """What its EXIF block says, or else its XMP; 1 (upright) where they say nothing.

        Known when the image is loaded: a TIFF is upright by then, and says so.
        """
        described: Image.Image = self.image
        if self.essentials:
            described = Image.new("1", (1, 1))
            described.info.update(self.essentials.info)
        return described.getexif().get(ExifTags.Base.Orientation, 1)


def open_picture(format_name: str, data: bytes) -> Picture:
    """The picture in a file, whose pixels are not decoded yet.

    Parameters
    ----------
    format_name : str
        One of `toolkit.sources.formats.ALLOWED_FORMATS`.
    data : bytes
        The file. Of a WebP, the canvas is made at once: look at the size in its header before.

    Raises
    ------
    Exception
        What Pillow raises where a header is broken.
    """
    if format_name in _ESSENTIALS:
        essentials = _ESSENTIALS[format_name](data)
        return Picture(_PARSERS[format_name](io.BytesIO(essentials.content)), essentials)
    return Picture(_PARSERS[format_name](_WebpBytes(data) if format_name == "WEBP" else io.BytesIO(data)))


_PARSERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": _Jpeg,
    "PNG": _Png,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": _Tiff,
    "BMP": _Bmp,
}
_ESSENTIALS = {"JPEG": essentials_of_jpeg, "PNG": essentials_of_png}
