"""How well blank pictures and copies are noticed: precision and recall on pictures of which it is known.

    python -m benchmarks.flags [--scenes 40]

Pictures that are none: cards of several colours with words, black frames with noise, pictures of one colour, as PNG and
as JPEG. Pictures that are some: the sample photos and generated street scenes, as they are, at night, in fog and in
snow. Copies: of each of these photos and scenes one of the same pixels, and others smaller, brighter, noisy, cropped
and compressed. Prints a table, and writes ``benchmarks/results/flags.csv``.
"""

import argparse
import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import toolkit as tk
from benchmarks.tables import RESULTS, report
from toolkit.catalog.reading.duplicates import first_near, first_with_same
from toolkit.paths import data_catalog
from toolkit.segmentation import look_at
from toolkit.sources import read_image

SEED = 0
SIZES = ((480, 640), (240, 320), (600, 400))
QUALITIES = (None, 90, 60, 30)
COLOURS = ((228, 226, 222), (255, 255, 255), (128, 128, 128), (40, 60, 120), (0, 0, 0))


def main() -> None:
    """Count, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=40)
    n_scenes = parser.parse_args().scenes
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    pictures = [read_image(str(path)) for path in sorted((data_catalog() / "samples").glob("*.*g"))]
    pictures += [tk.generate_scene(SEED + number, height=256, width=512).image for number in range(n_scenes)]
    weather = [_weather(pixels, random) for pixels in pictures]
    blanks = list(_blanks(random))
    begun = time.perf_counter()
    found = [look_at(pixels).blank for pixels in blanks]
    false = [look_at(pixels).blank for kinds in weather for pixels in kinds]
    seconds = (time.perf_counter() - begun) / (len(found) + len(false))
    rows = [_row("blank", sum(found), len(found), sum(false), len(false))]
    copies = [_copies(pixels, random) for pixels in pictures]
    looks = [
        look_at(pixels)
        for kinds in ([pixels, *others] for pixels, others in zip(pictures, copies, strict=True))
        for pixels in kinds
    ]
    originals = np.repeat(np.arange(len(pictures)) * 6, 6)
    is_copy = np.arange(len(looks)) != originals
    digests = np.array([look.pixels_digest for look in looks], np.uint64)
    same = first_with_same(digests)
    near = first_near(
        np.array([look.perceptual_hash for look in looks], np.uint64), np.ones(len(looks), bool) & (same < 0)
    )
    exact = np.arange(len(looks)) % 6 == 1
    rows.append(
        _row(
            "duplicate_of",
            ((same == originals) & exact).sum(),
            exact.sum(),
            ((same >= 0) & ~exact).sum(),
            (~exact).sum(),
        )
    )
    alike = is_copy & ~exact
    right = (near == originals) & alike
    wrong = (near >= 0) & ~right
    rows.append(_row("near_duplicate_of", right.sum(), alike.sum(), wrong.sum(), (~alike).sum()))
    print(f"{1000 * seconds:.1f} ms per picture")
    report(RESULTS / "flags.csv", rows)


def _row(flag: str, found: Any, of: Any, false: Any, among: Any) -> dict[str, Any]:
    precision = found / (found + false)
    return {"flag": flag, "found": int(found), "of": int(of), "false": int(false), "among": int(among)} | {
        "precision": float(precision),
        "recall": float(found / of),
    }


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def _blanks(random: np.random.Generator) -> Iterator[np.ndarray]:
    for height, width in SIZES:
        plain = [np.full((height, width, 3), colour, np.uint8) for colour in COLOURS]
        noise = [np.clip(random.normal(4, sigma, (height, width, 3)), 0, 255).astype(np.uint8) for sigma in (1, 4, 10)]
        for pixels in [*plain, *map(_with_words, plain), *noise]:
            yield from (pixels if quality is None else _jpeg(pixels, quality) for quality in QUALITIES)


def _with_words(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    words = (255, 255, 255) if pixels.mean() < 150 else (90, 90, 90)
    height, width = pixels.shape[:2]
    font = ImageFont.load_default(height // 22)
    text = "Sorry, we have\nno imagery here."
    ImageDraw.Draw(image).multiline_text((width / 2, height / 2), text, fill=words, font=font, anchor="mm")
    return np.asarray(image)


def _weather(pixels: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    night = 150 * (pixels / 255) ** 2.5 + random.normal(0, 3, pixels.shape)
    fog = 0.2 * pixels + 0.8 * 205 + random.normal(0, 1.5, pixels.shape)
    snow = 0.35 * pixels + 170
    return [pixels, *(np.clip(changed, 0, 255).astype(np.uint8) for changed in (night, fog, snow))]


def _copies(pixels: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    noisy = np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    brighter = np.clip(pixels.astype(int) + 15, 0, 255).astype(np.uint8)
    return [pixels.copy(), np.ascontiguousarray(pixels[::2, ::2]), brighter, noisy, _jpeg(pixels, 50)]


if __name__ == "__main__":
    main()
