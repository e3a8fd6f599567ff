"""Columns as arrays of types that Zarr v3 specifies, with attributes by which xarray decodes them."""

from typing import Any

import numpy as np
import pandas as pd

_DATETIME_UNITS = "microseconds since 1970-01-01"
_NOT_A_TIME = int(np.iinfo(np.int64).min)  # what NaT is
_LARGEST_WHOLE_FLOAT = 2**53


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


def to_array(column: "pd.Series[Any]") -> np.ndarray:
    """A column as an array without Python objects but text.

    What is missing becomes NaN, NaT or ``""``. Whole numbers too large for a float become text if some are missing.
    """
    column = with_definite_type(column)
    missing = column.isna()
    if pd.api.types.is_datetime64_any_dtype(column):
        return (column.dt.tz_convert(None) if column.dt.tz is not None else column).to_numpy()
    if pd.api.types.is_numeric_dtype(column):
        if not missing.any():
            plain = column.to_numpy()
            return plain if plain.dtype != object else column.to_numpy(dtype=column.dtype.numpy_dtype)  # type: ignore[union-attr]
        if not _exceeds_float(column):
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.astype(object).where(~missing, "").map(str).to_numpy(dtype=object)


def with_definite_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of Python objects as what they all are: numbers or booleans beside missing values stay such."""
    return column.convert_dtypes() if column.dtype == object else column


def _exceeds_float(column: "pd.Series[Any]") -> bool:
    known = column.dropna()
    if not pd.api.types.is_integer_dtype(column) or known.empty:
        return False
    return max(int(known.max()), -int(known.min())) > _LARGEST_WHOLE_FLOAT
