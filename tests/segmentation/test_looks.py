"""What is noticed of a picture: placeholders, and by what copies are told."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from toolkit.segmentation import look_at

SIZES = [(480, 640), (240, 320), (600, 400)]


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def card(background: tuple[int, int, int], words: tuple[int, int, int], size: tuple[int, int]) -> np.ndarray:
    image = Image.new("RGB", size[::-1], background)
    text, font = "Sorry, we have\nno imagery here.", ImageFont.load_default(size[1] // 22)
    ImageDraw.Draw(image).multiline_text(
        (size[1] / 2, size[0] / 2), text, fill=words, font=font, anchor="mm", align="center"
    )
    return np.asarray(image)


def night(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    dark = 150 * (pixels / 255.0) ** 2.5 + generator.normal(0, 3, pixels.shape)
    return np.clip(dark, 0, 255).astype(np.uint8)


def fog(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    veiled = 0.2 * pixels + 0.8 * 205 + generator.normal(0, 1.5, pixels.shape)
    return np.clip(veiled, 0, 255).astype(np.uint8)


def snow(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.clip(0.35 * pixels + 170, 0, 255).astype(np.uint8)


class TestBlank:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("quality", [None, 90, 60])
    @pytest.mark.parametrize(
        ("background", "words"),
        [
            ((228, 226, 222), (120, 120, 120)),
            ((255, 255, 255), (0, 0, 0)),
            ((128, 128, 128), (255, 255, 255)),
            ((40, 60, 120), (255, 255, 255)),
            ((0, 0, 0), (255, 255, 255)),
        ],
    )
    def test_cards_with_words_are(
        self,
        background: tuple[int, int, int],
        words: tuple[int, int, int],
        quality: int | None,
        size: tuple[int, int],
    ) -> None:
        pixels = card(background, words, size)
        assert look_at(pixels if quality is None else jpeg(pixels, quality)).blank

    @pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (13, 90, 200)])
    @pytest.mark.parametrize("size", [*SIZES, (1, 1), (3, 2), (20, 2000)])
    def test_pictures_of_one_colour_are(self, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
        assert look_at(np.full((*size, 3), colour, np.uint8)).blank

    @pytest.mark.parametrize("deviation", [1, 4, 10])
    def test_a_dashcams_black_frames_are_with_all_their_noise(self, deviation: float) -> None:
        noise = np.random.default_rng(0).normal(4, deviation, (480, 640, 3))
        pixels = np.clip(noise, 0, 255).astype(np.uint8)
        assert look_at(pixels).blank
        assert look_at(jpeg(pixels, 70)).blank

    def test_a_black_frame_with_a_line_of_text_is(self) -> None:
        image = Image.new("RGB", (640, 480))
        ImageDraw.Draw(image).text((10, 460), "2024-05-01 12:31:07  47.55N 7.58E  32 km/h", fill=(255, 255, 255))
        assert look_at(jpeg(np.asarray(image), 80)).blank

    def test_photos_are_not_in_whatever_weather(self, photo: Callable[..., np.ndarray], photos: list[str]) -> None:
        generator = np.random.default_rng(1)
        for name in photos:
            pixels = photo(name)
            for weather in (lambda pixels, _: pixels, night, fog, snow):
                assert not look_at(weather(pixels, generator)).blank, (name, weather)

    def test_a_clear_sky_is_not(self) -> None:
        height = np.linspace(0, 1, 480)[:, None, None]
        sky = (1 - height) * [60, 120, 220] + height * [190, 215, 245]
        noise = np.random.default_rng(2).normal(0, 1.5, (480, 640, 3))
        assert not look_at(np.clip(sky + noise, 0, 255).astype(np.uint8)).blank

    def test_lamps_in_the_night_are_not(self) -> None:
        image = Image.new("RGB", (640, 480))
        generator = np.random.default_rng(3)
        for _ in range(30):
            x, y, radius = generator.integers(640), generator.integers(480), generator.integers(4, 14)
            ImageDraw.Draw(image).ellipse([x - radius, y - radius, x + radius, y + radius], fill=(250, 230, 180))
        assert not look_at(np.asarray(image)).blank

    def test_a_fisheye_picture_is_not_for_the_black_around_it(self, photo: Callable[..., np.ndarray]) -> None:
        pixels = photo("building.jpg").copy()
        rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
        middle = (pixels.shape[0] / 2, pixels.shape[1] / 2)
        pixels[np.hypot(rows - middle[0], columns - middle[1]) > 0.4 * pixels.shape[0]] = 0
        assert not look_at(pixels).blank


class TestDigest:
    def test_equal_pixels_have_one(self, photo: Callable[..., np.ndarray]) -> None:
        pixels = photo("horses.jpg")
        assert look_at(pixels).pixels_digest == look_at(pixels[::-1].copy()[::-1]).pixels_digest

    def test_a_single_value_makes_another(self, photo: Callable[..., np.ndarray]) -> None:
        changed = photo("horses.jpg").copy()
        changed[100, 100, 1] ^= 1
        assert look_at(changed).pixels_digest != look_at(photo("horses.jpg")).pixels_digest

    def test_so_do_other_sides(self) -> None:
        assert len({look_at(np.zeros((*size, 3), np.uint8)).pixels_digest for size in ((6, 4), (4, 6), (3, 8))}) == 3


CHANGES: dict[str, Any] = {
    "JPEG": lambda pixels: jpeg(pixels, 50),
    "half as large": lambda pixels: pixels[::2, ::2],
    "brighter": lambda pixels: np.clip(pixels.astype(int) + 15, 0, 255).astype(np.uint8),
    "noise": lambda pixels: np.clip(pixels + np.random.default_rng(0).normal(0, 8, pixels.shape), 0, 255).astype(
        np.uint8
    ),
    "cropped a little": lambda pixels: pixels[4:-4, 4:-4],
}


class TestPerceptualHash:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_few_bits_differ_where_pictures_look_alike(
        self, photo: Callable[..., np.ndarray], photos: list[str], change: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        for name in photos:
            first, second = (look_at(pixels).perceptual_hash for pixels in (photo(name), change(photo(name))))
            assert (first ^ second).bit_count() <= 4, name

    def test_many_differ_between_photos(self, photo: Callable[..., np.ndarray], photos: list[str]) -> None:
        hashes = [look_at(photo(name)).perceptual_hash for name in photos]
        assert min((one ^ other).bit_count() for one in hashes for other in hashes if one != other) >= 16

    def test_it_fits_64_bits(self, noise: Callable[..., np.ndarray]) -> None:
        looks = [look_at(noise(9, 7, seed=seed)) for seed in range(20)]
        assert all(0 < one.pixels_digest < 2**64 and 0 <= one.perceptual_hash < 2**64 for one in looks)
