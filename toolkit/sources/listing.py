"""From what a person says - a folder, a pattern, a table, a list - to the URIs of images, and what is known of each."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH118, PTH120, PTH207

from __future__ import annotations

import glob
import io
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fsspec.utils import glob_translate

from toolkit import paths
from toolkit.sources import objects, sftp
from toolkit.sources.errors import NoImagesError, SourceError
from toolkit.sources.formats import IMAGE_SUFFIXES, OTHER_PICTURE_SUFFIXES
from toolkit.sources.reading import DEFAULT_LIMITS, read_bytes
from toolkit.sources.uris import is_remote, local_path, normalize_uri, resolve_remote, scheme_of

if TYPE_CHECKING:
    import pandas as pd

_WALKS: dict[str, Callable[[str, float], Iterator[str]]] = {
    "sftp": sftp.walk,
    **dict.fromkeys(objects.SCHEMES, objects.walk),
}
_TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_URI = "uri"
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_ZONE = r":\d\d.*(?:Z|[+-]\d\d:?\d\d)$"
_ALLOWED = "give a directory, a glob pattern, an image, a table (.csv, .tsv, .parquet), a DataFrame or a list of URIs"


@dataclass(frozen=True, eq=False)
class Listing:
    """The images that were asked for, each once."""

    uris: list[str]
    """URIs in normal form (see :func:`normalize_uri`), without duplicates."""
    covariates: pd.DataFrame | None
    """One row per URI in the same order, index 0, 1, …, without the URI itself; None where nothing more is known."""


def list_images(images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame) -> Listing:
    """List the images that an argument names.

    Parameters
    ----------
    images : str, os.PathLike, pandas.DataFrame or iterable of str and os.PathLike
        One of

        * a directory: all files below it with an image suffix (``.jpg .jpeg .png .webp .tif .tiff .bmp`` in any case),
          sorted; hidden files and folders are skipped, symbolic links to folders are followed, each folder once;
        * a glob pattern, ``**`` for any depth: the files it matches whatever their suffix, sorted;
        * the URI of a folder or a pattern on a server (``sftp://host/photos/**/*.jpg``, ``s3://bucket/photos``);
        * one image file;
        * a table ``.csv``, ``.tsv`` or ``.parquet``, here or on a server, with a column ``uri``; its other columns
          become the covariates, as times where all are ISO 8601 dates. Relative URIs start from the table's own folder,
          and of a table on a server paths are paths there;
        * a DataFrame with a column ``uri``, relative URIs starting from the working directory;
        * an iterable of paths and URIs, taken verbatim: no patterns, and a path that does not exist stays in the list,
          to be recorded as a failed image later.

        ``data_catalog:`` at the start of a string stands for the data catalog's folder, ``~`` at the start of a single
        path or pattern for the home directory. A path that exists is that path, even if it could be read as a pattern.

    Returns
    -------
    Listing
        URIs in normal form, each once, and covariates.

    Raises
    ------
    NoImagesError
        If the path does not exist or nothing was found.
    TypeError
        If `images` or one of its elements has another type.
    ValueError
        If a table cannot be read, has no column ``uri``, lacks a value there, or has two rows for one image that
        differ.

    Examples
    --------
    >>> list_images(["/photos/b.jpg", "s3://bucket/a.jpg", "/photos/b.jpg"]).uris
    ['/photos/b.jpg', 's3://bucket/a.jpg']
    """
    import pandas as pd

    if isinstance(images, pd.DataFrame):
        return _list_table(images, base=None, name="the DataFrame")
    if isinstance(images, str | os.PathLike):
        text = os.fspath(images)
        if isinstance(text, str):
            return _list_path(text)
    elif isinstance(images, Iterable) and not isinstance(images, bytes | bytearray | memoryview | Mapping):
        return _list_elements(images)
    raise TypeError(f"images: {_shortened(images)} is a {type(images).__name__}; {_ALLOWED}")


def _list_path(text: str) -> Listing:
    if not text:
        raise NoImagesError(f"images: '' is empty; {_ALLOWED}")
    path = local_path(paths.expand(text))
    if path is None:
        return _list_remote(normalize_uri(text))
    if not os.path.exists(path):
        path = os.path.expanduser(path)
    if os.path.isdir(path):
        found = sorted(_images_below(path))
        reason = f"no files ending in {' '.join(IMAGE_SUFFIXES)} in this directory"
    elif os.path.exists(path):
        if path.lower().endswith(_TABLE_SUFFIXES):
            return _list_table(_read_table(path), base=os.path.dirname(os.path.abspath(path)), name=path)
        found, reason = [path], ""
    elif glob.has_magic(path):
        # What is no directory is listed, a link to nowhere too: it becomes a failed image rather than nothing.
        found = sorted(match for match in glob.glob(path, recursive=True) if not os.path.isdir(match))
        reason = "no files match this pattern"
    else:
        found, reason = [], "the path does not exist"
    if not found:
        raise NoImagesError(f"images: {text!r}: {reason} (working directory: {Path.cwd()}); {_ALLOWED}")
    return Listing(_each_once(normalize_uri(match) for match in found), None)


def _list_remote(uri: str) -> Listing:
    """Images of a server: a folder, a pattern, or one image."""
    scheme = scheme_of(uri)
    walk = _WALKS.get(scheme)
    if walk is None:
        reason = f"{scheme}:// of another machine cannot be listed; give the list of its images' URIs"
        raise NoImagesError(f"images: {uri!r}: {reason}")
    stall = DEFAULT_LIMITS.stall_seconds
    if uri.lower().endswith(_TABLE_SUFFIXES) and not glob.has_magic(uri):
        try:
            table = _read_table(uri, io.BytesIO(read_bytes(uri)))
        except SourceError as error:
            raise NoImagesError(f"images: {uri!r}: {error.reason}") from error
        return _list_table(table, base=uri.rpartition("/")[0], name=uri)
    try:
        if glob.has_magic(uri):
            # What stands before the first magic is the folder to look through; the match is of decoded names.
            folder = uri[: re.search(r"[*?[]", uri).start()].rpartition("/")[0]  # type: ignore[union-attr]
            matches = re.compile(glob_translate(unquote(uri))).fullmatch
            found = [one for one in walk(folder, stall) if matches(unquote(one))]
            reason = "no files match this pattern"
        elif uri.lower().endswith(IMAGE_SUFFIXES):
            found, reason = [uri], ""
        else:
            found = [one for one in walk(uri, stall) if one.lower().endswith(IMAGE_SUFFIXES)]
            reason = f"no files ending in {' '.join(IMAGE_SUFFIXES)} in this folder"
    except SourceError as error:
        found, reason = [], error.reason
    if not found:
        raise NoImagesError(f"images: {uri!r}: {reason}")
    return Listing(_each_once(found), None)


def _images_below(directory: str) -> Iterator[str]:
    visited: set[str] = set()
    left_out: list[str] = []
    for folder, subfolders, files in os.walk(directory, onerror=_warn_of_folder, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:  # a link to a folder above it would never end
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            if name.startswith("."):
                continue
            if name.lower().endswith(IMAGE_SUFFIXES):
                yield os.path.join(folder, name)
            elif name.lower().endswith(OTHER_PICTURE_SUFFIXES):
                left_out.append(name)
    if left_out:
        message = f"images: {len(left_out)} pictures in formats that are not read are left out, such as {left_out[0]!r}"
        warnings.warn(message, stacklevel=2)


def _warn_of_folder(error: OSError) -> None:
    message = f"images: the folder {error.filename!r} cannot be read ({error.strerror}); its images are not listed"
    warnings.warn(message, stacklevel=2)


def _list_elements(elements: Iterable[Any]) -> Listing:
    uris = []
    for position, element in enumerate(elements):
        try:
            uris.append(normalize_uri(element))
        except TypeError as error:
            raise TypeError(f"images: element {position} (counted from 0): {error}") from error
        except ValueError as error:
            raise ValueError(f"images: element {position} (counted from 0): {error}") from error
    if not uris:
        raise NoImagesError(f"images: the list is empty; {_ALLOWED}")
    return Listing(_each_once(uris), None)


def _read_table(path: str, content: io.BytesIO | None = None) -> pd.DataFrame:
    """A table by its path, or its content if that is at hand."""
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


def _list_table(table: pd.DataFrame, base: str | None, name: str) -> Listing:
    columns = [str(column) for column in table.columns]
    if len(columns) == 1 and ";" in columns[0]:
        raise ValueError(f"images: {name} is separated by semicolons; save it again with commas, or as Parquet")
    if columns.count(_URI) != 1:
        raise ValueError(f"images: {name} needs one column {_URI!r}; it has {', '.join(columns) or 'no columns'}")
    if len(set(columns)) != len(columns):
        raise ValueError(f"images: {name} has two columns of one name among {', '.join(columns)}; rename one")
    if table.empty:
        raise NoImagesError(f"images: {name} has no rows; {_ALLOWED}")
    uris = [_cell_uri(cell, base, row, name) for row, cell in enumerate(table[_URI])]
    covariates = table.drop(columns=_URI).reset_index(drop=True)
    first = {uri: row for row, uri in reversed(list(enumerate(uris)))}
    if len(first) < len(uris):
        rows = [row for row, uri in enumerate(uris) if first[uri] == row]
        repeated = [row for row, uri in enumerate(uris) if first[uri] != row]
        _require_same(covariates, repeated, [first[uris[row]] for row in repeated], uris)
        uris = [uris[row] for row in rows]
        covariates = covariates.iloc[rows].reset_index(drop=True)
    return Listing(uris, covariates if len(covariates.columns) else None)


def _cell_uri(cell: Any, base: str | None, row: int, name: str) -> str:
    import pandas as pd

    where = f"images: {name}, row {row} (counted from 0)"
    if isinstance(cell, str | os.PathLike):
        text = os.fspath(cell)
        if text.strip() and base is not None and is_remote(base) and not is_remote(text) and "://" not in text:
            return resolve_remote(base, text)
        if text.strip():
            return normalize_uri(cell, base)
    elif not pd.isna(cell):
        raise TypeError(f"{where}: the {_URI} {cell!r} is a {type(cell).__name__}; give a string or a path")
    raise ValueError(f"{where}: the {_URI} is missing; fill it in or drop the row")


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


def _each_once(uris: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(uris))


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
