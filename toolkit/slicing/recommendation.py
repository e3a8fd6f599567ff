"""Which slicing to use: the quickest of those that are about as good as the best."""

import json
from dataclasses import dataclass
from typing import Any

import humanize
import pandas as pd
import xarray as xr

from toolkit.arguments import choice, number, whole_number
from toolkit.segmentation import Protocol
from toolkit.slicing.cuts import UNCUT, Cut
from toolkit.slicing.ways import Way

_QUALITIES = ("mIoU", "mF1", "aAcc", "agreement")
_TIED = 1.02
"""Times within this factor of the quickest are as quick as it."""


@dataclass(frozen=True)
class SlicingRecommendation:
    """Which slicing to use, and why; prints as a few lines."""

    slices: tuple[int, int]
    """(rows, columns)."""
    overlap: float
    """Fraction of a slice that it shares with each neighbour; 0 for a single one."""
    way: Way
    """How the slices go through the network."""
    protocol: Protocol
    """What `segment_image`, `segment` and `SlicedSegmenter` take to cut images so."""
    seconds: float
    """Median time per image."""
    memory: int
    """Bytes at the peak, beyond those in use before."""
    quality: str
    """Name of what was to be kept: ``"mIoU"`` and the like."""
    value: float
    """Its value."""
    why: str
    """The reason, in words."""

    def __str__(self) -> str:
        memory = humanize.naturalsize(self.memory, binary=True, format="%.4g")
        costs = f"{self.seconds * 1000:.0f} ms and {memory} per image"
        kept = f"{self.quality} {self.value:.4f}"
        return f"{Cut(self.slices, self.overlap)}, {self.way}\n  {costs}, {kept}\n  {self.why}"


def recommend_slicing(
    study: xr.Dataset, *, quality: str = "mIoU", tolerance: float = 0.005, memory_limit: int | None = None
) -> SlicingRecommendation:
    """Choose the quickest configuration whose quality is within a tolerance of the best.

    Of those as quick as the quickest within 2 %, which is less than machines vary by, it is the one of fewest slices,
    and of these that of least overlap.

    Parameters
    ----------
    study : xarray.Dataset
        From `study_slicing`.
    quality : str
        What is to be kept: ``"mIoU"``, ``"mF1"``, ``"aAcc"`` or ``"agreement"``.
    tolerance : float
        How much less of it than the best is as good, from 0; the best is that of the configurations that fit the
        memory.
    memory_limit : int, optional
        Most bytes that an image may take at the peak, beyond the model and what else is in memory.

    Returns
    -------
    SlicingRecommendation
        The configuration, its protocol, and why.

    Raises
    ------
    TypeError, ValueError
        An argument is not allowed, nothing fits the memory, or the quality was not measured.

    Examples
    --------
    >>> print(recommend_slicing(study, tolerance=0.01, memory_limit=2 * 2**30))  # doctest: +SKIP
    """
    if not isinstance(study, xr.Dataset) or not {"seconds", "memory"} <= set(study.data_vars):
        raise TypeError(f"study must be a dataset from study_slicing, not {type(study).__name__}")
    choice("quality", quality, _QUALITIES)
    number("tolerance", tolerance, least=0)
    everything = _configurations(study)
    fitting = everything
    if memory_limit is not None:
        fitting = everything[everything.memory <= whole_number("memory_limit (bytes)", memory_limit)]
    if fitting.empty:
        raise ValueError(
            f"memory_limit={memory_limit} bytes is less than any configuration takes; the one of least memory takes "
            f"{everything.memory.min()}: raise the limit, or study more slices"
        )
    measured = fitting.dropna(subset=quality)
    if measured.empty:
        raise ValueError(f"quality={quality!r} is NaN throughout: no pixel was counted; choose quality='agreement'")
    best = measured.sort_values(quality, ascending=False, kind="stable").iloc[0]
    good = measured[measured[quality] >= best[quality] - tolerance]
    tied = good[good.seconds <= _TIED * good.seconds.min()]
    chosen = tied.sort_values(["n_cells", "overlap", "seconds"], kind="stable").iloc[0]

    n_too_large = len(everything) - len(fitting)
    why = (
        f"the quickest of {len(good)} configurations whose {quality} is within {tolerance:g} of the best "
        f"({best[quality]:.4f}: {_cut(best)})"
    )
    if n_too_large:
        why = f"{n_too_large} of {len(everything)} configurations take too much memory; of the others, {why}"
    whole = everything[everything.slices == UNCUT.grid]
    if not whole.empty and whole.index[0] != chosen.name:
        why += f"; {chosen.seconds / whole.seconds.iloc[0]:.2f} times the time of the whole image, {whole.way.iloc[0]}"
    cut = _cut(chosen)
    return SlicingRecommendation(
        slices=cut.slices,
        overlap=cut.overlap,
        way=chosen.way,
        protocol=cut.protocol(Protocol(**json.loads(study.attrs["protocol"]))),
        seconds=float(chosen.seconds),
        memory=int(chosen.memory),
        quality=quality,
        value=float(chosen[quality]),
        why=why,
    )


def _configurations(study: xr.Dataset) -> pd.DataFrame:
    """All that were measured, one per row; the whole image, which stands at every overlap, once per way."""
    table = study[["rows", "columns", "seconds", "memory", *_QUALITIES]].to_dataframe().reset_index()
    table.loc[table["slices"] == UNCUT.grid, "overlap"] = UNCUT.overlap
    return table.assign(n_cells=table["rows"] * table["columns"]).drop_duplicates(["slices", "overlap", "way"])


def _cut(configuration: Any) -> Cut:
    return Cut((int(configuration["rows"]), int(configuration["columns"])), float(configuration["overlap"]))
