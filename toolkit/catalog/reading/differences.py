"""How two runs differ: image by image, class by class, and pixel by pixel where both kept label maps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from zarr.abc.store import Store

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.format.layout import DONE, STATUS_NAMES
from toolkit.catalog.format.records import RunSettings, read_record
from toolkit.catalog.format.results import Results, SegmentShape, read_results
from toolkit.catalog.reading.views import images_dataset

_NAMES = (
    *("distance", "difference", "mean_difference", "mean_absolute_difference", "correlation", "images", "agreement"),
    *("status_a", "status_b"),
)
_LABEL_FIELDS = ("height", "width", "label_place")


def compare_runs(
    store: Store, run_a: str, run_b: str, segments: Sequence[SegmentShape], *, labels: bool = False
) -> xr.Dataset:
    """Compare two runs that exist; see `Catalog.compare`."""
    first, second = _read_run(store, run_a, segments), _read_run(store, run_b, segments)
    both = np.flatnonzero((first.status == DONE) & (second.status == DONE))
    if not both.size:
        raise CatalogError(
            f"no image is done in both runs: {np.sum(first.status == DONE)} are in {run_a}, "
            f"{np.sum(second.status == DONE)} in {run_b}; finish them with toolkit.segment, then compare"
        )
    class_names = list(dict.fromkeys((*first.settings.class_names, *second.settings.class_names)))
    a, b = (run.aligned(both, class_names) for run in (first, second))
    difference = b - a
    # A class that a run does not know takes no pixels there: so the distance stays that of two distributions.
    absolute = np.abs(np.nan_to_num(b) - np.nan_to_num(a))
    images = images_dataset(store, segments).isel(image=both)
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
            "class_name": np.array(class_names, dtype=object),
            "status_a": STATUS_NAMES,
            "status_b": STATUS_NAMES,
        },
        attrs={
            "run_a": run_a,
            "run_b": run_b,
            "model_a": first.settings.model,
            "model_b": second.settings.model,
        },
    )
    if labels:
        agreement = np.concatenate([_agreement(store, first, second, shape, class_names) for shape in segments])[both]
        if np.isnan(agreement).all():
            raise CatalogError(
                f"no image has label maps of one size in both runs, {run_a} and {run_b}: were they made with "
                "labels=False? Leave out labels=True, or segment into a new catalog with labels=True"
            )
        compared["agreement"] = ("image", agreement)
    return compared


@dataclass(frozen=True, eq=False)
class _RunRead:
    """A run's results, of all segments."""

    run_id: str
    settings: RunSettings
    status: np.ndarray
    """Number per image."""
    composition: np.ndarray
    """float32 ``(n_images, n_classes)``."""

    def aligned(self, rows: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
        """Compositions of some images over other classes, NaN for those that the run does not know."""
        composition = np.full((rows.size, len(class_names)), np.nan, dtype=np.float32)
        composition[:, self.positions(class_names)] = self.composition[rows]
        return composition

    def positions(self, class_names: Sequence[str]) -> np.ndarray:
        """Where each of the run's classes stands among others."""
        position = {name: index for index, name in enumerate(class_names)}
        return np.array([position[name] for name in self.settings.class_names])


def _read_run(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> _RunRead:
    settings = read_record(store, run_id).settings
    n_classes = len(settings.class_names)
    if len(set(settings.class_names)) < n_classes:
        repeated = next(name for name in settings.class_names if settings.class_names.count(name) > 1)
        raise CatalogError(f"run {run_id} has two classes named {repeated!r}, so classes cannot be told by their names")
    parts = [
        read_results(store, run_id, shape, n_classes, slice(0, shape.n_images), ["composition"]) for shape in segments
    ]
    status = np.concatenate([np.empty(0, dtype=np.uint8), *(part.status for part in parts)])
    nothing = np.empty((0, n_classes), dtype=np.float32)
    return _RunRead(
        run_id, settings, status, np.concatenate([nothing, *(part.values["composition"] for part in parts)])
    )


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
    return np.bincount(status_a.astype(np.int64) * n + status_b, minlength=n * n).reshape(n, n)


def _agreement(
    store: Store, first: _RunRead, second: _RunRead, shape: SegmentShape, class_names: Sequence[str]
) -> np.ndarray:
    """Fraction of equal pixels per image of a segment, float64 ``(n_images,)``; NaN without two maps of one size."""
    agreement = np.full(shape.n_images, np.nan)
    of_class = [run.positions(class_names) for run in (first, second)]
    for block in range(shape.n_blocks):
        rows = shape.rows(block)
        maps = [_LabelMaps(store, run.run_id, shape, rows) for run in (first, second)]
        for index in _comparable(maps[0].values, maps[1].values):
            pixels = [of_class[side][maps[side].read(index)] for side in range(2)]
            agreement[rows.start + index] = np.mean(pixels[0] == pixels[1])
    return agreement


def _comparable(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> Iterator[int]:
    """Positions of the images that have a label map in both runs, of the same size."""
    kept = (a["status"] == DONE) & (b["status"] == DONE) & (a["label_place"] >= 0) & (b["label_place"] >= 0)
    same_size = (a["height"] == b["height"]) & (a["width"] == b["width"])
    yield from np.flatnonzero(kept & same_size).tolist()


class _LabelMaps:
    """The label maps of a run's block, by position in it."""

    def __init__(self, store: Store, run_id: str, shape: SegmentShape, rows: slice) -> None:
        self._store, self._run_id, self._shape, self._rows = store, run_id, shape, rows
        self._results = self._read_results()

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Status, size and place of each."""
        return self._results.values

    def read(self, index: int) -> np.ndarray:
        """A label map, ``(height, width)``."""
        try:
            return self._read(index)
        except CatalogError:  # a driver may have brought the block's label maps into another array just now
            self._results = self._read_results()
            return self._read(index)

    def _read(self, index: int) -> np.ndarray:
        values, generation = self.values, int(self._results.generation[index])
        block = self._rows.start // self._shape.block_size
        folder = LabelFolder(self._store, self._run_id, self._shape.segment, block, generation)
        place = LabelPlace.unpacked(int(values["label_place"][index]))
        return folder.read(place, int(values["height"][index]), int(values["width"][index]))

    def _read_results(self) -> Results:
        return read_results(self._store, self._run_id, self._shape, 0, self._rows, _LABEL_FIELDS)
