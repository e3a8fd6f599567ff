"""What people look at: images and results as xarray datasets and pandas tables."""

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from dask.delayed import delayed
from zarr.abc.store import Store

from toolkit.catalog.failures import read_failures
from toolkit.catalog.format.codes import ERROR_CODES
from toolkit.catalog.format.generations import fields_of
from toolkit.catalog.format.layout import DERIVED, DONE, FAILED, STATUS, STATUS_NAMES, ResultField
from toolkit.catalog.format.records import RunRecord, read_sessions
from toolkit.catalog.format.results import RunResults, count, status_words
from toolkit.catalog.format.tables import ImageTable, ImageTables, read_given, read_uris
from toolkit.catalog.reading.covariates import read_covariates
from toolkit.catalog.reading.descriptions import DESCRIPTIONS
from toolkit.catalog.reading.flags import duplicates
from toolkit.catalog.reading.lazy import LAZY_FROM, LAZY_TEXTS_FROM, ReadRows, chunks_of, over_images
from toolkit.catalog.reading.texts import as_text, as_words

_SHOWN = (
    *("composition", "soft_composition", "confidence", "status", "attempts", "error", "engine", "started", "seconds"),
    *("height", "width", "valid_fraction", "blank"),
)
_ROWS_AT_ONCE = 2**20
_MOST_COMPARED_AT_ONCE = 2**20


def images_dataset(store: Store, tables: ImageTables, text_chunks: tuple[int, ...] | None = None) -> xr.Dataset:
    """URIs as a coordinate over ``image``, and a variable per covariate; of all images, also of those removed.

    URIs are a dask array of chunks, if given.
    """
    columns = {name: _fixed(values) for name, values in read_covariates(store, tables).items()}
    return xr.Dataset(
        {name: ("image", column) for name, column in columns.items()},
        coords={
            "image": pd.RangeIndex(tables.n_images),
            "uri": ("image", _texts(partial(read_uris, store), tables, text_chunks)),
            "given_uri": ("image", _texts(partial(read_given, store, changes=tables.changes), tables, text_chunks)),
        },
    )


def shown_images(dataset: xr.Dataset, tables: ImageTables) -> xr.Dataset:
    """A dataset of all images without those that were removed; the others keep their row numbers."""
    return dataset if tables.are_all_shown else dataset.isel(image=tables.shown)


def _texts(read: ReadRows, tables: ImageTables, chunks: tuple[int, ...] | None) -> Any:
    if chunks is not None:
        return over_images(read, tables, object, chunks)
    return _fixed(np.concatenate([np.empty(0, dtype=object), *(read(table, table.all_rows) for table in tables)]))


def _fixed(values: np.ndarray) -> np.ndarray:
    return as_text(values) if values.dtype.kind == "O" else values


def results_datasets(runs: Sequence[RunResults], *, lazy: bool | None = None) -> list[xr.Dataset]:
    """Results of runs over the same images, whose covariates are read once; see `Catalog.to_xarray`."""
    store, tables = runs[0].store, runs[0].tables
    bytes_per_row = max(run.n_classes for run in runs) * np.dtype(np.float32).itemsize
    if lazy is None:
        lazy = tables.n_images * bytes_per_row >= LAZY_FROM
    chunks = chunks_of(tables, bytes_per_row) if lazy else None
    text_chunks = chunks if tables.n_images >= LAZY_TEXTS_FROM else None
    images = images_dataset(store, tables, text_chunks)
    return [shown_images(_results_dataset(run, images, chunks, text_chunks), tables) for run in runs]


