"""What people look at: segments and results as xarray datasets and pandas tables."""

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from zarr.abc.store import Store

from toolkit.catalog.covariates import join_segments, to_array
from toolkit.catalog.errors import ERROR_CODES
from toolkit.catalog.failures import read_failures
from toolkit.catalog.layout import DONE, FAILED, RESULT_FIELDS, STATUS_NAMES
from toolkit.catalog.records import read_record
from toolkit.catalog.results import SegmentShape, empty_values, read_results
from toolkit.catalog.segments import read_covariates, read_uris


def images_dataset(store: Store, segments: Sequence[SegmentShape]) -> xr.Dataset:
    """URIs as a coordinate over ``image``, and a variable per covariate."""
    covariates = join_segments([read_covariates(store, shape) for shape in segments])
    uris = np.concatenate([np.empty(0, dtype=object), *(read_uris(store, shape) for shape in segments)])
    return xr.Dataset(
        {str(name): ("image", to_array(covariates[name])) for name in covariates},
        coords={"image": np.arange(len(uris)), "uri": ("image", uris)},
    )


def results_dataset(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> xr.Dataset:
    """Results of a run over ``image``; see `Catalog.to_xarray`."""
    record = read_record(store, run_id)
    class_names = record.settings.class_names
    fields = [field.name for field in RESULT_FIELDS if not field.optional or field.name in record.settings.options]
    values = _joined(store, run_id, segments, len(class_names), fields)
    images = images_dataset(store, segments)
    soft = {}
    for name in {"composition", "soft_composition"} & set(values):
        values[name][values["status"] != DONE] = np.nan
    if "soft_composition" in values:
        soft["soft_composition"] = (("image", "class_name"), values["soft_composition"])
    return xr.Dataset(
        {
            "composition": (("image", "class_name"), values["composition"]),
            **soft,
            "confidence": ("image", values["confidence"]),
            "status": ("image", STATUS_NAMES[values["status"]]),
            "attempts": ("image", values["attempts"]),
            "error": ("image", np.array(ERROR_CODES, dtype=object)[values["error"]]),
            "engine": ("image", values["engine"]),
            "started": ("image", _times(values["started"])),
            "seconds": ("image", values["seconds"]),
            "height": ("image", values["height"]),
            "width": ("image", values["width"]),
        },
        coords={**images.coords, **images.data_vars, "class_name": np.array(class_names, dtype=object)},
        attrs={"run_id": run_id, "model": record.settings.model, "created": record.created},
    )


def errors_table(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> pd.DataFrame:
    """The images of a run that failed, one row each; see `Catalog.errors`."""
    logged = {(entry.segment, entry.row, entry.generation): entry for entry in read_failures(store, run_id)}
    rows: dict[Hashable, dict[str, Any]] = {}
    first = 0
    for shape in segments:
        whole = slice(0, shape.n_images)
        results = read_results(store, run_id, shape, 0, whole, ["attempts", "error", "engine", "started"])
        failed = np.flatnonzero(results.status == FAILED)
        uris = read_uris(store, shape) if failed.size else np.empty(0, dtype=object)
        for row in failed.tolist():
            entry = logged.get((shape.segment, row, int(results.generation[row])))
            rows[first + row] = {
                "uri": uris[row],
                "error": ERROR_CODES[results.values["error"][row]],
                "attempts": int(results.values["attempts"][row]),
                "engine": results.values["engine"][row],
                "time": _times(results.values["started"][row]),
                "message": entry.message if entry else "",
            }
        first += shape.n_images
    columns = ["uri", "error", "attempts", "engine", "time", "message"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("image")


def run_summary(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> dict[str, Any]:
    """One row of `Catalog.runs`."""
    record = read_record(store, run_id)
    values = _joined(store, run_id, segments, 0, ["started", "seconds"])
    begun = values["started"] >= 0
    started = values["started"][begun]
    ended = started + 1000 * np.nan_to_num(values["seconds"][begun])
    counts = {str(name): int(np.sum(values["status"] == number)) for number, name in enumerate(STATUS_NAMES)}
    protocol = dict(record.settings.protocol)
    for name in {"scales", "slices"} & set(protocol):
        protocol[name] = ", ".join(f"{value:g}" for value in protocol[name])
    return {
        "model": record.settings.model,
        "images": begun.size,
        **counts,
        "created": pd.Timestamp(record.created).tz_localize(None),
        "first_write": _times(started.min()) if begun.any() else pd.NaT,
        "last_write": _times(ended.max().astype(np.int64)) if begun.any() else pd.NaT,
        **protocol,
        "precision": "float32",
        **record.settings.options,
        "model_digest": record.settings.model_digest,
        **record.by,
    }


def _joined(
    store: Store, run_id: str, segments: Sequence[SegmentShape], n_classes: int, fields: Collection[str] | None
) -> dict[str, np.ndarray]:
    """Results of all segments, one after the other."""
    parts = [
        read_results(store, run_id, shape, n_classes, slice(0, shape.n_images), fields).values for shape in segments
    ]
    nothing = empty_values(0, n_classes, fields)
    return {name: np.concatenate([nothing[name], *(part[name] for part in parts)]) for name in nothing}


def _times(milliseconds: Any) -> Any:
    times = np.asarray(milliseconds, dtype=np.int64)
    return np.where(times < 0, np.datetime64("NaT"), times.astype("datetime64[ms]"))[()]
