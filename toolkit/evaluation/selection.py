"""Which images of which runs are measured, and why others are not."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.targets import ImagesOfTargets
from toolkit.sources import normalize_uri

if TYPE_CHECKING:
    from toolkit.catalog import Catalog

Images = Iterable[int | str | os.PathLike[str]] | npt.NDArray[Any]
"""Rows, URIs, or one truth value per image of the catalog."""


@dataclass(frozen=True, eq=False)
class SelectedRun:
    """What is known of a run before its label maps are read."""

    run_id: str
    """Its id."""
    model: str
    """Name of its model."""
    class_names: tuple[str, ...]
    """Classes of its label maps, by index."""
    status: npt.NDArray[Any]
    """``"pending"``, ``"done"`` or ``"failed"`` per image of the catalog, and perhaps of images added since."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What is to be measured."""

    catalog: "Catalog"
    """Where."""
    runs: tuple[SelectedRun, ...]
    """The runs, in the order asked for."""
    uris: tuple[str, ...]
    """Of every image that the catalog shows."""
    numbers: npt.NDArray[np.int64]
    """Their rows in the catalog, where images that were removed have some, too."""
    rows: npt.NDArray[np.int64]
    """Which of these are asked for, ``(n_asked_for,)``."""
    covariates: Mapping[str, npt.NDArray[Any]]
    """What else is known of the images asked for, ``(n_asked_for,)`` each."""
    removed: tuple[str, ...] = ()
    """URIs of the images that were removed from the catalog, whose masks may lie where those of the others do."""

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """Which of the images asked for are done in every run, ``(n_asked_for,)``."""
        done: npt.NDArray[np.bool_] = np.all([run.status[self.rows] == "done" for run in self.runs], axis=0)
        return done

    @property
    def images_of_targets(self) -> ImagesOfTargets:
        """The images asked for, as targets are looked up for them."""
        asked_for = [self.uri(position) for position in range(len(self.rows))]
        return ImagesOfTargets(asked_for, self.uris, self.covariates, self.bases, self.removed)

    def bases(self, column: str) -> Sequence[str | None]:
        """The folders that relative paths in a covariate start from, ``(n_asked_for,)``; None: the working one."""
        bases = self.catalog.base_of(column)
        return [str(bases[row]) or None for row in self.rows]

    def number(self, position: int) -> int:
        """Row in the catalog of one of the images asked for."""
        return int(self.numbers[self.rows[position]])

    def uri(self, position: int) -> str:
        """URI of one of the images asked for."""
        return self.uris[int(self.rows[position])]

    def left_out(self, run: SelectedRun) -> dict[str, int]:
        """How many of the images asked for are not measured, whatever their targets, and why."""
        status = run.status[self.rows]
        return {
            "pending": int((status == "pending").sum()),
            "failed": int((status == "failed").sum()),
            "not_in_every_run": int(((status == "done") & ~self.done).sum()),
        }


def select(cat: "Catalog", run_id: str | Sequence[str] | None, images: Images | None) -> Selection:
    """Find runs and images in a catalog; parameters and errors as for `toolkit.evaluate`."""
    wanted = list(run_id) if are_several(run_id) else [run_id]
    if not wanted:
        raise EvaluationError("run_id is an empty sequence; give the ids of one or more runs, or None")
    if len(set(wanted)) < len(wanted):
        raise EvaluationError(f"run_id: {', '.join(map(str, wanted))} names a run twice; name each once")
    runs: list[SelectedRun] = []
    uris: tuple[str, ...] = ()
    numbers = np.empty(0, np.int64)
    covariates: dict[str, npt.NDArray[Any]] = {}
    for one in wanted:
        table = cat.to_xarray(one)
        if not runs:  # images that another process adds from here on do not count
            uris = tuple(table.uri.values.tolist())
            numbers = table.image.values
            covariates = {
                str(name): column.values
                for name, column in table.coords.items()
                if column.dims == ("image",) and name not in ("image", "uri", "given_uri")
            }
        names = tuple(map(str, table.class_name.values))
        runs.append(SelectedRun(str(table.attrs["run_id"]), str(table.attrs["model"]), names, table.status.values))
    rows = _rows(images, uris, numbers)
    of_those = {name: values[rows] for name, values in covariates.items()}
    return Selection(cat, tuple(runs), uris, numbers, rows, of_those, tuple(cat.removed()))


def are_several(run_id: object) -> TypeGuard[Iterable[Any]]:
    """Whether several runs are asked for, be it in a sequence of one."""
    return isinstance(run_id, Iterable) and not isinstance(run_id, str)


def _rows(images: Any, uris: Sequence[str], numbers: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Positions among the images that are shown; ``numbers`` are their rows in the catalog."""
    if images is None:
        return np.arange(len(uris))
    if isinstance(images, str | os.PathLike) or not isinstance(images, Iterable):
        raise EvaluationError(f"images: {images!r} is no list; give rows, URIs, or one truth value per image")
    elements = list(np.asarray(images).tolist() if hasattr(images, "dtype") else images)
    if elements and all(isinstance(element, bool | np.bool_) for element in elements):
        if len(elements) != len(uris):
            raise EvaluationError(f"images: {len(elements)} truth values for {len(uris)} images of the catalog")
        return np.flatnonzero(elements)
    row_of: dict[Any, int] = {uri: row for row, uri in enumerate(uris)}
    row_of |= {number: row for row, number in enumerate(numbers.tolist())}
    rows = [row_of.get(int(one) if isinstance(one, Integral) else normalize_uri(one), -1) for one in elements]
    for element, row in zip(elements, rows, strict=True):
        if row < 0:
            raise EvaluationError(f"images: the catalog has no image {element!r}; it has {len(uris)}, numbered from 0")
    if len(set(rows)) < len(rows):
        raise EvaluationError("images: some are named twice; name each once")
    return np.array(rows, dtype=np.int64)
