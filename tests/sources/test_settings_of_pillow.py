"""What other code of the process sets in Pillow, or makes of warnings, changes no pixel and no verdict."""

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from toolkit.sources import SourceError, decode_image
from toolkit.sources.transparency import opaque_pixels

HEIGHT, WIDTH = 40, 56
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
PALETTE = Image.fromarray(NOISE).quantize(16)
TEXTS = PngImagePlugin.PngInfo()
TEXTS.add_text("comment", "x" * 3_000_000, zip=True)

KINDS: dict[str, tuple[str, Image.Image, dict[str, Any]]] = {
    "jpeg": ("JPEG", Image.fromarray(NOISE), {}),
    "progressive jpeg": ("JPEG", Image.fromarray(NOISE), {"progressive": True}),
    "png": ("PNG", Image.fromarray(NOISE), {}),
    "palette png": ("PNG", PALETTE, {"transparency": b"\x80\xff\x00"}),
    "transparent png": ("PNG", Image.fromarray(np.dstack([NOISE, NOISE[..., 0]])), {"pnginfo": TEXTS}),
    "webp": ("WEBP", Image.fromarray(NOISE), {}),
    "tiff": ("TIFF", Image.fromarray(NOISE), {}),
    "lzw tiff": ("TIFF", Image.fromarray(NOISE), {"compression": "tiff_lzw"}),
    "bmp": ("BMP", Image.fromarray(NOISE), {}),
    "32-bit bmp": ("BMP", Image.fromarray(NOISE).convert("RGBA"), {}),
    "palette bmp": ("BMP", PALETTE, {}),
}


def whole(name: str) -> bytes:
    format_name, image, options = KINDS[name]
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def uncompressed_32_bits(data: bytes) -> bytes:
    """A BMP of which nothing says that its fourth byte means something."""
    return data[:30] + bytes(4) + data[34:]


def broken(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(40) + data[middle + 40 :]


def files() -> Iterator[tuple[str, bytes]]:
    for name in KINDS:
        data = whole(name)
        yield name, data
        yield f"half of a {name}", data[: len(data) // 2]
        yield f"{name} without its last byte", data[:-1]
        yield f"broken {name}", broken(data)
    yield "32-bit bmp, plain", uncompressed_32_bits(whole("32-bit bmp"))
    exif = Image.Exif()
    exif[0x0112] = 6
    cut = exif.tobytes()[:-6] + b"\x01\x0f\x00\x02\xff\xff\xff\xff\xff\xff"  # the second entry points to nowhere
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, "JPEG", exif=cut.replace(b"\0\0\0\x01\x01\x12", b"\0\0\0\x02\x01\x12"))
    yield "jpeg with half a broken exif block", buffer.getvalue()


FILES = dict(files())


def outcome(data: bytes) -> tuple[str, bytes]:
    """The pixels, or the error's code."""
    try:
        pixels = decode_image(data, "photo")
    except SourceError as error:
        return error.code, b""
    opaque = opaque_pixels(data, "photo")
    return str(pixels.shape), pixels.tobytes() + (b"" if opaque is None else opaque.tobytes())


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    USUAL = {name: outcome(data) for name, data in FILES.items()}


class Foreign(Image.Image):
    """What a plugin would make of every file."""


def a_plugin_that_opens_everything(patch: pytest.MonkeyPatch) -> None:
    everything = {name: (lambda *_: Foreign(), lambda _: True) for name in Image.OPEN} | {
        "X": (lambda *_: Foreign(), lambda _: True)
    }
    patch.setattr(Image, "OPEN", everything)
    patch.setattr(Image, "ID", ["X", *Image.ID])


SETTINGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "truncated images": lambda patch: patch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    "a small limit of pixels": lambda patch: patch.setattr(Image, "MAX_IMAGE_PIXELS", 10),
    "a tight limit of pixels": lambda patch: patch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH - 1),
    "no limit of pixels": lambda patch: patch.setattr(Image, "MAX_IMAGE_PIXELS", None),
    "no text": lambda patch: patch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 0),
    "small texts": lambda patch: patch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 1),
    "libtiff for all": lambda patch: patch.setattr(TiffImagePlugin, "READ_LIBTIFF", True),
    "a fourth byte": lambda patch: patch.setattr(BmpImagePlugin, "USE_RAW_ALPHA", True),
    "small blocks": lambda patch: patch.setattr(ImageFile, "MAXBLOCK", 1024),
    "a plugin first": a_plugin_that_opens_everything,
    "a factory of jpegs": lambda patch: patch.setattr(JpegImagePlugin, "jpeg_factory", lambda *_: Foreign()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", FILES)
def test_a_setting_of_pillow_changes_nothing(name: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SETTINGS[setting](monkeypatch)
    assert outcome(FILES[name]) == USUAL[name]


@pytest.mark.parametrize("name", FILES)
def test_warnings_that_are_errors_change_nothing(name: str) -> None:
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome(FILES[name]) == USUAL[name]
    assert warnings.filters == filters


@pytest.mark.parametrize("name", ["bmp", "tiff", "png", "jpeg"])
def test_half_a_picture_is_truncated_where_pillow_is_told_to_read_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert outcome(FILES[f"half of a {name}"])[0] == "truncated"


def test_what_others_set_stays_as_they_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    seen: list[bool] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(ImageFile.LOAD_TRUNCATED_IMAGES)

    looking = threading.Thread(target=look)
    looking.start()
    for data in FILES.values():
        outcome(data)
    done.set()
    looking.join()
    assert all(seen)
    with Image.open(io.BytesIO(FILES["half of a bmp"])) as image:
        image.load()  # is still theirs to read