def _results_dataset(
    run: RunResults, images: xr.Dataset, chunks: tuple[int, ...] | None, text_chunks: tuple[int, ...] | None
) -> xr.Dataset:
    """Results of a run beside what is known of the images; what is large as dask arrays of chunks, if given."""
    fields = [field for field in fields_of(run.settings.options) if field.name in _SHOWN]
    chunks_of_text = {field.name: text_chunks for field in fields if field.dtype is str}
    columns = _columns(run, fields, {field.name: chunks for field in fields if field.per_class} | chunks_of_text)
    dataset = xr.Dataset(
        {
            field.name: (("image", "class_name") if field.per_class else "image", columns[field.name])
            for field in sorted(fields, key=lambda field: _SHOWN.index(field.name))
        },
        coords={**images.coords, **images.data_vars, "class_name": as_text(run.settings.class_names)},
        attrs=_described(run.run_id, run.record),
    )
    dataset = dataset.assign({name: ("image", rows) for name, rows in _duplicates(run).items()})
    for name, variable in dataset.variables.items():
        variable.attrs.update(DESCRIPTIONS.get(str(name), {}))
    return dataset


def _duplicates(run: RunResults) -> Mapping[str, np.ndarray | da.Array]:
    """The rows of the images that others are copies of; of very many images, found when they are computed."""
    if run.tables.n_images <= _MOST_COMPARED_AT_ONCE:
        return duplicates(run)
    found = delayed(duplicates)(run)
    shape = (run.tables.n_images,)
    return {name: da.from_delayed(found[name], shape, np.int64) for name in DERIVED}  # type: ignore[no-untyped-call]


def _described(run_id: str, record: RunRecord) -> dict[str, str]:
    """Attributes of a run's table."""
    protocol = json.dumps(dict(record.settings.protocol), sort_keys=True)
    return {"run_id": run_id, "model": record.settings.model, "protocol": protocol, "created": record.created}


def _columns(
    run: RunResults, fields: Sequence[ResultField], chunks: Mapping[str, tuple[int, ...] | None]
) -> dict[str, Any]:
    """Results of all images as they are shown; those that have chunks are merged and read when they are computed.

    Status is what it is now, so that whatever is computed later goes with it.
    """
    at_once = [field.name for field in fields if chunks.get(field.name) is None]
    parts = [run.read(table, fields=at_once).values for table in run.tables]
    statuses = {table.number: part[STATUS.name] for table, part in zip(run.tables, parts, strict=True)}
    status = np.concatenate([np.empty(0, STATUS.dtype), *statuses.values()])
    columns: dict[str, Any] = {}
    for field in fields:
        shape = (0, run.n_classes) if field.per_class else (0,)
        dtype = object if field.dtype is str else field.dtype
        of_chunks = chunks.get(field.name)
        if of_chunks is None:
            values = np.concatenate([np.empty(shape, dtype), *(part.pop(field.name) for part in parts)])
            columns[field.name] = _fixed(_as_shown(field.name, values, status))
        else:
            read = partial(_rows_as_shown, run, statuses, field.name)
            columns[field.name] = over_images(read, run.tables, dtype, of_chunks, *shape[1:])
    return columns


def _rows_as_shown(
    run: RunResults, statuses: Mapping[int, np.ndarray], name: str, table: ImageTable, rows: slice
) -> np.ndarray:
    return _as_shown(name, run.read(table, rows, [name]).values[name], statuses[table.number][rows])


def _as_shown(name: str, values: np.ndarray, status: np.ndarray) -> np.ndarray:
    """Stored values of a field in the form in which people see them: words, times, NaN where nothing is known."""
    if name in ("composition", "soft_composition"):
        values[status != DONE] = np.nan
        return values
    if name == STATUS.name:
        return as_text(status_words(values))
    if name == "error":
        return as_words(ERROR_CODES, values)
    return np.asarray(_times(values)) if name == "started" else values


