"""How two runs differ: image by image, class by class, and pixel by pixel where both kept label maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.layout import DONE, STATUS_NAMES
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.reading.label_maps import LabelMaps
from toolkit.catalog.reading.texts import as_text
from toolkit.catalog.reading.views import images_dataset

_NAMES = (
    *("distance", "difference", "mean_difference", "mean_absolute_difference", "correlation", "images", "agreement"),
    *("status_a", "status_b"),
)


def compare_runs(run_a: RunResults, run_b: RunResults, *, labels: bool = False) -> xr.Dataset:
    """Compare two runs over the same images; see `Catalog.compare`."""
    first, second = _read_run(run_a), _read_run(run_b)
    both = np.flatnonzero((first.status == DONE) & (second.status == DONE))
    if not both.size:
        raise CatalogError(
            f"no image is done in both runs: {np.sum(first.status == DONE)} are in {run_a.run_id}, "
            f"{np.sum(second.status == DONE)} in {run_b.run_id}; finish them with toolkit.segment, then compare"
        )
    class_names = list(dict.fromkeys((*first.class_names, *second.class_names)))
    a, b = (run.aligned(both, class_names) for run in (first, second))
    difference = b - a
    # A class that a run does not know takes no pixels there: so the distance stays that of two distributions.
    absolute = np.abs(np.nan_to_num(b) - np.nan_to_num(a))
    images = images_dataset(run_a.store, run_a.tables).isel(image=both)
    images = images.rename({name: f"{name} (covariate)" for name in images if name in _NAMES})
    compared = xr.Dataset(
        {
            "distance": ("image", np.minimum(absolute.sum(axis=1, dtype=np.float64) / 2, 1.0)),
            "difference": (("image", "class_name"), difference),
            "mean_difference": ("class_name", difference.mean(axis=0, dtype=np.float64)),
            "mean_absolute_difference": ("class_name", np.abs(difference).mean(axis=0, dtype=np.float64)),
            "correlation": ("class_name", _correlations(a, b)),
            "images": (("status_a", "status_b"), _counts(first.status, second.status)),
        },
        coords={
            **images.coords,
            **images.data_vars,
            "class_name": as_text(class_names),
            "status_a": as_text(STATUS_NAMES),
            "status_b": as_text(STATUS_NAMES),
        },
        attrs={
            "run_a": run_a.run_id,
            "run_b": run_b.run_id,
            "model_a": run_a.settings.model,
            "model_b": run_b.settings.model,
        },
    )
    if labels:
        agreement = _agreement(first, second, class_names)[both]
        if np.isnan(agreement).all():
            raise CatalogError(
                f"no image has label maps of one size in both runs, {run_a.run_id} and {run_b.run_id}: were they made "
                "with labels=False? Leave out labels=True, or segment into a new catalog with labels=True"
            )
        compared["agreement"] = ("image", agreement)
    return compared


@dataclass(frozen=True, eq=False)
class _RunRead:
    """A run's results, of all images."""

    results: RunResults
    status: np.ndarray
    """Number per image."""
    composition: np.ndarray
    """float32 ``(n_images, n_classes)``."""

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.results.settings.class_names

    def aligned(self, rows: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
        """Compositions of some images over other classes, NaN for those that the run does not know."""
        composition = np.full((rows.size, len(class_names)), np.nan, dtype=np.float32)
        composition[:, self.positions(class_names)] = self.composition[rows]
        return composition

    def positions(self, class_names: Sequence[str]) -> np.ndarray:
        """Where each of the run's classes stands among others."""
        position = {name: index for index, name in enumerate(class_names)}
        return np.array([position[name] for name in self.class_names])


def _read_run(results: RunResults) -> _RunRead:
    class_names = results.settings.class_names
    if len(set(class_names)) < len(class_names):
        repeated = next(name for name in class_names if class_names.count(name) > 1)
        raise CatalogError(
            f"run {results.run_id} has two classes named {repeated!r}, so classes cannot be told by their names"
        )
    values = results.read_all(["composition"])
    return _RunRead(results, values["status"], values["composition"])


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's coefficient per column, float64 ``(n_classes,)``; NaN where a column is constant or missing."""
    varies = (np.ptp(a, axis=0) > 0) & (np.ptp(b, axis=0) > 0)  # no rounding makes these differ from 0
    correlations = np.full(a.shape[1], np.nan)
    for index in np.flatnonzero(varies):
        correlations[index] = np.corrcoef(a[:, index].astype(np.float64), b[:, index].astype(np.float64))[0, 1]
    return correlations


def _counts(status_a: np.ndarray, status_b: np.ndarray) -> np.ndarray:
    """Number of images by status in a and in b, int64 ``(n_statuses, n_statuses)``."""
    n = len(STATUS_NAMES)
    shown = (status_a < n) & (status_b < n)  # the others were removed
    return np.bincount(status_a[shown].astype(np.int64) * n + status_b[shown], minlength=n * n).reshape(n, n)


def _agreement(first: _RunRead, second: _RunRead, class_names: Sequence[str]) -> np.ndarray:
    """Fraction of equal pixels per image, float64 ``(n_images,)``; NaN without two label maps of one size."""
    agreement = np.full(first.status.size, np.nan)
    of_class = [run.positions(class_names) for run in (first, second)]
    for start, table, rows in first.results.parts(n_rows=1):
        maps = [LabelMaps(run.results, table, rows) for run in (first, second)]
        same_size = (maps[0].sizes == maps[1].sizes).all(axis=1)
        for index in np.flatnonzero(maps[0].are_kept & maps[1].are_kept & same_size).tolist():
            pixels = [of_class[side][maps[side].read(index)] for side in range(2)]
            agreement[start + index] = np.mean(pixels[0] == pixels[1])
    return agreement
