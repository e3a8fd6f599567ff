"""From bytes to upright RGB pixels: every kind of picture that is read, and every way in which one can fail."""

import contextlib
import io
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.sources import ReadLimits, SourceError, decode_image, read_image

Pixels = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 24, 40


def gradient() -> Pixels:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 6, y * 10, 255 - x * 3 - y * 4], axis=-1).astype(np.uint8)


def encode(image: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def photo() -> Image.Image:
    return Image.fromarray(gradient())


def decode(data: bytes, **limits: int) -> Pixels:
    return decode_image(data, "photo", ReadLimits(**limits))


def code_of(data: bytes, **limits: int) -> str:
    with pytest.raises(SourceError) as caught:
        decode(data, **limits)
    assert caught.value.uri == "photo"
    return caught.value.code


def png(width: int, height: int, bit_depth: int, colour_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of kinds that Pillow does not write; `rows` without the filter byte."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    size = len(rows) // height
    filtered = b"".join(b"\0" + rows[start : start + size] for start in range(0, len(rows), size))
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(samples: npt.NDArray[Any], bits: int, *tags: tuple[int, int], order: str = "<", photometric: int = 1) -> bytes:
    """An uncompressed grey TIFF of kinds that Pillow does not write; one value per tag."""
    height, width = samples.shape
    content = samples.tobytes()
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height}
    entries |= {279: len(content), **dict(tags)}
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(content)) + content
    data += struct.pack(order + "H", len(entries))
    for tag, value in sorted(entries.items()):
        data += struct.pack(order + "HHII", tag, 4, 1, value)
    return data + struct.pack(order + "I", 0)


ENCODINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "tiff": ("TIFF", {}),
    "lzw tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "jpeg tiff": ("TIFF", {"compression": "jpeg"}),
    "bmp": ("BMP", {}),
}
LOSSLESS = ("png", "lossless webp", "tiff", "lzw tiff", "bmp")


def encoded(name: str) -> bytes:
    format_name, options = ENCODINGS[name]
    return encode(photo(), format_name, **options)


# What comes out


@pytest.mark.parametrize("name", ENCODINGS)
def test_pixels_are_rgb_height_by_width(name: str) -> None:
    pixels = decode(encoded(name))
    assert (pixels.shape, pixels.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_pixels_are_exact(name: str) -> None:
    np.testing.assert_array_equal(decode(encoded(name)), gradient())


@pytest.mark.parametrize("name", sorted(set(ENCODINGS) - set(LOSSLESS)))
def test_lossy_pixels_are_close(name: str) -> None:
    assert np.abs(decode(encoded(name)).astype(int) - gradient()).mean() < 8


def test_an_image_is_read_by_its_uri_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(encoded("png"))
    np.testing.assert_array_equal(read_image(str(tmp_path / "photo.jpg")), gradient())


# Kinds of pixels


@pytest.mark.parametrize("mode", ["L", "1"])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP"])
def test_grey_becomes_rgb(mode: str, format_name: str) -> None:
    image = photo().convert(mode)
    expected = np.asarray(image.convert("L"))
    np.testing.assert_array_equal(decode(encode(image, format_name)), np.stack([expected] * 3, axis=-1))


def test_a_palette_is_looked_up() -> None:
    image = photo().quantize(16)
    np.testing.assert_array_equal(decode(encode(image, "PNG")), np.asarray(image.convert("RGB")))


def test_a_transparent_palette_entry_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert decode(encode(image, "PNG", transparency=0)).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_a_half_transparent_palette_entry_is_mixed_with_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert decode(encode(image, "PNG", transparency=b"\x80\xff")).tolist() == [[[127, 127, 127], [40, 50, 60]]]


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_over_white(format_name: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 128))
    options = {"lossless": True, "exact": True} if format_name == "WEBP" else {}
    assert decode(encode(image, format_name, **options))[0, :, 0].tolist() == [0, 255, 127]


def test_transparent_grey_is_laid_over_white() -> None:
    image = Image.new("LA", (2, 1), (9, 255))
    image.putpixel((1, 0), (9, 0))
    assert decode(encode(image, "PNG"))[0, :, 0].tolist() == [9, 255]


def test_a_transparent_colour_is_white() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (4, 5, 6))
    assert decode(encode(image, "PNG", transparency=(1, 2, 3))).tolist() == [[[255, 255, 255], [4, 5, 6]]]


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_cmyk_is_converted(format_name: str) -> None:
    # Pillow writes a CMYK JPEG as Adobe does, with inverted values.
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(decode(encode(image, format_name)).astype(int) - [0, 255, 255]).max() <= 2