def errors_table(run: RunResults) -> pd.DataFrame:
    """The images of a run that failed, one row each; see `Catalog.errors`."""
    logged = {(entry.table, entry.row, entry.generation): entry for entry in read_failures(run.store, run.run_id)}
    rows: dict[Hashable, dict[str, Any]] = {}
    for first, table, part in _parts_with_failures(run):
        results = run.read(table, part, ["attempts", "error", "engine", "started"])
        uris = read_uris(run.store, table, part)
        for position in np.flatnonzero(results.status == FAILED).tolist():
            entry = logged.get((table.number, part.start + position, int(results.generation[position])))
            rows[first + position] = {
                "uri": uris[position],
                "error": ERROR_CODES[results.values["error"][position]],
                "attempts": int(results.values["attempts"][position]),
                "engine": results.values["engine"][position],
                "time": _times(results.values["started"][position]),
                "message": entry.message if entry else "",
            }
    columns = ["uri", "error", "attempts", "engine", "time", "message"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("image")


def _parts_with_failures(run: RunResults) -> Iterator[tuple[int, ImageTable, slice]]:
    """Ranges of rows, each from the first to the last failed image of as many rows as are looked at at once."""
    for first, table, part in run.parts(_ROWS_AT_ONCE // 4):
        failed = np.flatnonzero(run.status(table, part) == FAILED)
        if failed.size:
            begin, end = int(failed[0]), int(failed[-1]) + 1
            yield first + begin, table, slice(part.start + begin, part.start + end)


def _run_description(record: RunRecord) -> dict[str, Any]:
    """What of a row of `Catalog.runs` never changes: settings and origin."""
    settings = record.settings
    protocol = dict(settings.protocol)
    for name in {"scales", "slices"} & set(protocol):
        protocol[name] = ", ".join(f"{value:g}" for value in protocol[name])
    return {
        **protocol,
        "precision": "float32",
        **settings.options,
        "model_digest": settings.model_digest,
        **record.by.columns(),
    }


def runs_table(runs: Iterable[RunResults]) -> pd.DataFrame:
    """One row per run; see `Catalog.runs`."""
    return pd.DataFrame.from_dict({run.run_id: _run_summary(run) for run in runs}, orient="index").rename_axis("run_id")


def _run_summary(run: RunResults) -> dict[str, Any]:
    sessions = read_sessions(run.store, run.run_id)
    counts = count(np.empty(0, dtype=np.uint8))
    starts: list[int] = []
    ends: list[float] = []
    for _, table, part in run.parts(_ROWS_AT_ONCE):
        values = run.read(table, part, ["started", "seconds"]).values
        counts += count(values[STATUS.name])
        begun = values["started"] >= 0
        if begun.any():
            started = values["started"][begun]
            starts.append(started.min())
            ends.append((started + 1000 * np.nan_to_num(values["seconds"][begun])).max())
    return {
        "model": run.settings.model,
        "images": int(counts.sum()),
        **dict(zip(STATUS_NAMES.tolist(), counts.tolist(), strict=True)),
        "created": pd.Timestamp(run.record.created).tz_localize(None),
        "first_write": _times(min(starts)) if starts else pd.NaT,
        "last_write": _times(int(max(ends))) if ends else pd.NaT,
        **_run_description(run.record),
        "sessions": len(sessions),
        "devices": ", ".join(sorted({device for session in sessions.values() for device in session.devices})),
    }


def settings_that_differ(runs: Sequence[RunRecord]) -> list[str]:
    """Names of the columns of `Catalog.runs` that tell runs apart: models, protocols, precision."""
    described = pd.DataFrame([{"model": run.settings.model, **_run_description(run)} for run in runs])
    names = dict.fromkeys(
        name
        for run in runs
        for name in ("model", *run.settings.protocol, "precision", *run.settings.options, "model_digest")
    )
    return [name for name in names if described[name].map(str).nunique() > 1]


def sessions_table(store: Store, run_id: str) -> pd.DataFrame:
    """The drivers that worked on a run; see `Catalog.sessions`."""
    rows = {
        name: {
            "started": pd.Timestamp(session.started).tz_localize(None),
            **session.origin.columns(),
            "devices": ", ".join(session.devices),
        }
        for name, session in read_sessions(store, run_id).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("driver")


def _times(milliseconds: Any) -> Any:
    times = np.asarray(milliseconds, dtype=np.int64)
    return np.where(times < 0, np.datetime64("NaT"), times.astype("datetime64[ms]"))[()]
