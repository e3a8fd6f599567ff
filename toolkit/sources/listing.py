"""From what a person says - a folder, a pattern, a table, a list - to the URIs of images, and what is known of each."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH113, PTH120

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import paths
from toolkit.sources.errors import NoImagesError, SourceError
from toolkit.sources.files_here import look_up, spelled_here
from toolkit.sources.folders import (
    Selection,
    as_text,
    below_folder,
    below_remote_folder,
    left_out_in_words,
    of_pattern,
    of_remote_pattern,
)
from toolkit.sources.foreign import HIDDEN, LITTER
from toolkit.sources.formats import IMAGE_SUFFIXES
from toolkit.sources.reading import read_bytes
from toolkit.sources.table_files import TABLE_SUFFIXES, RawTable, read_table
from toolkit.sources.tables import KEY, each_once, raw_table_of, read_images
from toolkit.sources.unfit import is_picture, seems_to_be
from toolkit.sources.uris import is_remote, local_path, normalize_uri

if TYPE_CHECKING:
    import pandas as pd

_ALLOWED = (
    "give a directory, a glob pattern, an image, a table (CSV, Parquet, XLSX, GeoJSON, …), a text file with a path in "
    "each line, a DataFrame or a list of URIs"
)
_HEAD_BYTES = 4096


@dataclass(frozen=True, eq=False)
class Listing:
    """The images that were asked for, each once."""

    uris: list[str]
    """URIs in normal form (see :func:`normalize_uri`), without duplicates."""
    covariates: pd.DataFrame | None
    """One row per URI in the same order, index 0, 1, …, without the URI itself; None where nothing more is known."""
    given: list[str] = field(default_factory=list)
    """What the person wrote for each URI: the cell of their table, the element of their list; for a folder or a pattern
    the path below that folder, or below the part of the pattern before its first magic, with ``/``."""
    base: str | None = None
    """Folder, as a URI in normal form, that relative paths of the table start from; None where there is no table."""
    written: pd.DataFrame | None = None
    """Texts as they were written, of those columns whose values do not give them back; rows as in `covariates`."""
    read_as: dict[str, str] = field(default_factory=dict)
    """What was decided for each column of a table, in words."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Files and folders that were found and are not listed, by reason."""
    missing: list[str] = field(default_factory=list)
    """Local URIs of a table or list of which there is no file. Nothing is looked up on servers."""
    notices: list[str] = field(default_factory=list)
    """What `list_images` warned of: files left out, images without a file, odd rows of a table."""

    def describe(self) -> str:
        """All that in a few lines, for a person."""
        lines = [f"{len(self.uris):,} images", *self.notices]
        on_servers = sum(map(is_remote, self.uris)) if self.base is not None else 0
        if on_servers:
            lines.append(f"{on_servers:,} of them are on servers, where they were not looked for")
        if self.left_out and not any(notice.startswith(left_out_in_words(self.left_out)) for notice in self.notices):
            lines.append(left_out_in_words(self.left_out))
        lines += [f"{column}: {words}" for column, words in self.read_as.items()]
        return "\n".join(lines)


