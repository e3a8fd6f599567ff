"""What people look at: segments and results as xarray datasets and pandas tables."""

import json
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from zarr.abc.store import Store

from toolkit.catalog.errors import ERROR_CODES
from toolkit.catalog.failures import read_failures
from toolkit.catalog.format.layout import DONE, FAILED, STATUS, STATUS_NAMES, ResultField
from toolkit.catalog.format.records import RunRecord, read_record
from toolkit.catalog.format.results import SegmentShape, empty_values, fields_of, read_results, read_status
from toolkit.catalog.format.segments import (
    common_type,
    covariate_types,
    read_covariate,
    read_covariates,
    read_uris,
)
from toolkit.catalog.provenance import read_sessions
from toolkit.catalog.reading.covariates import join_segments, to_array
from toolkit.catalog.reading.descriptions import DESCRIPTIONS
from toolkit.catalog.reading.lazy import LAZY_FROM, as_dask, chunks_of, over_images, ranges_of

_SHOWN = (
    *("composition", "soft_composition", "confidence", "status", "attempts", "error", "engine", "started", "seconds"),
    *("height", "width"),
)
_SHOWN_TYPES: dict[str, Any] = {"status": object, "error": object, "engine": object, "started": "datetime64[ms]"}
_ROWS_AT_ONCE = 2**20


def images_dataset(store: Store, segments: Sequence[SegmentShape]) -> xr.Dataset:
    """URIs as a coordinate over ``image``, and a variable per covariate."""
    covariates = join_segments([read_covariates(store, shape) for shape in segments])
    uris = np.concatenate([np.empty(0, dtype=object), *(read_uris(store, shape) for shape in segments)])
    return _over_images({"uri": uris, **{str(name): to_array(covariates[name]) for name in covariates}}, len(uris))


def lazy_images_dataset(store: Store, segments: Sequence[SegmentShape], chunks: tuple[int, ...]) -> xr.Dataset:
    """What `images_dataset` holds, as dask arrays of these chunks."""
    columns: dict[str, Any] = {"uri": over_images(partial(read_uris, store), segments, object, chunks)}
    types = [covariate_types(store, shape) for shape in segments]
    for name in dict.fromkeys(name for of_segment in types for name in of_segment):
        dtype = common_type([of_segment.get(name) for of_segment in types])
        if dtype is None:  # their type depends on their values
            tables = [read_covariates(store, shape, [name]) for shape in segments]
            columns[name] = as_dask(to_array(join_segments(tables)[name]), chunks)
        else:
            columns[name] = over_images(partial(read_covariate, store, name, dtype), segments, dtype, chunks)
    return _over_images(columns, sum(shape.n_images for shape in segments))


def _over_images(columns: dict[str, Any], n_images: int) -> xr.Dataset:
    uris = columns.pop("uri")
    return xr.Dataset(
        {name: ("image", column) for name, column in columns.items()},
        coords={"image": pd.RangeIndex(n_images), "uri": ("image", uris)},
    )


def results_datasets(
    store: Store, run_ids: Sequence[str], segments: Sequence[SegmentShape], *, lazy: bool | None = None
) -> list[xr.Dataset]:
    """Results of runs over ``image``; see `Catalog.to_xarray`. They share the arrays of what is known of the images."""
    records = [read_record(store, run_id) for run_id in run_ids]
    if lazy is None:
        lazy = sum(shape.n_images for shape in segments) >= LAZY_FROM
    most_classes = max(len(record.settings.class_names) for record in records)
    chunks = chunks_of(segments, most_classes * np.dtype(np.float32).itemsize) if lazy else ()
    images = lazy_images_dataset(store, segments, chunks) if lazy else images_dataset(store, segments)
    datasets = []
    for run_id, record in zip(run_ids, records, strict=True):
        statuses = {
            shape.segment: read_status(store, run_id, shape, slice(0, shape.n_images)) for shape in segments if lazy
        }
        shown = {field.name: field for field in fields_of(record.settings.options) if field.name in _SHOWN}
        class_names = record.settings.class_names
        columns = (
            {
                name: _lazy(store, run_id, segments, statuses, chunks, len(class_names), field)
                for name, field in shown.items()
            }
            if lazy
            else _eager(store, run_id, segments, len(class_names), list(shown))
        )
        datasets.append(
            xr.Dataset(
                {
                    name: (("image", "class_name") if shown[name].per_class else "image", columns[name])
                    for name in _SHOWN
                    if name in shown
                },
                coords={**images.coords, **images.data_vars, "class_name": np.array(class_names, dtype=object)},
                attrs=_described(run_id, record),
            )
        )
        for name, variable in datasets[-1].variables.items():
            variable.attrs.update(DESCRIPTIONS.get(str(name), {}))
    return datasets


def _described(run_id: str, record: RunRecord) -> dict[str, str]:
    """Attributes of a run's table."""
    protocol = json.dumps(dict(record.settings.protocol), sort_keys=True)
    return {"run_id": run_id, "model": record.settings.model, "protocol": protocol, "created": record.created}


