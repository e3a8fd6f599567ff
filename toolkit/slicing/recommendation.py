"""Which slicing to use: the quickest of those that are about as good as the best."""

import json
import math
from dataclasses import dataclass

import xarray as xr

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
        cut = cut_in_words(Cut(self.slices, self.overlap))
        costs = f"{self.seconds * 1000:.0f} ms and {self.memory / 2**20:.0f} MiB per image"
        return f"{cut}, {self.way}\n  {costs}, {self.quality} {self.value:.4f}\n  {self.why}"


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
    _check(study, quality, tolerance, memory_limit)
    everything = _configurations(study, quality)
    fitting = [one for one in everything if memory_limit is None or one.memory <= memory_limit]
    if not fitting:
        raise ValueError(
            f"memory_limit={memory_limit} bytes is less than any configuration takes; the one of least memory takes "
            f"{min(one.memory for one in everything)}: raise the limit, or study more slices"
        )
    measured = [one for one in fitting if not math.isnan(one.value)]
    if not measured:
        raise ValueError(f"quality={quality!r} is NaN throughout: no pixel was counted; choose quality='agreement'")
    best = max(measured, key=lambda one: one.value)
    good = [one for one in measured if one.value >= best.value - tolerance]
    quickest = min(one.seconds for one in good)
    tied = [one for one in good if one.seconds <= _TIED * quickest]
    chosen = min(tied, key=lambda one: (one.n_slices, one.cut.overlap, one.seconds))

    n_too_large = len(everything) - len(fitting)
    why = (
        f"the quickest of {len(good)} configurations whose {quality} is within {tolerance:g} of the best "
        f"({best.value:.4f}: {best.cut_in_words})"
    )
    if n_too_large:
        why = f"{n_too_large} of {len(everything)} configurations take too much memory; of the others, {why}"
    whole = next((one for one in everything if one.cut == UNCUT), None)
    if whole is not None and whole != chosen:
        why += f"; {chosen.seconds / whole.seconds:.2f} times the time of the whole image, {whole.way}"
    return SlicingRecommendation(
        slices=chosen.cut.slices,
        overlap=chosen.cut.overlap,
        way=chosen.way,
        protocol=chosen.cut.protocol(Protocol(**json.loads(study.attrs["protocol"]))),
        seconds=chosen.seconds,
        memory=chosen.memory,
        quality=quality,
        value=chosen.value,
        why=why,
    )


@dataclass(frozen=True)
class _Configuration:
    """A cut and a way, and what was measured of them."""

    cut: Cut
    way: Way
    seconds: float
    memory: int
    value: float

    @property
    def n_slices(self) -> int:
        return self.cut.slices[0] * self.cut.slices[1]

    @property
    def cut_in_words(self) -> str:
        return cut_in_words(self.cut)


def cut_in_words(cut: Cut) -> str:
    """A cut, as people say it."""
    return "whole image" if cut == UNCUT else f"{cut.slices[0]} × {cut.slices[1]} slices, overlap {cut.overlap:g}"


def _check(study: object, quality: object, tolerance: object, memory_limit: object) -> None:
    if not isinstance(study, xr.Dataset) or not {"seconds", "memory"} <= set(study.data_vars):
        raise TypeError(f"study must be a dataset from study_slicing, not {type(study).__name__}")
    if quality not in _QUALITIES:
        raise ValueError(f"quality={quality!r} is not one of {', '.join(map(repr, _QUALITIES))}")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise TypeError(f"tolerance must be a number, not {tolerance!r}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance={tolerance} must be at least 0")
    if memory_limit is not None and (isinstance(memory_limit, bool) or not isinstance(memory_limit, int)):
        raise TypeError(f"memory_limit must be a whole number of bytes or None, not {memory_limit!r}")


def _configurations(study: xr.Dataset, quality: str) -> list[_Configuration]:
    """All that were measured; the whole image, which stands at every overlap, once per way."""
    found: dict[tuple[Cut, Way], _Configuration] = {}
    for name in study.slices.values:
        grid = study.sel(slices=name)
        for overlap in study.overlap.values:
            cut = Cut.of((int(grid["rows"]), int(grid["columns"])), float(overlap))
            for way in study.way.values:
                one = grid.sel(overlap=overlap, way=way)
                configuration = _Configuration(cut, way, float(one.seconds), int(one.memory), float(one[quality]))
                found.setdefault((cut, way), configuration)
    return list(found.values())