def list_images(
    images: Listing | str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame,
    types: Mapping[str, str] | None = None,
    *,
    quiet: bool = False,
) -> Listing:
    """List the images that an argument names, and what a table says of each.

    Parameters
    ----------
    images : str, os.PathLike, pandas.DataFrame, Listing or iterable of str and os.PathLike
        One of

        * a directory: all files below it with an image suffix (such as ``.jpg .jpeg .jfif .png .webp .tif .bmp``, in
          any case), sorted; hidden files and folders are left out, and so are thumbnails, bins and snapshots of file
          servers, desktops and synchronisers (``@eaDir``, ``#recycle``, ``__MACOSX``, …) unless `images` is such a
          folder itself; symbolic links to folders are followed, each folder once;
        * a glob pattern, ``**`` for any depth: the files it matches whatever their suffix, sorted;
        * the URI of a folder or a pattern on a server (``sftp://host/photos/**/*.jpg``, ``s3://bucket/photos``);
        * one image file;
        * a table, here or on a server, with a column ``uri``: CSV, TSV and the like (also with semicolons and decimal
          commas, as Excel writes them in Europe), Parquet, Feather, XLSX, JSON (a list of objects), JSON lines,
          GeoJSON, GeoPackage, shapefile (points become ``lat`` and ``lon``); text also as ``.gz``, ``.bz2``, ``.xz``,
          ``.zst``, and any alone in a ``.zip``. Its other columns become the covariates. Relative URIs start from the
          table's own folder, and of a table on a server paths are paths there;
        * a text file (``.txt``, ``.lst``) with a path or URI in each line, relative ones starting from its folder;
        * a DataFrame with a column ``uri``, relative URIs starting from the working directory;
        * an iterable of paths and URIs, taken verbatim: no patterns, and a path that does not exist stays in the list,
          to be recorded as a failed image later;
        * a `Listing`, which is given back.

        ``data_catalog:`` at the start of a string stands for the data catalog's folder, ``~`` at the start of a single
        path or pattern for the home directory. A path that exists is that path, even if it could be read as a pattern.
        Names of local files are found in whatever Unicode normal form a table has them.
    types : mapping of str to str, optional
        What columns of a table are: ``"text"``, ``"whole"``, ``"number"``, ``"time"`` or ``"boolean"`` by their names.
        Words such as ``NA`` are missing values in columns that are said to be no text.
    quiet : bool
        Whether nothing is warned of; `Listing.notices` and `Listing.describe` say it.

    Returns
    -------
    Listing
        URIs in normal form, each once, covariates, and what was decided.

    Raises
    ------
    NoImagesError
        If the path does not exist, is a file of another kind, or nothing was found.
    TypeError
        If `images` or one of its elements has another type.
    ValueError
        If a table cannot be read, has no column ``uri``, lacks a value there, has a row of more fields than its header
        or two rows for one image that differ; or if a column is not what `types` says. It names line and column.

    Warns
    -----
    UserWarning
        Once each: files were left out; images of a table or list have no file here; rows have too few fields.

    Notes
    -----
    A column of text becomes numbers, times or booleans only if that loses nothing in any of its rows, however many: ids
    such as ``00123`` and ``61e45`` stay text, and so do words such as ``NA``. Empty cells are missing. Columns of files
    that have types keep them; whole numbers with gaps stay whole (``Int64``).

    Examples
    --------
    >>> list_images(["/photos/b.jpg", "s3://bucket/a.jpg", "/photos/b.jpg"]).uris
    ['/photos/b.jpg', 's3://bucket/a.jpg']
    """
    listing = _listed(images, types)
    if not quiet and listing is not images:
        for notice in listing.notices:
            warnings.warn(f"images: {notice}", stacklevel=2)
    return listing


def _listed(images: Any, types: Mapping[str, str] | None) -> Listing:
    import pandas as pd

    if types is not None and not isinstance(types, Mapping):
        raise TypeError(f"types: {types!r} is a {type(types).__name__}; give a dict such as {{'id': 'text'}}")
    if isinstance(images, Listing):
        _refuse_types(types, "a Listing, of which columns are decided already")
        return images
    if isinstance(images, pd.DataFrame):
        return _of_table(raw_table_of(images), normalize_uri("."), "the DataFrame", types)
    if isinstance(images, str | os.PathLike):
        text = os.fspath(images)
        if isinstance(text, str):
            return _list_path(text, types)
    elif isinstance(images, Iterable) and not isinstance(images, bytes | bytearray | memoryview | Mapping):
        _refuse_types(types, "a list, which has no columns")
        return _list_elements(images)
    raise TypeError(f"images: {_shortened(images)} is a {type(images).__name__}; {_ALLOWED}")


def _list_path(text: str, types: Mapping[str, str] | None) -> Listing:
    if not text:
        raise NoImagesError(f"images: '' is empty; {_ALLOWED}")
    path = local_path(paths.expand(text))
    if path is None:
        return _list_remote(normalize_uri(text), types)
    if not os.path.exists(path):
        path = spelled_here(os.path.expanduser(path))
    if os.path.isfile(path) and path.lower().endswith(TABLE_SUFFIXES):
        return _list_table(path, text, types)
    _refuse_types(types, f"{text!r}, which is no table")
    if os.path.isdir(path):
        selection = below_folder(path)
    elif os.path.exists(path):
        if os.path.isfile(path) and not path.lower().endswith(IMAGE_SUFFIXES):
            _refuse_unfit(path, text)
        return Listing([normalize_uri(path)], None, given=[text])
    elif glob.has_magic(path):
        selection = of_pattern(path)
    else:
        selection = Selection({}, {}, "the path does not exist")
    if not selection.files:
        raise NoImagesError(f"images: {text!r}: {selection.nothing} (working directory: {Path.cwd()}); {_ALLOWED}")
    return _of_selection(selection)


