"""A slicing study as a picture: what is lost and what it costs, over the overlap, per grid."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from toolkit.slicing.cuts import Cut
from toolkit.slicing.recommendation import SlicingRecommendation

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
    figure = Figure(figsize=(max(9.0, 3.2 * study.sizes["way"]), 8.5), layout="constrained")
    told = study.attrs
    figure.suptitle(f"Slices of {told['n_images']} images, {told['model']} on {told['device']}")
    panels: Any = figure.subfigures(3, 1)
    top, middle, bottom = panels
    _draw_quality(top, study, recommendation)
    _draw_costs(middle, study.seconds * 1000, "time, ms per image", recommendation)
    _draw_costs(bottom, study.memory / _MEBIBYTE, "memory at the peak, MiB", recommendation)
    handles, labels = top.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _draw_quality(panel: Any, study: xr.Dataset, chosen: SlicingRecommendation | None) -> None:
    quality, border, agreement = panel.subplots(1, 3)
    near = f"within {study.attrs['border_width']} px of the seams (dashed: uncut)"
    _draw_lines(quality, study.mIoU, "mIoU of all pixels", chosen)
    _draw_lines(border, study.border_error * 100, near, chosen)
    _draw_lines(agreement, study.agreement * 100, "agreement with the whole image", chosen)
    for axes, label in ((quality, "mIoU"), (border, "wrong pixels, %"), (agreement, "same label, %")):
        axes.set_ylabel(label)
    for color, level in zip(_colors(study), study.border_error_unsliced.values, strict=True):
        border.axhline(100 * level, color=color, linestyle="--", linewidth=1, label="_")


def _draw_costs(panel: Any, values: xr.DataArray, label: str, chosen: SlicingRecommendation | None) -> None:
    ways = values.way.values
    each: Sequence[Axes] = panel.subplots(1, len(ways), sharey=True, squeeze=False)[0]
    for axes, way in zip(each, ways, strict=True):
        of_way = chosen if chosen is not None and chosen.way == way else None
        _draw_lines(axes, values.sel(way=way), str(way), of_way)
    each[0].set_ylim(bottom=0)
    each[0].set_ylabel(label)


def _draw_lines(axes: "Axes", values: xr.DataArray, title: str, chosen: SlicingRecommendation | None) -> None:
    """A line per grid, over the overlap, and a ring around what was chosen."""
    overlaps = values.overlap.values
    for number, (grid, color) in enumerate(zip(values.slices.values, _colors(values), strict=True)):
        marker = _MARKERS[number % len(_MARKERS)]
        size = max(7 - number, 3)  # the smaller markers lie on top, where lines coincide
        name = str(grid).replace("x", " × ")
        line = values.sel(slices=grid).values
        axes.plot(overlaps, line, color=color, marker=marker, markersize=size, linewidth=1.2, label=name)
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel("overlap, fraction of a slice")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if chosen is not None:
        cut = Cut(chosen.slices, chosen.overlap if chosen.slices != (1, 1) else float(overlaps[0]))
        place = float(values.sel(slices=cut.grid, overlap=cut.overlap))
        axes.plot(cut.overlap, place, "o", markersize=14, fillstyle="none", color="black", label="recommended")


def _colors(values: xr.Dataset | xr.DataArray) -> list[Any]:
    """From light to dark with the number of slices, in the order in which they are listed."""
    from matplotlib import colormaps

    n_grids = values.sizes["slices"]
    return [colormaps["viridis"](0.9 * number / max(n_grids - 1, 1)) for number in range(n_grids)]
