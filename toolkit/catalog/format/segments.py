"""The images of a catalog: segments that are written once and never change, each with its covariates.

A segment is part of the catalog once it was committed: ``images/commits/<n>`` is created by put-if-absent and names it.
Who adds images first reserves a segment number of his own, writes there what the first n commits do not have, and then
creates commit n. If somebody else did so meanwhile, he looks again at what is new. So no image is ever entered twice,
whoever adds at the same time or dies on the way, and nothing that is not whole is ever seen.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.abc.store import Store
from zarr.errors import ArrayNotFoundError

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.layout import (
    CHECKED_COMPRESSION,
    COMMITS,
    WRITE_ALL,
    block_size_for,
    commit_path,
    reservation_path,
    segment_path,
)
from toolkit.catalog.format.results import SegmentShape
from toolkit.catalog.owners import Owner
from toolkit.catalog.reading.covariates import to_array, with_definite_type
from toolkit.catalog.store.objects import get_json, names, numbers, put_if_absent

_DATETIME_UNITS = "microseconds since 1970-01-01"
_NOT_A_TIME = np.iinfo(np.int64).min


def reserve_segment(store: Store, owner: Owner) -> int:
    """A segment number that is the caller's alone."""
    token = json.dumps(asdict(owner)).encode()
    while True:
        segment = max(numbers(store, "claims/images"), default=-1) + 1
        if put_if_absent(store, reservation_path(segment), token):
            return segment


def write_segment(
    store: Store, segment: int, uris: Sequence[str], covariates: pd.DataFrame, block_size: int | None
) -> SegmentShape:
    """Write the images of a segment, which is not part of the catalog yet.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The catalog's store.
    segment : int
        Its number, reserved; what lies there is replaced.
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
            name,
            shape=values.shape,
            chunks=(shape.block_size,),
            dtype=values.dtype,
            compressors=CHECKED_COMPRESSION,
            dimension_names=("image",),
            config=WRITE_ALL,
        )
        array.attrs.put(attributes)
        array[:] = values
    return shape


def commit_segment(store: Store, number: int, shape: SegmentShape) -> bool:
    """Make a segment the ``number``-th of the catalog; False if another one is that already."""
    return put_if_absent(store, commit_path(number), commit_of(store, shape))


def commit_of(store: Store, shape: SegmentShape) -> bytes:
    """What the commit of a segment says: its size, and which columns its table has."""
    return json.dumps({**asdict(shape), "columns": columns_of(store, shape.segment)}).encode()


def columns_of(store: Store, segment: int) -> list[str]:
    """Names of the arrays of a segment's table, in order."""
    return [name for name in names(store, segment_path(segment)) if name != "zarr.json" and ".partial" not in name]


def list_segments(store: Store) -> list[SegmentShape]:
    """The catalog's segments, in the order of their images."""
    commits = numbers(store, COMMITS)
    if commits != list(range(len(commits))):
        raise DamagedError(f"a commit is gone from {COMMITS} in the catalog; Catalog.verify() says which")
    return [read_commit(store, number) for number in commits]


def read_commit(store: Store, number: int) -> SegmentShape:
    """The segment that a commit names."""
    path = commit_path(number)
    with naming_damage(path):
        commit = get_json(store, path) or {}
        shape = SegmentShape(commit["segment"], commit["n_images"], commit["block_size"])
        if not all(type(value) is int for value in asdict(shape).values()) or shape.block_size < 1:
            raise ValueError(f"no such segment: {shape}")
        return shape


def read_columns(store: Store, number: int) -> list[str]:
    """Names of the columns that the table of a commit's segment had when it was committed."""
    with naming_damage(commit_path(number)):
        return list((get_json(store, commit_path(number)) or {})["columns"])


def read_uris(store: Store, shape: SegmentShape, rows: slice | None = None) -> np.ndarray:
    """URIs of a segment's images, objects ``(n_images,)``; only of some rows if given."""
    path = f"{segment_path(shape.segment)}/uri"
    with naming_damage(path):
        array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
        return np.asarray(array[rows or slice(None)], dtype=object)


def read_covariates(store: Store, shape: SegmentShape, wanted: Collection[str] | None = None) -> pd.DataFrame:
    """Covariates of a segment's images, or those wanted, one row each, in the order of their columns' names."""
    columns = {}
    for name, array in _covariates(store, shape.segment).items():
        if wanted is None or name in wanted:
            with naming_damage(array.path):
                columns[name] = _decode(np.asarray(array[:]), array.attrs.asdict())
    return pd.DataFrame(columns, index=pd.RangeIndex(shape.n_images))


def covariate_types(store: Store, shape: SegmentShape) -> dict[str, np.dtype[Any]]:
    """Type of each covariate of a segment, in the order of their names, without reading them."""
    arrays = _covariates(store, shape.segment)
    return {name: _decode(np.empty(0, array.dtype), array.attrs.asdict()).dtype for name, array in arrays.items()}


def common_type(types: Sequence[np.dtype[Any] | None]) -> np.dtype[Any] | None:
    """The type of a covariate over several segments, from its type in each (None where it is missing).

    None if it cannot be told from the types alone: they differ, or they cannot say that a value is missing.
    """
    known = {dtype for dtype in types if dtype is not None}
    if len(known) != 1:
        return None
    dtype = known.pop()
    if dtype == np.float32 or (None in types and dtype.kind in "biu"):
        return None
    return dtype


def read_covariate(store: Store, name: str, dtype: np.dtype[Any], shape: SegmentShape, rows: slice) -> np.ndarray:
    """Some rows of a covariate of a segment, NaN, NaT or ``""`` if the segment does not have it."""
    path = f"{segment_path(shape.segment)}/{name}"
    with naming_damage(path):
        try:
            array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
        except ArrayNotFoundError:
            missing = "" if dtype.kind == "O" else np.array("NaT" if dtype.kind == "M" else np.nan, dtype)
            return np.full(rows.stop - rows.start, missing, dtype)
        return _decode(np.asarray(array[rows]), array.attrs.asdict())


def _covariates(store: Store, segment: int) -> "dict[str, zarr.Array[Any]]":
    """The arrays of a segment besides the URIs, in the order of their names."""
    with naming_damage(segment_path(segment)):
        group = zarr.open_group(store, path=segment_path(segment), mode="r", use_consolidated=False)
        return {name: array for name, array in sorted(group.arrays()) if name != "uri"}


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
