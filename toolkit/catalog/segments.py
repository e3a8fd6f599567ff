"""The images of a catalog: segments that are written once and never change, each with its covariates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.abc.store import Store

from toolkit.catalog.covariates import to_array, with_definite_type
from toolkit.catalog.layout import block_size_for, segment_path
from toolkit.catalog.objects import names
from toolkit.catalog.results import SegmentShape

_DATETIME_UNITS = "microseconds since 1970-01-01"
_NOT_A_TIME = np.iinfo(np.int64).min


def write_segment(
    store: Store, segment: int, uris: Sequence[str], covariates: pd.DataFrame, block_size: int | None
) -> SegmentShape:
    """Write a segment: uris and covariates first, the attributes that make it exist last.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The catalog's store.
    segment : int
        Its number; what a killed writer left there is replaced.
    uris : sequence of str
        One per image.
    covariates : pandas.DataFrame
        One row per image, one column per covariate; may have no columns.
    block_size : int or None
        Rows per block; chosen by the number of images if None.

    Returns
    -------
    SegmentShape
        Its size and blocks.
    """
    shape = SegmentShape(segment, len(uris), block_size or block_size_for(len(uris)))
    group = zarr.open_group(store, path=segment_path(segment), mode="w")
    columns: dict[str, pd.Series[Any]] = {"uri": pd.Series(list(uris), dtype=object)}
    columns |= {str(name): covariates[name] for name in covariates}
    for name, column in columns.items():
        values, attributes = _encode(column)
        array = group.create_array(
            name, shape=values.shape, chunks=(shape.block_size,), dtype=values.dtype, dimension_names=("image",)
        )
        array.attrs.put(attributes)
        array[:] = values
    group.attrs.put({"n_images": shape.n_images, "block_size": shape.block_size, "complete": True})
    return shape


def list_segments(store: Store) -> list[SegmentShape]:
    """The complete segments, in order."""
    shapes = []
    for name in names(store, "images"):
        if name.isdigit() and "zarr.json" in names(store, f"images/{name}"):
            attributes: dict[str, Any] = dict(_open(store, int(name)).attrs)
            if attributes.get("complete"):
                shapes.append(SegmentShape(int(name), attributes["n_images"], attributes["block_size"]))
    return shapes


def next_segment(store: Store) -> int:
    """The number of the next segment to write: after the last complete one."""
    return max((shape.segment for shape in list_segments(store)), default=-1) + 1


def read_uris(store: Store, shape: SegmentShape, rows: slice | None = None) -> np.ndarray:
    """URIs of a segment's images, objects ``(n_images,)``; only of some rows if given."""
    array = zarr.open_array(store, path=f"{segment_path(shape.segment)}/uri", mode="r")
    return np.asarray(array[rows or slice(None)], dtype=object)


def read_covariates(store: Store, shape: SegmentShape) -> pd.DataFrame:
    """Covariates of a segment's images, one row each, in the order of their columns' names."""
    group = _open(store, shape.segment)
    arrays = {name: array for name, array in sorted(group.arrays()) if name != "uri"}
    return pd.DataFrame(
        {name: _decode(np.asarray(array[:]), array.attrs.asdict()) for name, array in arrays.items()},
        index=pd.RangeIndex(shape.n_images),
    )


def _open(store: Store, segment: int) -> zarr.Group:
    return zarr.open_group(store, path=segment_path(segment), mode="r", use_consolidated=False)


def _encode(column: "pd.Series[Any]") -> tuple[np.ndarray, dict[str, Any]]:
    """A column as an array of a type that Zarr v3 specifies, with attributes by which xarray decodes it."""
    column = with_definite_type(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        times = column.dt.tz_convert(None) if column.dt.tz is not None else column
        values = times.to_numpy(dtype="datetime64[us]").astype(np.int64)
        return values, {"units": _DATETIME_UNITS, "_FillValue": int(_NOT_A_TIME)}
    values = to_array(column)
    return (values.astype(np.dtypes.StringDType()) if values.dtype == object else values), {}


def _decode(values: np.ndarray, attributes: dict[str, Any]) -> np.ndarray:
    if attributes.get("units") == _DATETIME_UNITS:
        return values.astype("datetime64[us]")  # the smallest integer is NaT
    return values.astype(object) if values.dtype.kind == "T" else values
