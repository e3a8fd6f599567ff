"""The picture of a slicing study."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from toolkit.slicing import plot_slicing, recommend_slicing

MakeStudy = Callable[..., xr.Dataset]


@pytest.fixture
def study(made_up_study: MakeStudy) -> xr.Dataset:
    """Two grids, two overlaps, two ways."""
    return made_up_study(
        {
            ((1, 1), 0.0): (0.70, {"one by one": (0.40, 80), "batch": (0.41, 80)}),
            ((2, 4), 0.0): (0.50, {"one by one": (0.30, 40), "batch": (0.20, 70)}),
            ((2, 4), 0.25): (0.69, {"one by one": (0.50, 50), "batch": (0.25, 90)}),
        },
        overlaps=(0.0, 0.25),
    )


def lines(figure: Figure, ylabel: str, title: str = "") -> dict[str, list[float]]:
    """The labelled lines of one of the figure's axes."""
    first = next(axes for axes in figure.axes if axes.get_ylabel() == ylabel)
    found = next(axes for axes in figure.axes if axes.get_title() == title and axes in first.figure.axes)
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in found.lines}
    return {label: values for label, values in drawn.items() if not label.startswith("_")}


def test_there_are_three_panels_of_quality_and_one_per_way_of_time_and_memory(study: xr.Dataset) -> None:
    assert len(plot_slicing(study).axes) == 3 + 2 + 2


def test_quality_is_drawn_over_the_overlap_per_grid(study: xr.Dataset) -> None:
    assert lines(plot_slicing(study), "mIoU", "mIoU of all pixels") == {"1 × 1": [0.7, 0.7], "2 × 4": [0.5, 0.69]}


def test_the_error_without_slices_is_a_dashed_line(study: xr.Dataset) -> None:
    figure = plot_slicing(study)
    dashed = [line for axes in figure.axes for line in axes.lines if line.get_linestyle() == "--"]
    assert [np.unique(line.get_ydata()).tolist() for line in dashed] == [[20], [20]]


def test_time_is_in_milliseconds_per_way(study: xr.Dataset) -> None:
    found = lines(plot_slicing(study), "time, ms per image", "batch")
    assert found == {"1 × 1": [410, 410], "2 × 4": [200, 250]}


def test_memory_is_in_mebibytes_per_way(study: xr.Dataset) -> None:
    found = lines(plot_slicing(study), "memory at the peak, MiB", "one by one")
    assert found == {"1 × 1": [80, 80], "2 × 4": [40, 50]}


def test_every_axis_is_labelled(study: xr.Dataset) -> None:
    figure = plot_slicing(study)
    assert {axes.get_xlabel() for axes in figure.axes} == {"overlap, fraction of a slice"}
    assert {axes.get_ylabel() for axes in figure.axes} == {
        "mIoU",
        "wrong pixels, %",
        "same label, %",
        "time, ms per image",
        "memory at the peak, MiB",
        "",  # shares that of its neighbour
    }


def test_a_ring_marks_the_recommendation(study: xr.Dataset) -> None:
    figure = plot_slicing(study, recommend_slicing(study, tolerance=0.02))
    assert lines(figure, "mIoU", "mIoU of all pixels")["recommended"] == [0.69]
    assert lines(figure, "time, ms per image", "batch")["recommended"] == [250]
    assert "recommended" not in lines(figure, "memory at the peak, MiB", "one by one")


def test_a_single_overlap_and_way_are_drawn_too(made_up_study: MakeStudy) -> None:
    study = made_up_study({((1, 2), 0.0): (0.5, {"batch": (1.0, 1)})})
    figure = plot_slicing(study, recommend_slicing(study))
    assert len(figure.axes) == 5
    written = io.BytesIO()
    figure.savefig(written, format="png")
    assert written.getvalue().startswith(b"\x89PNG")


def test_what_is_no_study_is_refused() -> None:
    with pytest.raises(TypeError, match="study must be a dataset from study_slicing, not DataArray"):
        plot_slicing(xr.DataArray([1]))  # type: ignore[arg-type]
