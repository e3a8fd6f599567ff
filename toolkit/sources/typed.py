"""Columns of files that have types of their own (Parquet, spreadsheets, JSON): they keep them.

Whole numbers and booleans with gaps stay such, and never become floats by the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.sources.columns import read_texts
from toolkit.sources.said import read_as_said
from toolkit.sources.values import INT64, Column

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_WHOLE_FLOAT = 2**53


def read_typed(values: pd.Series[Any], kind: str | None, place: Callable[[int], str], name: str = "") -> Column:
    """A column with a type; as another kind, by way of its texts, if a person said so.

    Raises
    ------
    ValueError
        It is not of the kind that a person said.
    """
    if kind is None:
        return Column(values, _words_for(values))
    import pyarrow as pa

    texts = [None if missing else _text(value) for value, missing in zip(values, values.isna(), strict=True)]
    column = read_as_said(pa.chunked_array([pa.array(texts, pa.large_string())]), kind, place, name)
    return Column(column.values, column.read_as)


def from_arrow(column: Any) -> pd.Series[Any]:
    """A column of pyarrow as one of pandas that holds the same values."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return from_arrow(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return read_texts(column.cast(pa.large_string()), str).values
    if pa.types.is_nested(kind) or pa.types.is_null(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        return from_objects(column.to_pylist())
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s")).cast(pa.timestamp("us"))
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        series: pd.Series[Any] = column.to_pandas(types_mapper=_nullable)
        return series
    series = column.to_pandas()
    return series.reset_index(drop=True)


def from_objects(cells: list[Any]) -> pd.Series[Any]:
    """Python objects as a column of the type that they all have; of text if they have several."""
    import pandas as pd

    cells = [cell.item() if isinstance(cell, np.generic) and cell.dtype.kind in "biuf" else cell for cell in cells]
    cells = [None if is_missing(cell) else cell for cell in cells]
    kinds = {type(cell) for cell in cells if cell is not None}
    gaps = any(cell is None for cell in cells)
    if not kinds:
        return pd.Series(cells, dtype="float64")
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean" if gaps else "bool")
    if kinds == {int} and all(cell is None or cell in INT64 for cell in cells):
        return pd.Series(cells, dtype="Int64" if gaps else "int64")
    if kinds <= {int, float} and float in kinds and not _loses_as_float(cells):
        return pd.Series(cells, dtype="float64")
    if kinds <= {datetime, date, pd.Timestamp} and len({getattr(cell, "tzinfo", None) for cell in cells if cell}) == 1:
        zoned = any(getattr(cell, "tzinfo", None) is not None for cell in cells)
        times = pd.Series(pd.to_datetime(pd.Series(cells, dtype=object), utc=zoned, errors="coerce"))
        if times.notna().sum() == sum(cell is not None for cell in cells):
            return times
    return pd.Series([None if cell is None else _text(cell) for cell in cells])


def _nullable(kind: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    return pd.api.types.pandas_dtype(str(kind).replace("int", "Int").replace("uI", "UI"))


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT, or nothing but white space."""
    import pandas as pd

    if isinstance(cell, str):
        return not cell.strip()
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def _loses_as_float(cells: list[Any]) -> bool:
    return any(isinstance(cell, int) and abs(cell) > _LARGEST_WHOLE_FLOAT for cell in cells)


def _text(value: Any) -> str:
    """A value as text; whole numbers that a spreadsheet holds as floats, without a point."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE_FLOAT:
        return str(int(value))
    if isinstance(value, datetime) and not (value.hour or value.minute or value.second or value.microsecond):
        return value.date().isoformat() if value.tzinfo is None else value.isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _words_for(values: pd.Series[Any]) -> str:
    import pandas as pd

    if not len(values) or values.isna().all():
        return "empty"
    if pd.api.types.is_bool_dtype(values):
        return "booleans, by its type"
    if pd.api.types.is_integer_dtype(values):
        return "whole numbers, by its type"
    if pd.api.types.is_numeric_dtype(values):
        return "numbers, by its type"
    return "times, by its type" if pd.api.types.is_datetime64_any_dtype(values) else "text"
