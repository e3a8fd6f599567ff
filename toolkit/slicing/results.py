"""What a slicing study found, as an xarray dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import xarray as xr

from toolkit.slicing.cuts import Cut
from toolkit.slicing.ways import Way


def _measure(long_name: str, units: str = "1") -> Any:
    """A field that becomes a variable with this description."""
    return field(metadata={"long_name": long_name, "units": units})


@dataclass(frozen=True)
class CutMeasures:
    """What is the same in all ways."""

    mIoU: float = _measure("mean intersection over union")
    mF1: float = _measure("mean F1")
    aAcc: float = _measure("pixel accuracy")
    border_error: float = _measure("share of wrong pixels near the seams between slices")
    border_error_unsliced: float = _measure("share of wrong pixels in the same places where the image is not cut")
    interior_error: float = _measure("share of wrong pixels away from the seams")
    agreement: float = _measure("share of pixels with the label that they have without slices")
    n_slices: int = _measure("most slices of an image, over all scales")
    redundancy: float = _measure("pixels that the network sees per pixel of the rescaled images")


@dataclass(frozen=True)
class WayMeasures:
    """What the ways differ in."""

    seconds: float = _measure("median time per image", "s")
    memory: int = _measure("memory at the peak, beyond what was in use before", "byte")
    way_agreement: float = _measure("least share of an image's pixels with the label of the first way")


_ONE_PER_GRID = ("border_error_unsliced",)


def name_of(slices: tuple[int, int]) -> str:
    """What a grid is called along ``slices``: ``"2x4"``."""
    return f"{slices[0]}x{slices[1]}"


def slicing_dataset(
    grids: Sequence[tuple[int, int]],
    overlaps: Sequence[float],
    ways: Sequence[Way],
    of_cuts: Mapping[Cut, CutMeasures],
    of_ways: Mapping[tuple[Cut, Way], WayMeasures],
    *,
    memory_measure: str,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Put measures in their places, those of the whole image at every overlap.

    Parameters
    ----------
    grids : sequence of (int, int)
        (rows, columns) along ``slices``.
    overlaps, ways : sequence
        The other coordinates.
    of_cuts, of_ways : mapping
        What was measured.
    memory_measure : str
        How memory was.
    attributes : mapping
        What else is to be known of the study.

    Returns
    -------
    xarray.Dataset
        As `study_slicing` says.
    """
    cuts = [[Cut.of(grid, overlap) for overlap in overlaps] for grid in grids]
    data: dict[str, Any] = {}
    for measure in fields(CutMeasures):
        values = np.array([[getattr(of_cuts[cut], measure.name) for cut in row] for row in cuts])
        in_place = ("slices", values[:, 0]) if measure.name in _ONE_PER_GRID else (("slices", "overlap"), values)
        data[measure.name] = (*in_place, dict(measure.metadata))
    for measure in fields(WayMeasures):
        each = [[[getattr(of_ways[cut, way], measure.name) for way in ways] for cut in row] for row in cuts]
        data[measure.name] = (("slices", "overlap", "way"), np.array(each), dict(measure.metadata))
    study = xr.Dataset(
        data,
        coords={
            "slices": [name_of(grid) for grid in grids],
            "overlap": ("overlap", list(overlaps), {"long_name": "overlap, as a fraction of a slice", "units": "1"}),
            "way": list(ways),
            "rows": ("slices", [rows for rows, _ in grids]),
            "columns": ("slices", [columns for _, columns in grids]),
        },
        attrs=dict(attributes),
    )
    study.memory.attrs["measure"] = memory_measure
    return study
