"""The values that covariates had before later tables changed them."""

from typing import Any

import numpy as np
import pandas as pd
from zarr.abc.store import Store

from toolkit.catalog.format.changes import Cells, Change, Changes, read_change
from toolkit.catalog.format.kinds import Column
from toolkit.catalog.format.tables import ImageTables, read_uris
from toolkit.catalog.reading.covariates import read_covariate

_COLUMNS = ["image", "uri", "column", "value", "replaced_by", "changed", "host"]


def read_history(store: Store, tables: ImageTables, name: str | None) -> pd.DataFrame:
    """All changes of a covariate, or of all of them, one after the other; see `Catalog.history`."""
    starts = dict(zip((table.number for table in tables), tables.starts, strict=True))
    of_number = {table.number: table for table in tables}
    parts: list[pd.DataFrame] = []
    known = Changes()
    for number in range(tables.changes.n):
        change = read_change(store, number)
        for cells in change.cells:
            if cells.name.startswith("/") or name not in (None, cells.name) or cells.table not in of_number:
                continue
            table = of_number[cells.table]
            before = read_covariate(store, ImageTables((table,), known), cells.name).take(cells.rows)
            parts.append(_rows(change, cells, before, read_uris(store, table)[cells.rows], starts[cells.table]))
        known = known.after(change)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)


def _rows(change: Change, cells: Cells, before: Column, uris: np.ndarray, start: int) -> pd.DataFrame:
    values: dict[str, Any] = {
        "image": cells.rows + start,
        "uri": uris,
        "column": cells.name,
        "value": _objects(before),
        "replaced_by": _objects(cells.column),
        "changed": pd.Timestamp(change.at).tz_localize(None),
        "host": change.by.host,
    }
    return pd.DataFrame(values, columns=_COLUMNS)


def _objects(column: Column) -> "pd.Series[Any]":
    """Values as objects, of differing kinds below one another; None where they are missing."""
    series = pd.Series(column.values)
    if column.kind in ("boolean", "whole"):
        series = series.astype("boolean" if column.kind == "boolean" else "Int64")
    objects = series.astype(object)
    return objects.where(~column.missing, None)
