"""Mode ``"slices"``: a grid of so many overlapping pieces, whatever the size of the image."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.models import InputRules, Model
from toolkit.segmentation import Protocol, levels, plan, segment_image


def sliced(rows: int, columns: int, slice_overlap: float = 0.0, **settings: Any) -> Protocol:
    """A grid of slices."""
    return Protocol(mode="slices", slices=(rows, columns), slice_overlap=slice_overlap, **settings)


@pytest.mark.parametrize("grid", [(1, 1), (1, 2), (2, 1), (2, 3), (4, 4), (1, 8)])
@pytest.mark.parametrize("slice_overlap", [0.0, 0.1, 0.5])
def test_there_are_as_many_slices_as_asked_for(grid: tuple[int, int], slice_overlap: float) -> None:
    assert len(plan(480, 640, sliced(*grid, slice_overlap))) == grid[0] * grid[1]


def test_slices_without_overlap_part_the_image() -> None:
    (level,) = levels(480, 640, sliced(2, 4))
    assert level.crop == (240, 160)
    assert level.tops == (0, 240)
    assert level.lefts == (0, 160, 320, 480)


def test_slices_share_the_given_fraction_with_each_neighbour() -> None:
    (level,) = levels(100, 600, sliced(1, 5, 0.25))  # 5 slices of 150 pixels, 4 × 37.5 of them shared
    assert level.crop == (100, 150)
    shared = [before + 150 - after for before, after in pairwise(level.lefts)]
    assert shared == pytest.approx([0.25 * 150] * 4, abs=1)


def test_every_scale_has_its_own_grid() -> None:
    half, whole = levels(480, 640, sliced(2, 2, scales=(0.5, 1.0)))
    assert (half.crop, whole.crop) == ((120, 160), (240, 320))
    assert len(half.origins) == len(whole.origins) == 4


def test_the_crop_and_the_stride_do_not_matter() -> None:
    assert plan(48, 64, sliced(2, 3, crop_size=7, stride=1)) == plan(48, 64, sliced(2, 3))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    slice_overlap=st.floats(0, 0.9),
    kind=st.sampled_from([(1, 0), (8, 0), (8, 1), (32, 0)]),
)
def test_slices_cover_every_pixel_and_stay_inside(
    size: tuple[int, int], grid: tuple[int, int], slice_overlap: float, kind: tuple[int, int]
) -> None:
    divisor, remainder = kind
    protocol = sliced(*grid, slice_overlap)
    tiles = plan(*size, protocol, rules=InputRules(divisor, remainder))
    canvas = tiles[0].level.canvas
    covered = np.zeros(canvas, dtype=bool)
    for tile in tiles:
        assert tile.rows.stop <= canvas[0]
        assert tile.columns.stop <= canvas[1]
        covered[tile.rows, tile.columns] = True
    assert covered.all()
    assert len({(tile.top, tile.left) for tile in tiles}) == len(tiles) <= grid[0] * grid[1]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(side=st.integers(1, 500), n_slices=st.integers(1, 9), slice_overlap=st.floats(0, 0.9))
def test_neighbours_share_at_least_the_given_fraction(side: int, n_slices: int, slice_overlap: float) -> None:
    (level,) = levels(1, side, sliced(1, n_slices, slice_overlap))
    crop = level.crop[1]
    for before, after in pairwise(level.lefts):
        assert before + crop - after >= slice_overlap * crop - 1  # whole pixels


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (3, 2)])
def test_an_image_with_fewer_pixels_than_slices_is_cut_into_pixels(small_model: Model, size: tuple[int, int]) -> None:
    protocol = sliced(4, 6)
    assert len(plan(*size, protocol)) == min(size[0], 4) * min(size[1], 6)
    assert segment_image(np.zeros((*size, 3), np.uint8), small_model, protocol).labels.shape == size


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("slice_overlap", [0.0, 0.3])
@pytest.mark.parametrize("flip", [False, True])
def test_slices_equal_the_reference(
    random_model: Callable[..., Model],
    noise: Callable[..., np.ndarray],
    compare_with_reference: Callable[..., Any],
    grid: tuple[int, int],
    slice_overlap: float,
    flip: bool,
) -> None:
    protocol = sliced(*grid, slice_overlap, scales=(0.75, 1.0), flip=flip, blend="gaussian")
    compare_with_reference(noise(70, 90), random_model(5, 8, 1), protocol)


def test_one_slice_is_the_whole_image(small_model: Model, noise: Callable[..., np.ndarray]) -> None:
    pixels = noise(40, 50)
    whole = segment_image(pixels, small_model, Protocol(mode="whole"))
    np.testing.assert_array_equal(segment_image(pixels, small_model, sliced(1, 1)).labels, whole.labels)
