"""A slicing study as a picture: what is lost and what it costs, over the overlap, per grid."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from toolkit.slicing.recommendation import SlicingRecommendation
from toolkit.slicing.results import name_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEBIBYTE = 2**20
_MARKERS = "os^Dv<>ph*"


def plot_slicing(study: xr.Dataset, recommendation: SlicingRecommendation | None = None) -> "Figure":
    """Draw quality, errors, time and memory over the overlap, one line per grid.

    Parameters
    ----------
    study : xarray.Dataset
        From `study_slicing`.
    recommendation : SlicingRecommendation, optional
        From `recommend_slicing`; a ring marks it.

    Returns
    -------
    matplotlib.figure.Figure
        Three rows: mIoU, error near the seams (dashed: in the same places of images that are not cut) and agreement
        with the whole image; seconds per image in each way; MiB in each way. Not shown yet; a notebook shows it as the
        value of a cell.

    Raises
    ------
    TypeError
        The study is no dataset from `study_slicing`.
    """
    from matplotlib.figure import Figure

    if not isinstance(study, xr.Dataset) or "border_error_unsliced" not in study:
        raise TypeError(f"study must be a dataset from study_slicing, not {type(study).__name__}")
    ways = [str(way) for way in study.way.values]
    figure = Figure(figsize=(max(9.0, 3.2 * len(ways)), 8.5), layout="constrained")
    figure.suptitle(_title(study))
    panels: Any = figure.subfigures(3, 1)
    top, middle, bottom = panels
    _draw_quality(top, study, recommendation)
    _draw_costs(middle, study, "seconds", "time, ms per image", 1000, recommendation)
    _draw_costs(bottom, study, "memory", "memory at the peak, MiB", 1 / _MEBIBYTE, recommendation)
    handles, labels = top.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _title(study: xr.Dataset) -> str:
    attributes = study.attrs
    return (
        f"Slices of {attributes.get('n_images', '?')} images, {attributes.get('model', '?')} on "
        f"{attributes.get('device', '?')}"
    )


def _draw_quality(panel: Any, study: xr.Dataset, recommendation: SlicingRecommendation | None) -> None:
    quality, border, agreement = panel.subplots(1, 3)
    width = study.attrs.get("border_width", "?")
    for axes, name, title, label in (
        (quality, "mIoU", "mIoU of all pixels", "mIoU"),
        (border, "border_error", f"within {width} px of the seams (dashed: uncut)", "wrong pixels, %"),
        (agreement, "agreement", "agreement with the whole image", "same label, %"),
    ):
        factor = 1 if name == "mIoU" else 100
        _draw_lines(axes, study, study[name] * factor)
        axes.set_title(title, fontsize="medium")
        axes.set_ylabel(label)
        if recommendation is not None:
            _ring(axes, study, study[name] * factor, recommendation)
    for color, level in zip(_colors(study), study.border_error_unsliced.values, strict=True):
        border.axhline(100 * level, color=color, linestyle="--", linewidth=1, label="_")


def _draw_costs(
    panel: Any,
    study: xr.Dataset,
    name: str,
    label: str,
    factor: float,
    recommendation: SlicingRecommendation | None,
) -> None:
    ways = study.way.values
    each: Sequence[Axes] = panel.subplots(1, len(ways), sharey=True, squeeze=False)[0]
    for axes, way in zip(each, ways, strict=True):
        values = study[name].sel(way=way) * factor
        _draw_lines(axes, study, values)
        axes.set_title(str(way), fontsize="medium")
        if recommendation is not None and recommendation.way == way:
            _ring(axes, study, values, recommendation)
    each[0].set_ylim(bottom=0)
    each[0].set_ylabel(label)


def _draw_lines(axes: "Axes", study: xr.Dataset, values: xr.DataArray) -> None:
    for number, (grid, color) in enumerate(zip(study.slices.values, _colors(study), strict=True)):
        marker = _MARKERS[number % len(_MARKERS)]
        # The smaller markers lie on top, where lines coincide.
        size = max(7 - number, 3)
        name = str(grid).replace("x", " × ")
        line = values.sel(slices=grid).values
        axes.plot(study.overlap.values, line, color=color, marker=marker, markersize=size, linewidth=1.2, label=name)
    axes.set_xlabel("overlap, fraction of a slice")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _ring(axes: "Axes", study: xr.Dataset, values: xr.DataArray, chosen: SlicingRecommendation) -> None:
    overlap = chosen.overlap if chosen.slices != (1, 1) else float(study.overlap.values[0])
    place = values.sel(slices=name_of(chosen.slices), overlap=overlap)
    axes.plot(overlap, float(place), "o", markersize=14, fillstyle="none", color="black", label="recommended")


def _colors(study: xr.Dataset) -> list[Any]:
    """From light to dark with the number of slices, in the order in which they are listed."""
    from matplotlib import colormaps

    map_: Callable[[float], Any] = colormaps["viridis"]
    n_grids = study.sizes["slices"]
    return [map_(0.9 * number / max(n_grids - 1, 1)) for number in range(n_grids)]
