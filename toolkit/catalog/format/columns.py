"""Columns as arrays of types that Zarr v3 specifies, with attributes by which xarray decodes them."""

from typing import Any

import numpy as np
import pandas as pd

from toolkit.catalog.format.kinds import LARGEST_WHOLE_FLOAT, Column, Kind

_DATETIME_UNITS = "microseconds since 1970-01-01"
_NOT_A_TIME = int(np.iinfo(np.int64).min)  # what NaT is
_KIND = "kind"
"""Attribute of floats that were whole numbers or booleans, some of them missing."""


def encode(values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """An array as it is stored, and its attributes."""
    if values.dtype.kind == "M":
        times = values.astype("datetime64[us]").astype(np.int64)
        return times, {"units": _DATETIME_UNITS, "_FillValue": _NOT_A_TIME}
    return (values.astype(np.dtypes.StringDType()) if values.dtype == object else values), {}


def decode(values: np.ndarray, attributes: dict[str, Any]) -> np.ndarray:
    """What was encoded."""
    if attributes.get("units") == _DATETIME_UNITS:
        return values.astype("datetime64[us]")
    return values.astype(object) if values.dtype.kind == "T" else values


def encode_column(column: Column) -> tuple[np.ndarray, dict[str, Any]]:
    """The values of a column as they are stored, and attributes that say what they are."""
    values, attributes = encode(column.values)
    if values.dtype.kind == "f" and column.kind in ("boolean", "whole"):
        attributes[_KIND] = column.kind
    return values, attributes


def decode_column(values: np.ndarray, attributes: dict[str, Any], written: np.ndarray | None = None) -> Column:
    """The column that was encoded, with what was written of it."""
    return Column.of(decode(values, attributes), attributes.get(_KIND), written)


def to_column(series: "pd.Series[Any]", written: "pd.Series[Any] | None" = None) -> Column:
    """A column of a table, as a catalog keeps it.

    Parameters
    ----------
    series : pandas.Series
        The values.
    written : pandas.Series, optional
        What was written for each, missing where the value says that.
    """
    definite = _with_definite_type(series)
    kind: Kind | None = None
    if pd.api.types.is_bool_dtype(definite):
        kind = "boolean"
    elif pd.api.types.is_integer_dtype(definite):
        kind = "whole"
    texts = None if written is None else written.astype(object).where(written.notna(), "").map(str).to_numpy(object)
    return Column.of(to_array(definite), kind, texts)


def to_array(column: "pd.Series[Any]") -> np.ndarray:
    """A column as an array without Python objects but text.

    What is missing becomes NaN, NaT or ``""``. Whole numbers too large for a float become text if some are missing.
    """
    column = _with_definite_type(column)
    missing = column.isna()
    if pd.api.types.is_datetime64_any_dtype(column):
        plain = (column.dt.tz_convert(None) if column.dt.tz is not None else column).to_numpy()
        return plain.astype("datetime64[us]")
    if pd.api.types.is_numeric_dtype(column):
        if not missing.any():
            plain = column.to_numpy()
            return plain if plain.dtype != object else column.to_numpy(dtype=column.dtype.numpy_dtype)  # type: ignore[union-attr]
        if not _exceeds_float(column):
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.astype(object).where(~missing, "").map(str).to_numpy(dtype=object)


def _with_definite_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of Python objects as what they all are: numbers, booleans, dates beside missing values stay such."""
    if column.dtype != object:
        return column
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    try:
        if inferred in ("date", "datetime"):
            return pd.to_datetime(column)
        if inferred == "integer":  # pandas makes floats of them on its way, if some are missing
            exact = [None if missing else int(value) for value, missing in zip(column, column.isna(), strict=True)]
            large = max(value for value in exact if value is not None) >= 2**63
            return pd.Series(pd.array(exact, dtype="UInt64" if large else "Int64"), index=column.index)
    except (ValueError, OverflowError):  # some with a zone and some without, or larger than any type
        return column
    if inferred == "mixed-integer-float" and any(_is_large(value) for value in column):
        return column  # as floats they would be other numbers
    return column.convert_dtypes()


def _is_large(value: Any) -> bool:
    return isinstance(value, int | np.integer) and abs(int(value)) > LARGEST_WHOLE_FLOAT


def _exceeds_float(column: "pd.Series[Any]") -> bool:
    known = column.dropna()
    if not pd.api.types.is_integer_dtype(column) or known.empty:
        return False
    return max(int(known.max()), -int(known.min())) > LARGEST_WHOLE_FLOAT
