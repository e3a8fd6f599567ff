"""From a table of images to their URIs, and what is known of each."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.arguments import choice
from toolkit.sources.columns import read_texts
from toolkit.sources.errors import NoImagesError
from toolkit.sources.registry import source_of
from toolkit.sources.said import KINDS, read_as_said
from toolkit.sources.table_files import RawTable
from toolkit.sources.typed import read_typed
from toolkit.sources.uris import is_remote, normalize_uri
from toolkit.sources.values import Column

if TYPE_CHECKING:
    import pandas as pd

KEY = "uri"
"""The column that every table of images has."""

_ALIKE = ("url", "path", "file", "filename", "file_name", "image", "image_path", "photo", "filepath", "name")


@dataclass(frozen=True, eq=False)
class ImageTable:
    """A table of images, a row for each as it stands there."""

    uris: list[str]
    given: list[str]
    covariates: pd.DataFrame
    written: pd.DataFrame
    read_as: dict[str, str]


def raw_table_of(frame: pd.DataFrame) -> RawTable:
    """A DataFrame as a table; an index that is called ``uri`` is its column of that name."""
    if KEY in frame.index.names and KEY not in frame.columns:
        frame = frame.reset_index(KEY)
    columns = [str(column) for column in frame.columns]
    if len(set(columns)) != len(columns):
        raise ValueError(f"images: the DataFrame has two columns of one name among {', '.join(columns)}; rename one")
    series = {str(name): frame[name].reset_index(drop=True) for name in frame.columns}
    geometry = [name for name, column in series.items() if str(column.dtype) == "geometry"]
    for name in geometry:
        series |= _points_of(series.pop(name), series)
    return RawTable(series, lambda row: f"in row {row} (counted from 0)")


def _points_of(geometry: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Latitude and longitude of a column of geopandas, if it has points."""
    shapes = geometry.dropna()
    if shapes.empty or geometry.crs is None or not (shapes.geom_type == "Point").all():
        return {}
    points = geometry.to_crs(4326)
    return {name: values for name, values in (("lat", points.y), ("lon", points.x)) if name not in known}


def read_images(raw: RawTable, base: str, name: str, types: Mapping[str, str] | None) -> ImageTable:
    """The URIs of a table, and its other columns.

    Parameters
    ----------
    raw : RawTable
        With a column ``uri``.
    base : str
        Folder or URI that relative paths start from.
    name : str
        What the table is called in messages.
    types : mapping, optional
        What a person says that columns are, one of `KINDS` for each.

    Raises
    ------
    NoImagesError
        It has no rows.
    TypeError, ValueError
        It has no column of URIs, lacks some, or a column is not what a person says.
    """
    import pandas as pd

    _require_key(list(raw.columns), name)
    _check_types(types or {}, list(raw.columns), name)
    cells = raw.columns[KEY]
    cells = cells.tolist() if isinstance(cells, pd.Series) else cells.to_pylist()
    if not cells:
        raise NoImagesError(f"images: {name} has no rows; give a table with a row per image")
    given, uris = [], []
    for row, cell in enumerate(cells):
        given.append(_written_uri(cell, raw, row, name))
        uris.append(_uri_of(given[-1], base))
    columns = {
        column: _read(values, (types or {}).get(column), raw, column, name)
        for column, values in raw.columns.items()
        if column != KEY
    }
    rows = pd.RangeIndex(len(uris))
    return ImageTable(
        uris,
        given,
        pd.DataFrame({column: read.values for column, read in columns.items()}, index=rows),
        pd.DataFrame({c: read.written for c, read in columns.items() if read.written is not None}, index=rows),
        {column: read.read_as for column, read in columns.items()},
    )


