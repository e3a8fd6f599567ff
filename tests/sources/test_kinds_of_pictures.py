"""Good files of every kind that cameras, phones and programs write are read right; what describes a picture never
makes it a bad one."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, PngImagePlugin

from toolkit.sources import ReadLimits, SourceError, decode_image, list_images

Pixels = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 48, 64
Y, X = np.mgrid[:HEIGHT, :WIDTH]
PIXELS: Pixels = np.stack([X * 3, Y * 5, 255 - X - Y], axis=-1).astype(np.uint8)
PHOTO = Image.fromarray(PIXELS)
TURNED = 6
XMP = b'<x tiff:Orientation="6"/>'


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def decode(data: bytes) -> Pixels:
    return decode_image(data, "photo")


def code_of(data: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        decode(data)
    return caught.value.code


def upright() -> Pixels:
    return np.rot90(PIXELS, -1)


# PNG

PNG = encoded(PHOTO, "PNG")
AFTER_HEADER = 33


def chunk(kind: bytes, content: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_with(*chunks: bytes) -> bytes:
    return PNG[:AFTER_HEADER] + b"".join(chunks) + PNG[AFTER_HEADER:]


def png_of(colour_type: int, depth: int, rows: list[bytes], *, interlaced: bool = False) -> bytes:
    """A PNG of rows, for Adam7 those of all passes, one after another."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, int(interlaced))
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    return PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def texts(n: int, size: int, *, compressed: bool) -> bytes:
    info = PngImagePlugin.PngInfo()
    for number in range(n):
        info.add_text(f"text {number}", "x" * size, zip=compressed)
    return encoded(PHOTO, "PNG", pnginfo=info)


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))

GOOD_PNGS: dict[str, Callable[[], bytes]] = {
    "a text of 3 MB, compressed": lambda: texts(1, 3_000_000, compressed=True),
    "80 texts of 1 MB": lambda: texts(80, 1_000_000, compressed=False),
    "a colour profile of 3 MB": lambda: encoded(PHOTO, "PNG", icc_profile=bytes(range(256)) * 12_000),
    "a broken colour profile": lambda: png_with(chunk(b"iCCP", b"p\0\7nothing")),
    "a text with a wrong checksum": lambda: png_with(chunk(b"tEXt", b"a\0b", 0)),
    "a text of an unknown compression": lambda: png_with(chunk(b"zTXt", b"a\0\7b")),
    "a gamma cut short": lambda: png_with(chunk(b"gAMA", b"1")),
    "a resolution cut short": lambda: png_with(chunk(b"pHYs", b"12")),
    "a transparency cut short": lambda: png_with(chunk(b"tRNS", b"12")),
    "a transparency with a wrong checksum": lambda: png_with(chunk(b"tRNS", bytes(6), 0)),
    "a private chunk": lambda: png_with(chunk(b"prVt", bytes(100))),
    "an animation of nothing": lambda: png_with(chunk(b"acTL", bytes(8))),
    "an animation cut short": lambda: png_with(chunk(b"acTL", b"1")),
    "an animation of one picture": lambda: png_with(
        chunk(b"acTL", struct.pack(">II", 1, 0)),
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 1, 0, 0)),
    ),
    "a text behind the pixels": lambda: PNG[:-12] + chunk(b"tEXt", b"a\0b") + PNG[-12:],
    "bytes behind its end": lambda: PNG + b"appended",
    "interlaced rows": lambda: png_of(
        2, 8, [row.tobytes() for y, x, dy, dx in ADAM7 for row in PIXELS[y::dy, x::dx]], interlaced=True
    ),
    "16 bits per channel": lambda: png_of(2, 16, [(row.astype(">u2") * 257).tobytes() for row in PIXELS]),
}


@pytest.mark.parametrize("kind", GOOD_PNGS)
def test_a_good_png_is_read(kind: str) -> None:
    np.testing.assert_array_equal(decode(GOOD_PNGS[kind]()), PIXELS)


def test_grey_with_transparency_of_16_bits_is_read() -> None:
    samples = np.stack([PIXELS[..., 0].astype(np.uint16) * 257, np.full((HEIGHT, WIDTH), 65535)], axis=-1)
    data = png_of(4, 16, [row.astype(">u2").tobytes() for row in samples])
    np.testing.assert_array_equal(decode(data), np.stack([PIXELS[..., 0]] * 3, axis=-1))


def exif() -> Image.Exif:
    described = Image.Exif()
    described[0x0112] = TURNED
    return described


def png_turned_by_a_text(compressed: bool) -> bytes:
    info = PngImagePlugin.PngInfo()
    content = exif().tobytes()
    info.add_text("Raw profile type exif", f"\nexif\n{len(content):8}\n{content.hex()}", zip=compressed)
    return encoded(PHOTO, "PNG", pnginfo=info)


