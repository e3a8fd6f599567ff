"""Counts that were added up, as the dataset that people look at."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.correspondence import Correspondence
from toolkit.evaluation.measuring import ImageMeasure
from toolkit.evaluation.metrics import score
from toolkit.evaluation.selection import Selection

if TYPE_CHECKING:
    import xarray as xr

_OF_TARGETS = ("support", "image_pixels", "scored_fraction")
"""Variables that say something of the targets alone, and are the same for all runs."""


@dataclass(eq=False)
class Totals:
    """What was counted so far."""

    counts: ImageMeasure
    """Sums over images."""
    excluded: tuple[int, ...] = ()
    """Classes that have no scores."""
    per_image: bool = True
    """Whether values per image are kept."""
    n_without: Counter[str] = field(default_factory=Counter)
    """Images that are done but ``"without_target"``, or that have an ``"unreadable_target"``."""
    rows: list[int] = field(default_factory=list)
    """Rows of the images that were evaluated."""
    intersection: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    """Per image, pixels ``(n_runs, n_classes)``."""
    union: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    """Per image, pixels ``(n_runs, n_classes)``."""
    n_pixels: list[int] = field(default_factory=list)
    """Per image, pixels that were counted."""
    border_errors: list[list[float]] = field(default_factory=list)
    """Per image, ``(n_runs,)``."""

    def add(self, row: int, measured: ImageMeasure) -> None:
        """Add one image."""
        self.counts.merge(measured)
        self.rows.append(row)
        if not self.per_image:
            return
        matrices = np.stack([confusion.matrix.cpu().numpy() for confusion in measured.confusions])
        correct = np.diagonal(matrices, axis1=1, axis2=2)
        predicted = matrices.sum(axis=1)[:, : correct.shape[1]]
        union = matrices.sum(axis=2) + predicted - correct
        union[:, list(self.excluded)] = 0
        self.intersection.append(correct.astype(np.uint32))
        self.union.append(union.astype(np.uint32))
        self.n_pixels.append(int(matrices[0].sum()))
        self.border_errors.append([border.value for border in measured.borders])


def evaluation_dataset(
    selection: Selection, matches: Sequence[Correspondence], totals: Totals, *, several: bool
) -> "xr.Dataset":
    """Everything as `toolkit.evaluate` returns it, over ``run`` if there are `several`."""
    import xarray as xr

    runs = selection.runs
    datasets = []
    for index, run in enumerate(runs):
        dataset = score(totals.counts.confusions[index], totals.excluded).to_xarray(matches[0].class_names)
        dataset["scored_fraction"] = totals.counts.confusions[index].n_pixels / max(totals.counts.n_pixels, 1)
        if totals.counts.borders:
            dataset["border_error"] = totals.counts.borders[index].value
        without = {name: totals.n_without[name] for name in ("without_target", "unreadable_target")}
        outcomes = {"evaluated": len(totals.rows)} | selection.left_out(run) | without
        dataset = dataset.assign_coords(outcome=_texts(outcomes)).assign(n_images=("outcome", [*outcomes.values()]))
        if totals.per_image:
            dataset = dataset.assign(_per_image(index, totals))
        datasets.append(dataset)
    told = {
        "run": [run.run_id for run in runs],
        "model": [run.model for run in runs],
        "correspondence": [match.description for match in matches],
    }
    if several:
        same = {name: datasets[0][name] for name in _OF_TARGETS if name in datasets[0]}
        result = xr.concat([dataset.drop_vars(same) for dataset in datasets], dim="run", join="exact").assign(same)
        result = result.assign_coords({name: ("run", _texts(texts)) for name, texts in told.items()})
    else:
        (run_id,), (model,), (correspondence,) = told.values()
        result = datasets[0].assign_attrs(run_id=run_id, model=model, correspondence=correspondence)
    if totals.per_image:
        rows = np.array(totals.rows)
        uris = _texts(selection.uris[row] for row in rows)
        result = result.assign_coords(image=selection.numbers[rows], uri=("image", uris))
    return result


def _texts(texts: Iterable[str]) -> npt.NDArray[np.str_]:
    return np.array(list(texts), dtype=str)  # of fixed width: other texts cannot be the axis of a plot


def _per_image(index: int, totals: Totals) -> dict[str, Any]:
    """Variables over ``image`` of one run."""
    intersection = np.stack([counts[index] for counts in totals.intersection])
    union = np.stack([counts[index] for counts in totals.union])
    n_pixels = np.array(totals.n_pixels)
    scored = union > 0
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, and means: nothing was counted
        iou = np.where(scored, intersection / np.maximum(union, 1), 0.0)
        values: dict[str, Any] = {
            "image_aAcc": ("image", intersection.sum(axis=1) / n_pixels),
            "image_mIoU": ("image", iou.sum(axis=1) / scored.sum(axis=1)),
            "image_pixels": ("image", n_pixels),
            "intersection": (("image", "class_name"), intersection),
            "union": (("image", "class_name"), union),
        }
    if totals.counts.borders:
        values["image_border_error"] = ("image", np.array([errors[index] for errors in totals.border_errors]))
    return values
