"""Errors near the borders between classes: against a count pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from toolkit.evaluation import BorderError, border_error

COLUMNS = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 5, axis=0)


def near_by_hand(target: np.ndarray, width: int) -> np.ndarray:
    height, breadth = target.shape
    touches = np.zeros(target.shape, bool)
    for y in range(height):
        for x in range(breadth):
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            touches[y, x] = any(
                0 <= v < height and 0 <= u < breadth and target[v, u] != target[y, x] for v, u in around
            )
    near = np.zeros_like(touches)
    for y, x in zip(*np.nonzero(touches), strict=True):
        near[max(y - width + 1, 0) : y + width, max(x - width + 1, 0) : x + width] = True
    return near


class TestNearness:
    @pytest.mark.parametrize(("width", "columns"), [(1, [3, 4]), (2, [2, 3, 4, 5]), (9, list(range(8)))])
    def test_the_width_is_counted_on_each_side(self, width: int, columns: list[int]) -> None:
        for column in range(8):
            wrong = COLUMNS.copy()
            wrong[:, column] = 1 - wrong[:, column]
            expected = 1 / len(columns) if column in columns else 0
            assert border_error(wrong, COLUMNS, width) == expected

    @settings(max_examples=80, deadline=None, derandomize=True)
    @given(
        labels=hnp.arrays(
            np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 1, 255])
        ),
        width=st.integers(1, 5),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_it_equals_a_count_pixel_by_pixel(self, labels: np.ndarray, width: int, seed: int) -> None:
        prediction = np.random.default_rng(seed).integers(0, 2, labels.shape)
        counted = near_by_hand(labels, width) & (labels != 255)
        errors = BorderError(width)
        errors.update(prediction, labels)
        assert errors.n_pixels == counted.sum()
        assert errors.n_wrong == (counted & (prediction != labels)).sum()

    def test_a_line_that_is_ignored_is_a_border(self) -> None:
        target = np.repeat([[0, 0, 0, 255, 0, 0, 0]], 3, axis=0)
        errors = BorderError(width=1)
        errors.update(np.zeros_like(target), target)
        assert (errors.n_pixels, errors.value) == (6, 0.0)

    def test_without_borders_there_is_nothing_to_say(self) -> None:
        assert np.isnan(border_error(COLUMNS, np.zeros_like(COLUMNS)))


class TestSums:
    def test_several_maps_at_once_do_not_touch_each_other(self) -> None:
        maps = np.stack([np.zeros_like(COLUMNS), np.ones_like(COLUMNS), COLUMNS])
        errors = BorderError(2)
        errors.update(torch.tensor(1 - maps), torch.tensor(maps))
        assert (errors.n_pixels, errors.value) == (20, 1.0)

    def test_parts_add_up(self) -> None:
        whole, part = BorderError(2), BorderError(2)
        for prediction in (COLUMNS, 1 - COLUMNS):
            one = BorderError(2)
            one.update(prediction, COLUMNS)
            part.merge(one)
            whole.update(prediction, COLUMNS)
        assert part.value == whole.value == 0.5
        with pytest.raises(ValueError, match=r"\(2, 255\) and \(3, 255\) cannot be added"):
            part.merge(BorderError(3))


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="width must be a whole number of at least 1, not 0"):
        BorderError(0)
    with pytest.raises(ValueError, match=r"must have shape \(..., height, width\), not \(3,\)"):
        border_error(np.zeros(3, int), np.zeros(3, int))
    with pytest.raises(ValueError, match="prediction has shape"):
        border_error(COLUMNS, COLUMNS.T)
