"""Which pixels are near the seams between slices."""

import numpy as np
import pytest

from toolkit.segmentation import Protocol, levels
from toolkit.slicing.cuts import near_seams


def test_a_single_slice_has_no_seams() -> None:
    assert not near_seams(20, 30, (1, 1), 8).any()


def test_so_many_pixels_on_each_side_of_a_seam_are_near() -> None:
    near = near_seams(4, 20, (1, 2), 3)
    assert np.flatnonzero(near[0]).tolist() == [7, 8, 9, 10, 11, 12]
    assert (near == near[0]).all()


def test_a_distance_of_one_is_the_pixels_that_touch_the_seam() -> None:
    assert np.flatnonzero(near_seams(12, 1, (3, 1), 1)).tolist() == [3, 4, 7, 8]


def test_rows_and_columns_of_slices_have_seams_each() -> None:
    near = near_seams(10, 10, (2, 2), 1)
    assert near.sum() == 2 * 10 + 2 * 10 - 4
    assert not near[0, 0]
    assert near[5, 0]
    assert near[0, 5]


@pytest.mark.parametrize("width", [2, 7, 30, 101])
@pytest.mark.parametrize("columns", [2, 3, 5])
def test_seams_lie_where_slices_without_overlap_meet(width: int, columns: int) -> None:
    (level,) = levels(5, width, Protocol(mode="slices", slices=(1, columns)))
    near = near_seams(5, width, (1, columns), 1)[0]
    for left in level.lefts[1:]:
        assert near[left - 1 : left + 1].any()
    assert near.sum() <= 2 * (len(level.lefts) - 1)


def test_all_pixels_are_near_where_there_are_as_many_slices_as_pixels() -> None:
    assert near_seams(1, 6, (4, 9), 1).all()