def test_ycbcr_is_converted() -> None:
    image = photo().convert("YCbCr")
    np.testing.assert_array_equal(decode(encode(image, "TIFF")), np.asarray(image.convert("RGB")))


SIXTEEN_BITS = np.array([[0, 127, 128, 129], [257, 32768, 65534, 65535]], np.uint16)
EIGHT_BITS = [[0, 0, 0, 1], [1, 128, 255, 255]]


@pytest.mark.parametrize(
    "data",
    [
        encode(Image.fromarray(SIXTEEN_BITS), "PNG"),
        encode(Image.fromarray(SIXTEEN_BITS), "TIFF"),
        encode(Image.fromarray(SIXTEEN_BITS), "TIFF", compression="tiff_lzw"),
        tiff(SIXTEEN_BITS.astype(">u2"), 16, order=">"),
        tiff((65535 - SIXTEEN_BITS).astype("<u2"), 16, photometric=0),
    ],
    ids=["png", "tiff", "lzw tiff", "big-endian tiff", "white-is-zero tiff"],
)
def test_16_bit_grey_is_scaled_and_rounded(data: bytes) -> None:
    assert decode(data)[..., 0].tolist() == EIGHT_BITS


def test_12_bit_grey_is_scaled_to_the_full_range() -> None:
    packed = np.frombuffer(b"\xff\xf8\x00\x00\x0f\xff", np.uint8).reshape(2, 3)  # 4095 2048 / 0 4095
    data = bytearray(tiff(packed, 12))
    width = data.index(struct.pack("<HHII", 256, 4, 1, 3))
    data[width : width + 12] = struct.pack("<HHII", 256, 4, 1, 2)
    assert decode(bytes(data))[..., 0].tolist() == [[255, 128], [0, 255]]


def test_a_transparent_16_bit_grey_is_white() -> None:
    data = png(2, 1, 16, 0, struct.pack(">HH", 1000, 257), (b"tRNS", struct.pack(">H", 1000)))
    assert decode(data)[0, :, 0].tolist() == [255, 1]


def test_16_bit_colour_is_read() -> None:
    data = png(2, 1, 16, 2, np.array([0, 32768, 65535, 257, 514, 771], ">u2").tobytes())
    assert decode(data).tolist() == [[[0, 128, 255], [1, 2, 3]]]


def test_of_an_mpo_the_first_picture_is_taken() -> None:
    data = encode(photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert decode(data).shape == (HEIGHT, WIDTH, 3)


# Upright


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (2, lambda stored: stored[:, ::-1]),
        (3, lambda stored: stored[::-1, ::-1]),
        (4, lambda stored: stored[::-1]),
        (5, lambda stored: stored.transpose(1, 0, 2)),
        (6, lambda stored: np.rot90(stored, -1)),
        (7, lambda stored: stored[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda stored: np.rot90(stored, 1)),
    ],
)
@pytest.mark.parametrize("name", ["jpeg", "png", "lossless webp", "tiff", "lzw tiff"])
def test_the_exif_orientation_is_applied(name: str, orientation: int, upright: Any) -> None:
    format_name, options = ENCODINGS[name]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = decode(encode(photo(), format_name, **options))
    np.testing.assert_array_equal(decode(encode(photo(), format_name, exif=exif, **options)), upright(stored))


def test_an_unknown_exif_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    assert decode(encode(photo(), "JPEG", exif=exif)).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0", b"II*\0"])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_counts_as_upright(format_name: str, exif: bytes) -> None:
    assert decode(encode(photo(), format_name, exif=exif)).shape == (HEIGHT, WIDTH, 3)


def test_a_broken_exif_directory_of_a_tiff_is_ignored() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(decode(tiff(grey, 8, (34665, 10**9)))[..., 0], grey)


# What is refused


def test_no_bytes_are_empty() -> None:
    assert code_of(b"") == "empty"


