"""The recommendation: the quickest of those about as good as the best, within the memory that there is."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import xarray as xr

from toolkit.slicing import recommend_slicing

MakeStudy = Callable[..., xr.Dataset]

WHOLE, TWO, FOUR = (1, 1), (1, 2), (2, 2)


@pytest.fixture
def study(made_up_study: MakeStudy) -> xr.Dataset:
    """The whole image is best; two slices with overlap are nearly as good and quicker; four are worse and quickest."""
    return made_up_study(
        {
            (WHOLE, 0.0): (0.700, {"one by one": (0.40, 800), "batch": (0.41, 800)}),
            (TWO, 0.0): (0.680, {"one by one": (0.40, 400), "batch": (0.20, 700)}),
            (TWO, 0.25): (0.697, {"one by one": (0.50, 450), "batch": (0.25, 750)}),
            (FOUR, 0.0): (0.600, {"one by one": (0.40, 200), "batch": (0.10, 600)}),
            (FOUR, 0.25): (0.650, {"one by one": (0.60, 250), "batch": (0.15, 700)}),
        },
        overlaps=(0.0, 0.25),
    )


def test_it_is_the_quickest_within_the_tolerance_of_the_best(study: xr.Dataset) -> None:
    chosen = recommend_slicing(study)
    assert (chosen.slices, chosen.overlap, chosen.way) == (TWO, 0.25, "batch")
    assert (chosen.quality, chosen.value, chosen.seconds) == ("mIoU", 0.697, 0.25)
    assert chosen.memory == 750 * 2**20


@pytest.mark.parametrize(
    ("tolerance", "slices", "overlap"), [(0, WHOLE, 0), (0.005, TWO, 0.25), (0.02, TWO, 0), (0.1, FOUR, 0)]
)
def test_more_tolerance_is_quicker(
    study: xr.Dataset, tolerance: float, slices: tuple[int, int], overlap: float
) -> None:
    chosen = recommend_slicing(study, tolerance=tolerance)
    assert (chosen.slices, chosen.overlap) == (slices, overlap)


def test_what_takes_too_much_memory_is_left_out_and_so_is_the_best_of_it(study: xr.Dataset) -> None:
    chosen = recommend_slicing(study, memory_limit=450 * 2**20)
    assert (chosen.slices, chosen.overlap, chosen.way) == (TWO, 0.25, "one by one")
    assert "6 of 10 configurations take too much memory" in chosen.why


def test_a_limit_may_be_reached(study: xr.Dataset) -> None:
    assert recommend_slicing(study, memory_limit=200 * 2**20).memory == 200 * 2**20


def test_nothing_fits(study: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=f"memory_limit=5 bytes .* takes {200 * 2**20}: raise the limit"):
        recommend_slicing(study, memory_limit=5)


def test_of_those_equally_quick_it_is_that_of_fewest_slices(made_up_study: MakeStudy) -> None:
    study = made_up_study(
        {(FOUR, 0.0): (0.7, {"batch": (1.0, 1)}), (TWO, 0.0): (0.7, {"batch": (1.01, 1)})}, overlaps=(0.0,)
    )
    assert recommend_slicing(study).slices == TWO


def test_of_those_equally_quick_and_as_many_it_is_that_of_least_overlap(made_up_study: MakeStudy) -> None:
    study = made_up_study(
        {(TWO, 0.5): (0.7, {"batch": (1.0, 1)}), (TWO, 0.1): (0.7, {"batch": (1.01, 1)})}, overlaps=(0.5, 0.1)
    )
    assert recommend_slicing(study).overlap == 0.1


def test_another_quality_may_be_kept(made_up_study: MakeStudy) -> None:
    study = made_up_study({(TWO, 0.0): (math.nan, {"batch": (1.0, 1)})}, agreement=0.8)
    assert recommend_slicing(study, quality="agreement").value == 0.8
    with pytest.raises(ValueError, match=r"quality='mIoU' is NaN throughout.*choose quality='agreement'"):
        recommend_slicing(study)


def test_its_protocol_cuts_so_and_is_the_studys_in_all_else(study: xr.Dataset) -> None:
    protocol = recommend_slicing(study).protocol
    assert (protocol.mode, protocol.slices, protocol.slice_overlap) == ("slices", TWO, 0.25)
    assert protocol.scales == (0.5, 1.0)


def test_it_says_why(study: xr.Dataset) -> None:
    chosen = recommend_slicing(study)
    assert chosen.why == (
        "the quickest of 4 configurations whose mIoU is within 0.005 of the best (0.7000: whole image); 0.62 times the "
        "time of the whole image, one by one"
    )
    assert str(chosen).splitlines()[:2] == [
        "1 × 2 slices, overlap 0.25, batch",
        "  250 ms and 750 MiB per image, mIoU 0.6970",
    ]


def test_the_whole_image_has_no_overlap_to_speak_of(study: xr.Dataset) -> None:
    assert str(recommend_slicing(study, tolerance=0)).startswith("whole image, one by one\n")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"quality": "border_error"},
            ValueError,
            "quality must be one of 'mIoU', 'mF1', .* not 'border_error'",
        ),
        ({"tolerance": -0.1}, ValueError, "tolerance must be a number of at least 0, not -0.1"),
        ({"tolerance": math.nan}, ValueError, "tolerance must be a number of at least 0, not nan"),
        ({"tolerance": "1 %"}, TypeError, "tolerance must be a number of at least 0, not '1 %'"),
        ({"memory_limit": 1e9}, TypeError, r"memory_limit \(bytes\) must be a whole number, not 1000000000.0"),
    ],
)
def test_an_argument_that_is_not_allowed_is_named(
    study: xr.Dataset, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        recommend_slicing(study, **options)


@pytest.mark.parametrize("given", [None, xr.Dataset(), "study"])
def test_what_is_no_study_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="study must be a dataset from study_slicing"):
        recommend_slicing(given)