def png_turned_by_xmp(compressed: bool) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode() + " " * 3_000_000, zip=compressed)
    return encoded(PHOTO, "PNG", pnginfo=info)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("turned", [png_turned_by_a_text, png_turned_by_xmp])
def test_an_orientation_in_a_text_is_applied(turned: Callable[[bool], bytes], compressed: bool) -> None:
    np.testing.assert_array_equal(decode(turned(compressed)), upright())


def test_an_exif_block_behind_the_pixels_is_applied() -> None:
    data = PNG[:-12] + chunk(b"eXIf", exif().tobytes().removeprefix(b"Exif\0\0")) + PNG[-12:]
    np.testing.assert_array_equal(decode(data), upright())


def test_an_animation_that_hides_its_only_picture_is_refused() -> None:
    hidden = encoded(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(180)], default_image=True)
    assert code_of(hidden) == "unsupported_format"


@pytest.mark.parametrize(
    "data",
    [
        PNG[:16] + b"\0\0\0\1" + PNG[20:],
        png_with(chunk(b"PLTE", bytes(3), 0)),
        png_with(chunk(b"pr-t", b"")),
        PNG[:8] + PNG[AFTER_HEADER:],
    ],
    ids=["header", "palette", "kind", "no header"],
)
def test_a_png_that_is_broken_before_its_pixels_is_corrupt(data: bytes) -> None:
    assert code_of(data) == "corrupt"


# JPEG

JPEG = encoded(PHOTO, "JPEG", quality=95)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


GOOD_JPEGS: dict[str, Callable[[], bytes]] = {
    "a colour profile of 12 MB": lambda: jpeg_with(
        *[segment(0xE2, b"ICC_PROFILE\0" + bytes([part, 200]) + bytes(60_000)) for part in range(1, 201)]
    ),
    "large XMP": lambda: jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 60_000)),
    "two EXIF blocks": lambda: jpeg_with(segment(0xE1, b"Exif\0\0II*\0"), segment(0xE1, b"Exif\0\0II*\0")),
    "a JFIF segment cut short": lambda: jpeg_with(segment(0xE0, b"JFIF")),
    "an Adobe segment cut short": lambda: jpeg_with(segment(0xEE, b"Adobe")),
    "a Photoshop segment cut short": lambda: jpeg_with(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed")),
    "a multi-picture index of garbage": lambda: jpeg_with(segment(0xE2, b"MPF\0garbage")),
    "segments without content": lambda: jpeg_with(segment(0xE5, b""), segment(0xFE, b"")),
    "a comment": lambda: jpeg_with(segment(0xFE, b"by hand \xff\xd9 and \xff\xda")),
    "fill bytes": lambda: jpeg_with(b"\xff" * 5),
    "garbage between segments": lambda: jpeg_with(segment(0xE5, b"a"), b"garbage"),
    "garbage before its end": lambda: JPEG[:-2] + b"garbage" + JPEG[-2:],
    "zeros behind its end": lambda: JPEG + bytes(4096),
    "a video behind its end": lambda: JPEG + b"\0\0\0\x18ftypmp42" + bytes(5000),
    "a gain map behind its end": lambda: JPEG + encoded(PHOTO.convert("L"), "JPEG"),
    "progressive scans": lambda: encoded(PHOTO, "JPEG", quality=95, progressive=True),
    "restart markers": lambda: encoded(PHOTO, "JPEG", quality=95, restart_marker_rows=1),
}


@pytest.mark.parametrize("kind", GOOD_JPEGS)
def test_a_good_jpeg_is_read(kind: str) -> None:
    np.testing.assert_array_equal(decode(GOOD_JPEGS[kind]()), decode(JPEG))


@pytest.mark.parametrize("name", ["RGB", "CMYK"])
def test_the_colours_that_adobes_segment_states_are_kept(name: str) -> None:
    options = {"keep_rgb": True} if name == "RGB" else {}
    data = encoded(PHOTO.convert(name), "JPEG", quality=95, **options)
    assert np.abs(decode(data).astype(int) - PIXELS).max() < 16


def test_an_orientation_in_xmp_is_applied() -> None:
    data = jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))
    np.testing.assert_array_equal(decode(data), np.rot90(decode(JPEG), -1))


