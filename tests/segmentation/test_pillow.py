"""What is resized where it lies is what Pillow gives, to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.segmentation.pillow import resize_as_pillow

SIDES = st.integers(1, 60) | st.integers(200, 420)


def assert_as_pillow(pixels: np.ndarray, size: tuple[int, int]) -> None:
    """Of an image ``(height, width, 3)``, all values."""
    expected = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
    found = resize_as_pillow(torch.from_numpy(pixels.copy()).permute(2, 0, 1), size)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), expected)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(size=st.tuples(SIDES, SIDES), new_size=st.tuples(SIDES, SIDES), seed=st.integers(0, 9), dull=st.booleans())
def test_any_size_becomes_any_other(size: tuple[int, int], new_size: tuple[int, int], seed: int, dull: bool) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 4 if dull else 256, (*size, 3), dtype=np.uint8)
    assert_as_pillow(pixels * 85 if dull else pixels, new_size)


@pytest.mark.parametrize("scale", [0.1, 0.5, 0.75, 1.25, 1.75, 3])
def test_photos_at_the_scales_of_the_presets(scale: float) -> None:
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (331, 500, 3), dtype=np.uint8)
    assert_as_pillow(pixels, (int(331 * scale), int(500 * scale)))
