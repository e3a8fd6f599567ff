"""Tables of images: by path, content or DataFrame, to URIs and what is known of each image."""

from __future__ import annotations

import io
import os
import re
import warnings
from typing import TYPE_CHECKING, Any

from toolkit.sources.errors import NoImagesError
from toolkit.sources.registry import source_of
from toolkit.sources.uris import is_remote, normalize_uri

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
"""The suffixes, in lower case, of tables that are read."""

_URI = "uri"
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_ZONE = r":\d\d.*(?:Z|[+-]\d\d:?\d\d)$"


def read_table(path: str, content: io.BytesIO | None = None) -> pd.DataFrame:
    """A table by its path, or its content if that is at hand.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    import pandas as pd

    file = path if content is None else content
    try:
        if path.lower().endswith(".parquet"):
            return pd.read_parquet(file)
        # Names like 001 are text; and commas at the ends of lines do not make an index of the first column.
        separator = "\t" if path.lower().endswith(".tsv") else ","
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # rows longer than the header
            return _with_times(pd.read_csv(file, sep=separator, index_col=False, dtype={_URI: str}))
    except (OSError, ValueError, NotImplementedError) as error:
        raise ValueError(
            f"images: the table {path!r} cannot be read: {error}; save it again as UTF-8 text or Parquet"
        ) from error


def _with_times(table: pd.DataFrame) -> pd.DataFrame:
    """Columns in which all that is not missing is written as ISO 8601 dates or times become times."""
    import pandas as pd

    for name in table.columns:
        texts = table[name].dropna()
        if name != _URI and len(texts) and all(isinstance(text, str) and _ISO_TIME.fullmatch(text) for text in texts):
            zoned = bool(texts.str.contains(_ZONE).any())
            times = pd.to_datetime(table[name], format="ISO8601", utc=zoned, errors="coerce")
            if times.notna().sum() == len(texts):  # else there is a 30 February among them, and it stays text
                table[name] = times
    return table


def uris_and_covariates(table: pd.DataFrame, base: str | None, name: str) -> tuple[list[str], pd.DataFrame | None]:
    """The URIs of a table, each once, and its other columns.

    Parameters
    ----------
    table : pandas.DataFrame
        With a column ``uri``.
    base : str or None
        Folder or URI that relative paths start from; the working directory if left out.
    name : str
        What the table is called in messages.

    Raises
    ------
    NoImagesError
        It has no rows.
    TypeError, ValueError
        It has no column of URIs, lacks some, or has two rows for one image that differ.
    """
    columns = [str(column) for column in table.columns]
    if len(columns) == 1 and ";" in columns[0]:
        raise ValueError(f"images: {name} is separated by semicolons; save it again with commas, or as Parquet")
    if columns.count(_URI) != 1:
        raise ValueError(f"images: {name} needs one column {_URI!r}; it has {', '.join(columns) or 'no columns'}")
    if len(set(columns)) != len(columns):
        raise ValueError(f"images: {name} has two columns of one name among {', '.join(columns)}; rename one")
    if table.empty:
        raise NoImagesError(f"images: {name} has no rows; give a table with a row per image")
    uris = [_cell_uri(cell, base, row, name) for row, cell in enumerate(table[_URI])]
    covariates = table.drop(columns=_URI).reset_index(drop=True)
    first = {uri: row for row, uri in reversed(list(enumerate(uris)))}
    if len(first) < len(uris):
        rows = sorted(first.values())
        repeated = [row for row, uri in enumerate(uris) if first[uri] != row]
        _require_same(covariates, repeated, [first[uris[row]] for row in repeated], uris)
        uris = [uris[row] for row in rows]
        covariates = covariates.iloc[rows].reset_index(drop=True)
    return uris, covariates if len(covariates.columns) else None


def _cell_uri(cell: Any, base: str | None, row: int, name: str) -> str:
    import pandas as pd

    where = f"images: {name}, row {row} (counted from 0)"
    if isinstance(cell, str | os.PathLike):
        text = os.fspath(cell)
        if text.strip() and base is not None and is_remote(base) and "://" not in text:
            return _uri_on_server(base, text)
        if text.strip():
            return normalize_uri(cell, base)
    elif not pd.isna(cell):
        raise TypeError(f"{where}: the {_URI} {cell!r} is a {type(cell).__name__}; give a string or a path")
    raise ValueError(f"{where}: the {_URI} is missing; fill it in or drop the row")


def _uri_on_server(folder: str, path: str) -> str:
    """The URI of a path in a table of a server: from the table's folder, or from the server's root or bucket."""
    written = source_of(folder).encode(path)
    return "/".join(folder.split("/")[:3]) + written if path.startswith("/") else f"{folder}/{written}"


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