@pytest.mark.parametrize(
    "data", [b"hello", b"<!DOCTYPE html><html>", b"\0" * 500, b"BMW is no bitmap, nor is Audi", b"\xff"]
)
def test_other_bytes_are_no_image(data: bytes) -> None:
    assert code_of(data) == "not_an_image"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encode(photo(), "GIF"), "GIF"),
        (encode(photo(), "PDF"), "PDF"),
        (encode(photo(), "AVIF"), "AVIF"),
        (encode(photo(), "JPEG2000"), "JPEG 2000"),
        (encode(photo(), "ICO"), "ICO"),
        (encode(photo(), "PPM"), "Netpbm"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "MP4"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(100), "CR2"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "WAV"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_format_is_named_beside_the_allowed_ones(data: bytes, name: str) -> None:
    with pytest.raises(SourceError, match=f"{name}.*JPEG, PNG, WEBP, TIFF, BMP") as caught:
        decode(data)
    assert caught.value.code == "unsupported_format"


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_a_file_are_refused(format_name: str) -> None:
    data = encode(photo(), format_name, save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))])
    with pytest.raises(SourceError, match="with 2") as caught:
        decode(data)
    assert caught.value.code == "unsupported_format"


@pytest.mark.parametrize(
    "data",
    [
        encode(Image.fromarray(np.zeros((2, 3), np.int32)), "TIFF"),
        encode(Image.fromarray(np.zeros((2, 3), np.float32)), "TIFF"),
        encode(Image.new("LAB", (3, 2)), "TIFF"),
        tiff(np.zeros((2, 3), np.float64), 64, (339, 3)),
    ],
    ids=["int32", "float32", "Lab", "float64"],
)
def test_other_pixel_types_are_refused(data: bytes) -> None:
    assert code_of(data) == "unsupported_format"


def test_a_picture_of_exactly_the_pixel_cap_is_decoded() -> None:
    assert decode(encoded("png"), max_pixels=HEIGHT * WIDTH).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_picture_over_the_pixel_cap_is_too_large(name: str) -> None:
    assert code_of(encoded(name), max_pixels=HEIGHT * WIDTH - 1) == "too_large"


def test_pixels_are_counted_before_they_are_decoded() -> None:
    data = png(60_000, 60_000, 8, 2, b"no pixels at all" * 60_000)
    assert code_of(data) == "too_large"


def test_bytes_over_the_cap_are_too_large() -> None:
    assert code_of(encoded("png"), max_bytes=50) == "too_large"


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_picture_without_its_end_is_truncated(name: str, part: float) -> None:
    data = encoded(name)
    assert code_of(data[: max(20, int(len(data) * part))]) == "truncated"


@pytest.mark.parametrize("name", ENCODINGS)
def test_one_missing_byte_is_noticed(name: str) -> None:
    data = encoded(name)
    if name == "lzw tiff":  # ends with the offset of the next page, which is not there
        data = data[:-4]
    assert code_of(data[:-1]) == "truncated"


@pytest.mark.parametrize("name", ["jpeg", "progressive jpeg"])
def test_a_jpeg_whose_second_half_is_zeros_is_truncated(name: str) -> None:
    # As an interrupted copy into a preallocated file leaves it. Pillow alone returns a picture that is half grey.
    format_name, options = ENCODINGS[name]
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), format_name, **options)
    for part in (0.001, 0.5, 0.9):
        start = int(len(data) * part)
        for n_zeros in (len(data) - start, 10 * len(data)):
            assert code_of(data[:start] + bytes(n_zeros)) == "truncated"


def test_bytes_behind_a_jpeg_do_no_harm() -> None:
    np.testing.assert_array_equal(decode(encoded("jpeg") + b"appended by the phone"), decode(encoded("jpeg")))


def test_garbage_behind_the_header_is_corrupt() -> None:
    data = bytearray(encoded("png"))
    data[45:80] = bytes(35)
    with pytest.raises(SourceError) as caught:
        decode(bytes(data))
    assert caught.value.code == "corrupt"
    assert caught.value.__cause__ is not None


def test_having_no_memory_is_not_the_pictures_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_prepare", no_memory)
    with pytest.raises(MemoryError):
        decode(encoded("png"))


def test_threads_decode_side_by_side_and_leave_warnings_alone() -> None:
    filters = list(warnings.filters)
    results: list[Pixels] = []
    data = encoded("png")
    threads = [threading.Thread(target=lambda: results.extend(decode(data) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    assert all(np.array_equal(result, gradient()) for result in results)
    assert warnings.filters == filters


ORIGINALS = {name: encoded(name) for name in ENCODINGS}


@settings(max_examples=250, deadline=None)
@given(
    name=st.sampled_from(sorted(ENCODINGS)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    part=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_bytes_decode_or_raise_a_source_error(name: str, flips: list[tuple[float, int]], part: float) -> None:
    data = bytearray(ORIGINALS[name])
    for where, value in flips:
        data[int(where * len(data))] = value
    with contextlib.suppress(SourceError):
        pixels = decode(bytes(data[: int(len(data) * part)]), max_pixels=1_000_000)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
