"""The values that covariates had before later tables changed them."""

from typing import Any

import numpy as np
import pandas as pd
from zarr.abc.store import Store

from toolkit.catalog.format.changes import read_change
from toolkit.catalog.format.kinds import Column
from toolkit.catalog.format.tables import ImageTables, read_column, read_uris

_COLUMNS = ["image", "uri", "column", "value", "replaced_by", "changed", "host"]


def read_history(store: Store, tables: ImageTables, name: str | None) -> pd.DataFrame:
    """All changes of a covariate, or of all of them, one after the other; see `Catalog.history`."""
    of_number = {table.number: (table, start) for table, start in zip(tables, tables.starts, strict=True)}
    uris: dict[int, np.ndarray] = {}
    values: dict[tuple[int, str], np.ndarray] = {}
    parts: list[pd.DataFrame] = []
    for number in range(tables.changes.n):
        change = read_change(store, number)
        for cells in change.cells:
            if cells.name.startswith("/") or name not in (None, cells.name) or cells.table not in of_number:
                continue
            table, start = of_number[cells.table]
            key = (cells.table, cells.name)
            if cells.table not in uris:
                uris[cells.table] = read_uris(store, table)
            if key not in values:
                values[key] = _objects(read_column(store, table, cells.name))
            new = _objects(cells.column)
            columns: dict[str, Any] = {
                "image": cells.rows + start,
                "uri": uris[cells.table][cells.rows],
                "column": cells.name,
                "value": pd.Series(values[key][cells.rows], dtype=object),
                "replaced_by": pd.Series(new, dtype=object),
                "changed": pd.Timestamp(change.at).tz_localize(None),
                "host": change.by.host,
            }
            parts.append(pd.DataFrame(columns, columns=_COLUMNS))
            values[key][cells.rows] = new
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)


def _objects(column: Column) -> np.ndarray:
    """Values as objects, of differing kinds beside one another; None where they are missing."""
    series = pd.Series(column.values)
    if column.kind in ("boolean", "whole"):
        series = series.astype("boolean" if column.kind == "boolean" else "UInt64" if series.dtype == "u8" else "Int64")
    objects = series.astype(object).to_numpy(dtype=object, copy=True)
    objects[column.missing] = None
    return objects