def test_a_jpeg_without_its_end_is_truncated_though_a_comment_holds_one() -> None:
    data = jpeg_with(segment(0xFE, b"\xff\xd9"))
    assert code_of(data[: len(data) // 2]) == "truncated"


# TIFF, WebP and BMP


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "tiff_lzw"},
        {"compression": "tiff_adobe_deflate"},
        {"compression": "packbits"},
        {"big_tiff": True},
        {"icc_profile": bytes(3_000_000)},
        {"compression": "tiff_lzw", "tiffinfo": {317: 2}},
    ],
    ids=["raw", "lzw", "deflate", "packbits", "bigtiff", "colour profile", "predictor"],
)
def test_a_good_tiff_is_read(options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(decode(encoded(PHOTO, "TIFF", **options)), PIXELS)


def test_a_large_colour_profile_of_a_webp_does_no_harm() -> None:
    np.testing.assert_array_equal(decode(encoded(PHOTO, "WEBP", lossless=True, icc_profile=bytes(3_000_000))), PIXELS)


def bmp(rows: bytes, bits: int, *, palette: bytes = b"", compression: int = 0, top_down: bool = False) -> bytes:
    """A BMP that says nothing of its own size, as some programs write it."""
    start = 14 + 40 + len(palette)
    sizes = (40, WIDTH, -HEIGHT if top_down else HEIGHT, 1, bits, compression, len(rows), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, start) + struct.pack("<IiiHHIIiiII", *sizes) + palette + rows


BGR = PIXELS[..., ::-1]
ROWS = b"".join(bytes([WIDTH, row, 0, 0]) for row in reversed(range(HEIGHT))) + b"\0\1"
PALETTE = b"".join(bytes([row, 2 * row, 3 * row, 0]) for row in range(HEIGHT))
STRIPES = np.stack([Y * 3, Y * 2, Y], axis=-1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bmp(BGR[::-1].tobytes(), 24), PIXELS),
        (bmp(BGR.tobytes(), 24, top_down=True), PIXELS),
        (bmp(ROWS, 8, palette=PALETTE, compression=1), STRIPES),
    ],
    ids=["bottom up", "top down", "run lengths"],
)
def test_a_good_bmp_is_read(data: bytes, expected: Pixels) -> None:
    np.testing.assert_array_equal(decode(data), expected)


def test_a_bmp_of_16_bits_is_read() -> None:
    r, g, b = (PIXELS[::-1, :, channel].astype(np.uint16) >> 3 for channel in range(3))
    assert np.abs(decode(bmp((r << 10 | g << 5 | b).astype("<u2").tobytes(), 16)).astype(int) - PIXELS).max() < 8


@pytest.mark.parametrize(
    "data", [bmp(BGR.tobytes(), 24), bmp(ROWS, 8, palette=PALETTE, compression=1)], ids=["rows", "run lengths"]
)
def test_a_bmp_that_says_nothing_of_its_size_is_truncated_without_its_end(data: bytes) -> None:
    assert code_of(data[:-60]) == "truncated"


# What is larger than it may be


def webp_of_any_size(kind: bytes, width: int, height: int) -> bytes:
    """The header of a WebP, and nothing behind it."""
    content = {
        b"VP8X": bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
        b"VP8L": b"\x2f" + (width - 1 | (height - 1) << 14).to_bytes(4, "little") + bytes(8),
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(8),
    }[kind]
    chunk_of_it = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunk_of_it)) + b"WEBP" + chunk_of_it


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_that_claims_too_much_is_refused_before_its_canvas_is_made(
    kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile._open", lambda image: pytest.fail("it was opened"))
    assert code_of(webp_of_any_size(kind, 16_000, 16_000)) == "too_large"


@pytest.mark.parametrize("name", ["WEBP", "lossless", "extended"])
def test_a_webp_is_measured_by_its_own_header(name: str) -> None:
    options: dict[str, Any] = {"lossless": name == "lossless"} | ({"exif": exif()} if name == "extended" else {})
    data = encoded(PHOTO, "WEBP", **options)
    with pytest.raises(SourceError, match=f"has {WIDTH} × {HEIGHT} pixels"):
        decode_image(data, "photo", ReadLimits(max_pixels=HEIGHT * WIDTH - 1))


def test_a_panorama_of_16384_by_8192_is_within_the_limits() -> None:
    assert ReadLimits().max_pixels >= 16_384 * 8_192


def test_an_error_of_size_names_the_parameters() -> None:
    with pytest.raises(SourceError, match=r"ReadLimits\(max_pixels=…\).*max_megapixels"):
        decode_image(PNG, "photo", ReadLimits(max_pixels=10))
    with pytest.raises(SourceError, match=r"ReadLimits\(max_bytes=…\).*max_megabytes"):
        decode_image(PNG, "photo", ReadLimits(max_bytes=10))


# What is something else


@pytest.mark.parametrize(
    "data",
    [
        b"<html><body>404 Not Found",
        "\ufeff<!DOCTYPE html>".encode(),
        b'{"error": "no imagery here"}',
        b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n",
        b"\0\5\x16\7\0\2\0\0Mac OS X        ",
        b"\n" + JPEG,
    ],
    ids=["html", "html with a mark", "json", "git-lfs", "AppleDouble", "jpeg behind a line"],
)
def test_what_is_no_picture_says_so(data: bytes) -> None:
    assert code_of(data) == "not_an_image"


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".jif", ".jfi", ".mpo", ".JFIF", ".tif", ".dib"])
def test_a_picture_by_a_rarer_suffix_is_listed(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"photo{suffix}").write_bytes(JPEG)
    assert [Path(uri).name for uri in list_images(tmp_path).uris] == [f"photo{suffix}"]