def _of_selection(selection: Selection) -> Listing:
    """Hidden files and those of desktops alone are not worth a warning."""
    left_out = selection.left_out
    notices = [f"{left_out_in_words(left_out)}; list_images(…).left_out has their names"]
    return Listing(
        list(selection.files),
        None,
        given=list(selection.files.values()),
        left_out=left_out,
        notices=notices if set(left_out) - {HIDDEN, LITTER} else [],
    )


def _list_remote(uri: str, types: Mapping[str, str] | None) -> Listing:
    """Images of a server: a folder, a pattern, one image, or those that a table names."""
    pattern = glob.has_magic(uri)
    try:
        if uri.lower().endswith(TABLE_SUFFIXES) and not pattern:
            raw = read_table(uri, read_bytes(uri), KEY, local=False)
            return _of_table(raw, uri.rpartition("/")[0], uri, types)
        _refuse_types(types, f"{uri!r}, which is no table")
        if uri.lower().endswith(IMAGE_SUFFIXES) and not pattern:
            return Listing([uri], None, given=[uri])
        selection = of_remote_pattern(uri) if pattern else below_remote_folder(uri)
    except SourceError as error:
        selection = Selection({}, {}, error.reason)
    if not selection.files:
        kind = "" if pattern else seems_to_be(uri)
        words = f"seems to be {kind}" if kind else selection.nothing
        raise NoImagesError(f"images: {uri!r}: {words}; or give the list of its images' URIs")
    return _of_selection(selection)


def _refuse_unfit(path: str, text: str) -> None:
    """Refuse a file without the suffix of an image, unless its first bytes are those of one."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return  # it becomes a failed image, which says why
    if not is_picture(head):
        words = f"is neither an image nor a table: it seems to be {seems_to_be(path, head)}"
        raise NoImagesError(f"images: {text!r} {words}; {_ALLOWED}")


def _list_table(path: str, text: str, types: Mapping[str, str] | None) -> Listing:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"images: the table {path!r} cannot be read: {error.strerror or error}") from error
    raw = read_table(path, content, KEY, local=True)
    return _of_table(raw, normalize_uri(os.path.dirname(os.path.abspath(path))), path, types)


def _of_table(raw: RawTable, base: str, name: str, types: Mapping[str, str] | None) -> Listing:
    table = read_images(raw, base, name, types)
    here = look_up(table.uris)
    table = each_once(table, here.uris)
    missing = list(dict.fromkeys(here.missing))
    return Listing(
        table.uris,
        table.covariates if len(table.covariates.columns) else None,
        given=[as_text(one) for one in table.given],
        base=base,
        written=table.written if len(table.written.columns) else None,
        read_as=table.read_as,
        left_out=raw.left_out,
        missing=missing,
        notices=[f"{name}: {note}" for note in raw.notes] + _of_missing(missing, len(table.uris), here.nearly),
    )


def _list_elements(elements: Iterable[Any]) -> Listing:
    uris, given = [], []
    for position, element in enumerate(elements):
        try:
            uris.append(normalize_uri(element))
        except TypeError as error:
            raise TypeError(f"images: element {position} (counted from 0): {error}") from error
        except ValueError as error:
            raise ValueError(f"images: element {position} (counted from 0): {error}") from error
        given.append(os.fspath(element))
    if not uris:
        raise NoImagesError(f"images: the list is empty; {_ALLOWED}")
    if len(uris) == 1 and (uris[0].lower().endswith(TABLE_SUFFIXES) or os.path.isdir(uris[0])):
        raise NoImagesError(f"images: the list holds nothing but {given[0]!r}, which is no image; give it by itself")
    here = look_up(uris)
    as_given: dict[str, str] = {}
    for uri, one in zip(here.uris, given, strict=True):
        as_given.setdefault(uri, as_text(one))
    missing = list(dict.fromkeys(here.missing))
    notices = _of_missing(missing, len(as_given), here.nearly)
    return Listing(list(as_given), None, given=list(as_given.values()), missing=missing, notices=notices)


def _of_missing(missing: Sequence[str], total: int, nearly: Mapping[str, str]) -> list[str]:
    if not missing:
        return []
    first = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
    there = "has no file here" if len(missing) == 1 else "have no file here"
    hint = "".join(f"; {file!r} is there, which is not {name!r}" for name, file in list(nearly.items())[:1])
    return [f"{len(missing):,} of {total:,} images {there}, and will count as failed: {first}{hint}"]


def _refuse_types(types: Mapping[str, str] | None, what: str) -> None:
    if types:
        raise ValueError(f"types: they are for the columns of a table, and images is {what}; leave types out")


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
