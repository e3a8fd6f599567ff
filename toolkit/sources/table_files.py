"""Files that hold tables, by their suffix: text, Parquet, Arrow, spreadsheets, JSON, places; compressed or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.sources.delimited import decode_text, read_delimited
from toolkit.sources.errors import NoImagesError
from toolkit.sources.geography import read_json, read_layer, with_points
from toolkit.sources.typed import from_arrow, from_objects, is_missing

if TYPE_CHECKING:
    import pandas as pd

DELIMITED_SUFFIXES = (".csv", ".tsv", ".tab")
LIST_SUFFIXES = (".txt", ".lst", ".list")
PARQUET_SUFFIXES = (".parquet", ".pq", ".geoparquet")
ARROW_SUFFIXES = (".feather", ".arrow")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
JSON_SUFFIXES = (".json", ".geojson", ".jsonl", ".ndjson", ".geojsonl")
LAYER_SUFFIXES = (".gpkg", ".shp", ".fgb")
_PACKED = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
_PACKED_SUFFIXES = (*_PACKED, ".zst")

_PLAIN_SUFFIXES = (
    *DELIMITED_SUFFIXES,
    *LIST_SUFFIXES,
    *PARQUET_SUFFIXES,
    *ARROW_SUFFIXES,
    *WORKBOOK_SUFFIXES,
    *JSON_SUFFIXES,
    *LAYER_SUFFIXES,
)
TABLE_SUFFIXES = (*_PLAIN_SUFFIXES, *(s + packed for s in _PLAIN_SUFFIXES for packed in _PACKED_SUFFIXES), ".zip")
"""The suffixes, in lower case, of files that are read as tables."""

_DAMAGES = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, ImportError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
_ENGINES = {".xls": "xlrd", ".xlsb": "pyxlsb", ".ods": "odfpy"}


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as its file holds it."""

    columns: dict[str, Any]
    """Texts that are to be understood (`pyarrow.ChunkedArray`), or columns with a type (`pandas.Series`)."""
    place: Callable[[int], str]
    """From a row, counted from 0, to words for where it is."""
    decimal_comma: bool = False
    """Whether ``1,5`` is a number here."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """What is no part of it, by reason."""
    notes: list[str] = field(default_factory=list)
    """What a person should hear of it."""


def read_table(path: str, content: bytes, key: str, local: bool) -> RawTable:
    """A table by its path, for its suffix, and its content.

    Parameters
    ----------
    path : str
        Path or URI.
    content : bytes
        The file.
    key : str
        The column that a table must have.
    local : bool
        Whether `path` is a file of this machine, of which there may be more beside it (a shapefile's).

    Raises
    ------
    NoImagesError
        It is a text, but no list of paths.
    ValueError
        It cannot be read.
    """
    import pyarrow as pa

    try:
        return _read(path, content, key, local)
    except NoImagesError:
        raise
    except (pa.ArrowException, *_DAMAGES) as error:
        words = str(error) or type(error).__name__
        remedy = "" if ";" in words else "; save it again as UTF-8 text or Parquet"
        raise ValueError(f"images: the table {path!r} cannot be read: {words}{remedy}") from error


def _read(path: str, content: bytes, key: str, local: bool) -> RawTable:
    name = path.lower()
    for suffix in _PACKED_SUFFIXES:
        if name.endswith(suffix):
            return _read(path[: -len(suffix)], _unpacked(content, suffix), key, local=False)
    if name.endswith(".zip"):
        return _read(*_only_table(content, key), key, local=False)
    if name.endswith(DELIMITED_SUFFIXES):
        return _from_text(decode_text(content), key)
    if name.endswith(LIST_SUFFIXES):
        return _list_or_table(path, decode_text(content), key)
    if name.endswith(PARQUET_SUFFIXES):
        import pyarrow.parquet

        return _from_arrow(*with_points(pyarrow.parquet.read_table(io.BytesIO(content))))
    if name.endswith(ARROW_SUFFIXES):
        import pyarrow.feather

        return _from_arrow(*with_points(pyarrow.feather.read_table(io.BytesIO(content))))
    if name.endswith(WORKBOOK_SUFFIXES):
        return _from_workbook(content, name, key)
    if name.endswith(JSON_SUFFIXES):
        rows, left_out = read_json(decode_text(content), key, lines=name.endswith((".jsonl", ".ndjson", "jsonl")))
        return _from_rows(rows, left_out)
    return _from_arrow(*read_layer(path if local else None, content, name, key))


def _unpacked(content: bytes, suffix: str) -> bytes:
    if suffix in _PACKED:
        return _PACKED[suffix](content)
    import pyarrow as pa

    return bytes(pa.CompressedInputStream(io.BytesIO(content), "zstd").read())


def _only_table(content: bytes, key: str) -> tuple[str, bytes]:
    """Name and content of the one table in a ZIP archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        shapes = [name for name in names if name.lower().endswith(".shp")]
        if len(shapes) == 1:
            return "layer.zip.shp", content
        tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
        if len(tables) != 1:
            there = ", ".join(names[:5]) + ", …" * (len(names) > 5)
            what = f"{len(tables)} tables" if tables else "no table"
            raise ValueError(
                f"the archive holds {what} ({there or 'nothing'}); unpack it, and give a folder or one table"
            )
        return tables[0], archive.read(tables[0])


def _from_text(text: str, key: str) -> RawTable:
    table = read_delimited(text, key)
    notes = []
    if len(table.short):
        n = len(table.short)
        have = "row has" if n == 1 else "rows have"
        notes.append(f"{n:,} {have} fewer fields than the header, first in line {table.short[0]}: the last are missing")

    def place(row: int) -> str:
        return f"in row {row} (counted from 0; line {table.lines[row]})"

    return RawTable(table.columns, place, table.separator == ";", table.left_out, notes)


def _list_or_table(path: str, text: str, key: str) -> RawTable:
    """A table if its first line has the column that tables must have, else a path or URI in each line."""
    import pyarrow as pa

    head = text.lstrip().partition("\n")[0]
    if any(key in (cell.strip().strip('"') for cell in head.split(mark)) for mark in ",;\t|"):
        return _from_text(text, key)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    comments = [line for _, line in lines if line.startswith("#")]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not any(_like_a_path(line) for _, line in lines):
        there = f"its line {lines[0][0]} is {lines[0][1][:60]!r}" if lines else "it is empty"
        raise NoImagesError(f"images: {path!r} is no list of images: {there}; write a path or URI in each line")
    columns = {key: pa.chunked_array([pa.array([line for _, line in lines], pa.large_string())])}
    return RawTable(
        columns, lambda row: f"in line {lines[row][0]}", False, {"comment lines": comments} if comments else {}
    )


def _like_a_path(line: str) -> bool:
    suffix = os.path.splitext(line)[1]  # noqa: PTH122  # a URI is no path
    return "://" in line or "/" in line or (1 < len(suffix) <= 6 and " " not in suffix)


def _from_arrow(table: Any, left_out: dict[str, list[str]]) -> RawTable:
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
        if binary or name.startswith("__index_level_"):
            reason = "columns of bytes" if binary else "columns without a name"
            left_out.setdefault(reason, []).append(name)
        elif name in columns:
            raise ValueError(f"two columns are called {name!r}; rename one")
        else:
            columns[name] = from_arrow(column)
    return RawTable(columns, _row, left_out=left_out)


def _from_rows(rows: list[dict[str, Any]], left_out: dict[str, list[str]]) -> RawTable:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return RawTable({name: from_objects([row.get(name) for row in rows]) for name in names}, _row, left_out=left_out)


def _from_workbook(content: bytes, name: str, key: str) -> RawTable:
    """The one sheet of a workbook that has the column that tables must have."""
    import pandas as pd

    try:
        sheets = pd.read_excel(
            io.BytesIO(content), sheet_name=None, header=None, dtype=object, keep_default_na=False, na_values=[""]
        )
    except ImportError as error:
        suffix = name[name.rindex(".") :]
        needed = f"pip install {_ENGINES[suffix]}" if suffix in _ENGINES else "pip install 'segscape[tables]'"
        raise ValueError(
            f"a spreadsheet needs a library that is not installed ({needed}); or save it as CSV"
        ) from error
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise ValueError("it is no workbook, or damaged; save it again as XLSX or CSV") from error
    sheets = {name: sheet for name, sheet in sheets.items() if len(sheet)}
    with_key = [sheet for sheet in sheets if key in [str(cell).strip() for cell in sheets[sheet].iloc[0]]]
    if len(with_key) > 1:
        raise ValueError(f"sheets {', '.join(map(repr, with_key))} all have a column {key!r}; save one as a file")
    if not sheets:
        raise ValueError("all its sheets are empty; its first row must be a header")
    chosen = with_key[0] if with_key else next(iter(sheets))
    return _from_sheet(sheets[chosen])


def _from_sheet(sheet: pd.DataFrame) -> RawTable:
    cells = sheet.to_numpy(dtype=object)
    rows = np.arange(1, len(cells))
    empty = sheet.isna().to_numpy()[1:].all(axis=1)
    filled = rows[~empty]
    left_out = {"empty rows": [f"row {row + 1}" for row in rows[empty]]} if empty.any() else {}
    columns: dict[str, Any] = {}
    for number, head in enumerate(cells[0]):
        values = cells[filled, number].tolist()
        name = "" if is_missing(head) else str(head).strip()
        if not name:
            if not all(map(is_missing, values)):
                raise ValueError(f"column {number + 1} has no name in the first row; name it, or take it out")
            left_out.setdefault("columns without a name", []).append(f"column {number + 1}")
        elif name in columns:
            raise ValueError(f"two columns are called {name!r} in the first row; rename one")
        else:
            columns[name] = from_objects(values)
    return RawTable(columns, lambda row: f"in row {filled[row] + 1} of the sheet", left_out=left_out)


def _row(row: int) -> str:
    return f"in row {row} (counted from 0)"