def each_once(table: ImageTable, uris: list[str]) -> ImageTable:
    """A table with one row for each URI; ``uris`` are those of its rows, as the file system spells them.

    Raises
    ------
    ValueError
        Two rows for one image differ.
    """
    first = {uri: row for row, uri in reversed(list(enumerate(uris)))}
    covariates, written, given = table.covariates, table.written, table.given
    if len(first) < len(uris):
        rows = sorted(first.values())
        repeated = [row for row, uri in enumerate(uris) if first[uri] != row]
        _require_same(covariates, repeated, [first[uris[row]] for row in repeated], uris)
        uris, given = [uris[row] for row in rows], [given[row] for row in rows]
        covariates = covariates.iloc[rows].reset_index(drop=True)
        written = written.iloc[rows].reset_index(drop=True)
    return ImageTable(uris, given, covariates, written, table.read_as)


def _require_key(columns: list[str], name: str) -> None:
    if KEY in columns:
        return
    alike = [column for column in columns if column.strip("# ").lower() == KEY]
    alike += [column for column in columns if column.strip("# ").lower() in _ALIKE]
    hint = f"; did you mean {alike[0]!r}? Call it {KEY!r}" if alike else ""
    if not alike and any("/" in column or "." in column for column in columns):
        hint = "; its first row must be a header with the names of the columns"
    there = ", ".join(columns[:20]) or "no columns"
    raise ValueError(f"images: {name} needs one column {KEY!r}; it has {there}{hint}")


def _check_types(types: Mapping[str, str], columns: list[str], name: str) -> None:
    for column, kind in types.items():
        if column not in columns or column == KEY:
            others = [one for one in columns if one != KEY]
            close = difflib.get_close_matches(str(column), others, 1, 0.6)
            hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(others) or 'none'}"
            what = "is always text" if column == KEY else f"is no column of {name}{hint}"
            raise ValueError(f"types: {column!r} {what}")
        choice(f"types[{column!r}]", kind, KINDS)


def _read(values: Any, kind: str | None, raw: RawTable, column: str, name: str) -> Column:
    import pandas as pd

    try:
        if isinstance(values, pd.Series):
            return read_typed(values, kind, raw.place, column)
        if kind is not None:
            return read_as_said(values, kind, raw.place, column)
        return read_texts(values, raw.place, name=column, decimal_comma=raw.decimal_comma)
    except ValueError as error:
        raise ValueError(f"images: {name}: {error}") from error


def _written_uri(cell: Any, raw: RawTable, row: int, name: str) -> str:
    import pandas as pd

    if isinstance(cell, str | os.PathLike):
        text = os.fspath(cell)
        if text.strip():
            return text
    elif not pd.isna(cell):
        where = f"images: {name}, {raw.place(row).removeprefix('in ')}"
        raise TypeError(f"{where}: the {KEY} {cell!r} is a {type(cell).__name__}; give a string or a path")
    where = f"images: {name}, {raw.place(row).removeprefix('in ')}"
    raise ValueError(f"{where}: the {KEY} is missing; fill it in or drop the row")


def _uri_of(text: str, base: str) -> str:
    if text[0].isspace() and (text.lstrip().startswith("/") or "://" in text):
        text = text.lstrip()  # with the space it would be a path below the table's folder
    if is_remote(base) and "://" not in text:
        # From the table's folder, or from the server's root or bucket.
        written = source_of(base).encode(text)
        return "/".join(base.split("/")[:3]) + written if text.startswith("/") else f"{base}/{written}"
    return normalize_uri(text, base)


def _require_same(covariates: pd.DataFrame, repeated: list[int], first: list[int], uris: list[str]) -> None:
    later = covariates.iloc[repeated].reset_index(drop=True)
    earlier = covariates.iloc[first].reset_index(drop=True)
    for column in covariates.columns:
        same = (later[column] == earlier[column]).fillna(False) | (later[column].isna() & earlier[column].isna())
        differing = [row for row, equal in zip(repeated, same, strict=True) if not equal]
        if differing:
            row = differing[0]
            original = first[repeated.index(row)]
            reason = f"rows {original} and {row} (counted from 0) differ in {column!r}; keep one of them"
            raise ValueError(f"images: {uris[row]!r} is there twice: {reason}")