def _eager(
    store: Store, run_id: str, segments: Sequence[SegmentShape], n_classes: int, names: Collection[str]
) -> dict[str, np.ndarray]:
    """Results of all segments, one after the other, as they are shown."""
    parts = [
        read_results(store, run_id, shape, n_classes, slice(0, shape.n_images), names).values for shape in segments
    ]
    nothing = empty_values(0, n_classes, names)
    values = {name: np.concatenate([nothing[name], *(part[name] for part in parts)]) for name in nothing}
    return {name: _as_shown(name, values[name], values[STATUS.name]) for name in names}


def _lazy(
    store: Store,
    run_id: str,
    segments: Sequence[SegmentShape],
    statuses: Mapping[int, np.ndarray],
    chunks: tuple[int, ...],
    n_classes: int,
    field: ResultField,
) -> da.Array:
    """Results of all segments, merged and brought into the form in which they are shown when they are computed.

    Status is what it was when the table was opened, so that whatever is computed later goes with it.
    """
    return over_images(
        partial(_rows_as_shown, store, run_id, statuses, n_classes, field.name),
        segments,
        _SHOWN_TYPES.get(field.name, field.dtype),
        chunks,
        n_classes if field.per_class else 0,
    )


def _rows_as_shown(
    store: Store,
    run_id: str,
    statuses: Mapping[int, np.ndarray],
    n_classes: int,
    name: str,
    shape: SegmentShape,
    rows: slice,
) -> np.ndarray:
    status = statuses[shape.segment][rows]
    if name == STATUS.name:
        return _as_shown(name, status, status)
    return _as_shown(name, read_results(store, run_id, shape, n_classes, rows, [name]).values[name], status)


def _as_shown(name: str, values: np.ndarray, status: np.ndarray) -> np.ndarray:
    """Stored values of a field in the form in which people see them: words, times, NaN where nothing is known."""
    if name in ("composition", "soft_composition"):
        values[status != DONE] = np.nan
        return values
    if name == STATUS.name:
        return np.asarray(STATUS_NAMES[values])
    if name == "error":
        return np.asarray(np.array(ERROR_CODES, dtype=object)[values])
    return np.asarray(_times(values)) if name == "started" else values


def errors_table(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> pd.DataFrame:
    """The images of a run that failed, one row each; see `Catalog.errors`."""
    logged = {(entry.segment, entry.row, entry.generation): entry for entry in read_failures(store, run_id)}
    rows: dict[Hashable, dict[str, Any]] = {}
    first = 0
    for shape in segments:
        for part in _parts_with_failures(store, run_id, shape):
            results = read_results(store, run_id, shape, 0, part, ["attempts", "error", "engine", "started"])
            uris = read_uris(store, shape, part)
            for position in np.flatnonzero(results.status == FAILED).tolist():
                row = part.start + position
                entry = logged.get((shape.segment, row, int(results.generation[position])))
                rows[first + row] = {
                    "uri": uris[position],
                    "error": ERROR_CODES[results.values["error"][position]],
                    "attempts": int(results.values["attempts"][position]),
                    "engine": results.values["engine"][position],
                    "time": _times(results.values["started"][position]),
                    "message": entry.message if entry else "",
                }
        first += shape.n_images
    columns = ["uri", "error", "attempts", "engine", "time", "message"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("image")


def _parts_with_failures(store: Store, run_id: str, shape: SegmentShape) -> Iterator[slice]:
    """Ranges of rows, each from the first to the last failed image of as many rows as are looked at at once."""
    for part in ranges_of(shape, _ROWS_AT_ONCE // 4):
        failed = np.flatnonzero(read_status(store, run_id, shape, part) == FAILED)
        if failed.size:
            yield slice(part.start + int(failed[0]), part.start + int(failed[-1]) + 1)


def run_summary(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> dict[str, Any]:
    """One row of `Catalog.runs`."""
    record = read_record(store, run_id)
    sessions = read_sessions(store, run_id)
    counts = np.zeros(len(STATUS_NAMES), dtype=np.int64)
    starts: list[int] = []
    ends: list[float] = []
    for shape in segments:
        for part in ranges_of(shape, _ROWS_AT_ONCE):
            values = read_results(store, run_id, shape, 0, part, ["started", "seconds"]).values
            counts += np.bincount(values[STATUS.name], minlength=counts.size)
            begun = values["started"] >= 0
            if begun.any():
                started = values["started"][begun]
                starts.append(started.min())
                ends.append((started + 1000 * np.nan_to_num(values["seconds"][begun])).max())
    protocol = dict(record.settings.protocol)
    for name in {"scales", "slices"} & set(protocol):
        protocol[name] = ", ".join(f"{value:g}" for value in protocol[name])
    return {
        "model": record.settings.model,
        "images": int(counts.sum()),
        **dict(zip(STATUS_NAMES.tolist(), counts.tolist(), strict=True)),
        "created": pd.Timestamp(record.created).tz_localize(None),
        "first_write": _times(min(starts)) if starts else pd.NaT,
        "last_write": _times(int(max(ends))) if ends else pd.NaT,
        **protocol,
        "precision": "float32",
        **record.settings.options,
        "model_digest": record.settings.model_digest,
        **record.by.columns(),
        "sessions": len(sessions),
        "devices": ", ".join(sorted({device for session in sessions.values() for device in session.devices})),
    }


def _times(milliseconds: Any) -> Any:
    times = np.asarray(milliseconds, dtype=np.int64)
    return np.where(times < 0, np.datetime64("NaT"), times.astype("datetime64[ms]"))[()]
