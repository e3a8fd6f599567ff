"""Masks are read as they are stored: every kind that keeps values exactly, and a reason for every other."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from toolkit.evaluation import read_mask
from toolkit.sources import ReadLimits, SourceError

HEIGHT, WIDTH = 9, 7
INDICES = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 4).astype(np.uint8)
_CHANNELS_OF_COLOR_TYPE = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def paeth(left: int, above: int, corner: int) -> int:
    distances = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
    return (left, above, corner)[distances.index(min(distances))]


def png(samples: np.ndarray, bit_depth: int, color_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of samples ``(height, width, n_channels)``, its rows under each of the five filters in turn."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width, n_channels = samples.shape
    assert n_channels == _CHANNELS_OF_COLOR_TYPE[color_type]
    if bit_depth == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    else:
        bits = (samples.reshape(height, -1, 1) >> np.arange(bit_depth)[::-1]) & 1
        rows = [np.packbits(row).tobytes() for row in bits.astype(np.uint8).reshape(height, -1)]
    step = max(1, bit_depth * n_channels // 8)
    filtered, before = b"", bytes(len(rows[0]))
    for number, row in enumerate(rows):
        line = bytearray([number % 5])
        for place, value in enumerate(row):
            left, corner = (row[place - step], before[place - step]) if place >= step else (0, 0)
            above = before[place]
            expected = (0, left, above, (left + above) // 2, paeth(left, above, corner))[number % 5]
            line.append((value - expected) % 256)
        filtered, before = filtered + bytes(line), row
    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def saved(image: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def read(tmp_path: Path, data: bytes, **options: Any) -> np.ndarray:
    path = tmp_path / "mask"
    path.write_bytes(data)
    return read_mask(str(path), **options)


def code_of(tmp_path: Path, data: bytes, match: str | None = None, **options: Any) -> str:
    with pytest.raises(SourceError, match=match) as caught:
        read(tmp_path, data, **options)
    assert caught.value.uri == str(tmp_path / "mask")
    return caught.value.code


def palette_image() -> Image.Image:
    image = Image.fromarray(INDICES)
    image.putpalette(bytes(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8)))
    return image


class TestValues:
    def test_of_a_palette_the_indices(self, tmp_path: Path) -> None:
        image = palette_image()
        assert image.mode == "P"
        np.testing.assert_array_equal(read(tmp_path, saved(image)), INDICES)

    def test_transparency_changes_nothing(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(read(tmp_path, saved(palette_image(), transparency=4)), INDICES)

    @pytest.mark.parametrize("bit_depth", [1, 2, 4, 8])
    @pytest.mark.parametrize("color_type", [0, 3])
    def test_of_few_bits_what_they_say(self, tmp_path: Path, bit_depth: int, color_type: int) -> None:
        samples = INDICES[..., None].astype(int) // 4 % 2**bit_depth
        chunks = [(b"PLTE", bytes(3 * 2**bit_depth))] if color_type == 3 else []
        np.testing.assert_array_equal(read(tmp_path, png(samples, bit_depth, color_type, *chunks)), samples[..., 0])

    def test_of_16_bits_all(self, tmp_path: Path) -> None:
        samples = np.random.default_rng(1).integers(0, 2**16, (HEIGHT, WIDTH, 1), dtype=np.uint16)
        values = read(tmp_path, png(samples, 16, 0))
        assert values.dtype == np.uint16
        np.testing.assert_array_equal(values, samples[..., 0])

    @pytest.mark.parametrize("color_type", [2, 6])
    @pytest.mark.parametrize("bit_depth", [8, 16])
    def test_of_several_channels_the_one_asked_for(self, tmp_path: Path, bit_depth: int, color_type: int) -> None:
        n_channels = _CHANNELS_OF_COLOR_TYPE[color_type]
        samples = np.random.default_rng(2).integers(0, 2**bit_depth, (HEIGHT, WIDTH, n_channels))
        for channel in range(n_channels):
            values = read(tmp_path, png(samples, bit_depth, color_type), channel=channel)
            np.testing.assert_array_equal(values, samples[..., channel])

    @pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
    def test_of_a_lossless_tiff(self, tmp_path: Path, compression: str | None, dtype: type) -> None:
        values = INDICES.astype(dtype) * (1 if dtype is np.uint8 else 200)
        data = saved(Image.fromarray(values), "TIFF", compression=compression)
        np.testing.assert_array_equal(read(tmp_path, data), values)

    def test_an_orientation_does_not_turn_them(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        data = saved(Image.fromarray(INDICES), exif=exif)
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif()[0x0112] == 6
        np.testing.assert_array_equal(read(tmp_path, data), INDICES)


class TestColors:
    def test_of_rgb_and_without_blending_of_rgba(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
        for n_channels in (3, 4):
            data = saved(Image.fromarray(pixels[..., :n_channels]))
            np.testing.assert_array_equal(read(tmp_path, data, colors=True), pixels[..., :3])

    def test_of_a_palette_its_colours(self, tmp_path: Path) -> None:
        image = palette_image()
        palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
        np.testing.assert_array_equal(read(tmp_path, saved(image), colors=True), palette[INDICES])

    def test_of_16_bits_there_are_none(self, tmp_path: Path) -> None:
        samples = np.zeros((HEIGHT, WIDTH, 3), int)
        assert code_of(tmp_path, png(samples, 16, 2), "16 bits", colors=True) == "unsupported_format"


class TestRefusals:
    @pytest.mark.parametrize("format_name", ["JPEG", "WEBP"])
    def test_what_loses_values(self, tmp_path: Path, format_name: str) -> None:
        data = saved(Image.fromarray(INDICES), format_name)
        assert code_of(tmp_path, data, "changes class values .* save the masks as PNG") == "unsupported_format"

    def test_a_tiff_that_loses_values(self, tmp_path: Path) -> None:
        data = saved(Image.fromarray(INDICES), "TIFF", compression="jpeg")
        assert code_of(tmp_path, data, "compression jpeg") == "unsupported_format"

    @pytest.mark.parametrize(
        ("tags", "match"), [({274: 6}, "an orientation"), ({262: 0}, "white as zero")], ids=["turned", "inverted"]
    )
    def test_a_tiff_whose_values_would_be_changed(self, tmp_path: Path, tags: dict[int, int], match: str) -> None:
        data = saved(Image.fromarray(INDICES), "TIFF", tiffinfo=tags)
        assert code_of(tmp_path, data, match) == "unsupported_format"

    def test_other_formats(self, tmp_path: Path) -> None:
        assert code_of(tmp_path, saved(Image.fromarray(INDICES), "BMP"), "format BMP") == "unsupported_format"
        assert code_of(tmp_path, b"some text that is no picture") == "not_an_image"

    def test_numbers_that_are_not_whole(self, tmp_path: Path) -> None:
        data = saved(Image.fromarray(INDICES.astype(np.float32)), "TIFF")
        assert code_of(tmp_path, data, "pixels of kind F") == "unsupported_format"

    def test_several_channels_of_which_none_is_named(self, tmp_path: Path) -> None:
        data = saved(Image.fromarray(np.zeros((3, 4, 3), np.uint8)))
        assert code_of(tmp_path, data, r"has 3 channels.*dataset=") == "unsupported_format"
        assert code_of(tmp_path, data, "none with number 3", channel=3) == "unsupported_format"

    def test_16_bits_of_grey_and_alpha(self, tmp_path: Path) -> None:
        data = png(np.zeros((2, 2, 2), int), 16, 4)
        assert code_of(tmp_path, data, "without alpha", channel=0) == "unsupported_format"

    def test_several_pictures(self, tmp_path: Path) -> None:
        pictures = [Image.fromarray(INDICES + number) for number in range(2)]
        data = saved(pictures[0], save_all=True, append_images=pictures[1:])
        assert code_of(tmp_path, data, "several pictures") == "unsupported_format"

    def test_what_is_missing_empty_or_damaged(self, tmp_path: Path) -> None:
        whole = saved(Image.fromarray(INDICES))
        assert code_of(tmp_path, whole[:-20]) == "truncated"
        assert code_of(tmp_path, b"") == "empty"
        damaged = bytearray(whole)
        damaged[whole.index(b"IDAT") + 6] ^= 0xFF
        assert code_of(tmp_path, bytes(damaged)) == "corrupt"
        with pytest.raises(SourceError, match=r"\[missing\]"):
            read_mask(str(tmp_path / "nowhere.png"))

    def test_more_than_the_limits_before_anything_is_decoded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = saved(Image.fromarray(INDICES))
        assert len(read(tmp_path, data, limits=ReadLimits(max_pixels=HEIGHT * WIDTH))) == HEIGHT
        assert code_of(tmp_path, data, limits=ReadLimits(max_bytes=20)) == "too_large"
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", None)
        limits = ReadLimits(max_pixels=HEIGHT * WIDTH - 1)
        assert code_of(tmp_path, data, f"{WIDTH} × {HEIGHT} pixels", limits=limits) == "too_large"


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_half_a_mask_is_refused_where_pillow_is_told_to_read_it(
    tmp_path: Path, format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(Image.fromarray(np.tile(INDICES, (40, 40))), format_name)
    (tmp_path / "mask").write_bytes(data[: len(data) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(SourceError) as caught:
        read_mask(str(tmp_path / "mask"))
    assert caught.value.code == "truncated"
