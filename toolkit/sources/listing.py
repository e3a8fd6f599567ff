"""From what a person says - a folder, a pattern, a table, a list - to the URIs of images, and what is known of each."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH113, PTH120, PTH207

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote

from fsspec.utils import glob_translate

from toolkit import paths
from toolkit.sources.errors import NoImagesError, SourceError
from toolkit.sources.files_here import look_up, spelled_here
from toolkit.sources.foreign import HIDDEN, LITTER, reason_for_path
from toolkit.sources.formats import IMAGE_SUFFIXES
from toolkit.sources.reading import DEFAULT_LIMITS, read_bytes
from toolkit.sources.registry import source_of
from toolkit.sources.table_files import TABLE_SUFFIXES, RawTable, read_table
from toolkit.sources.tables import KEY, each_once, raw_table_of, read_images
from toolkit.sources.unfit import is_picture, seems_to_be
from toolkit.sources.uris import local_path, normalize_uri

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

    def describe(self) -> str:
        """All that in a few lines, for a person."""
        lines = [f"{len(self.uris):,} images"]
        if self.missing:
            lines.append(f"{len(self.missing):,} of them have no file, such as {', '.join(self.missing[:3])}")
        if self.left_out:
            lines.append(left_out_in_words(self.left_out))
        lines += [f"{column}: {words}" for column, words in self.read_as.items()]
        return "\n".join(lines)


def left_out_in_words(left_out: Mapping[str, Sequence[str]]) -> str:
    """``214 files were left out: 200 thumbnails in @eaDir, 14 .mp4``."""
    counts = sorted(((len(files), reason) for reason, files in left_out.items()), key=lambda one: -one[0])
    total = sum(count for count, _ in counts)
    were = "file was" if total == 1 else "files were"
    return f"{total:,} {were} left out: {', '.join(f'{count:,} {reason}' for count, reason in counts)}"


def list_images(
    images: Listing | str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame,
    types: Mapping[str, str] | None = None,
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
        return _list_folder(path, text)
    if os.path.exists(path):
        if os.path.isfile(path) and not path.lower().endswith(IMAGE_SUFFIXES):
            _refuse_unfit(path, text)
        return Listing([normalize_uri(path)], None, given=[text])
    if not glob.has_magic(path):
        raise _none_found(text, "the path does not exist")
    return _list_pattern(path, text)


def _none_found(text: str, reason: str) -> NoImagesError:
    return NoImagesError(f"images: {text!r}: {reason} (working directory: {Path.cwd()}); {_ALLOWED}")


def _list_folder(folder: str, text: str) -> Listing:
    found, left_out = _images_below(folder)
    if not found:
        raise _none_found(text, _no_images_in_words(left_out))
    found.sort()
    _warn_of_left_out(left_out)
    start = len(folder.rstrip("/")) + 1
    return _of_files({normalize_uri(file): _storable(file[start:]) for file in found}, left_out)


def _list_pattern(pattern: str, text: str) -> Listing:
    """The files that a pattern matches, but for those in foreign folders that it does not name."""
    folder, slash, _ = pattern[: _first_magic(pattern)].rpartition("/")
    if folder:
        pattern = spelled_here(folder) + pattern[len(folder) :]
        folder = spelled_here(folder)
    found: list[str] = []
    left_out: dict[str, list[str]] = {}
    start = len(folder + slash)
    # What is no directory is listed, a link to nowhere too: it becomes a failed image rather than nothing.
    for match in sorted(match for match in glob.glob(pattern, recursive=True) if not os.path.isdir(match)):
        reason = _reason_beside(match[start:], pattern)
        (left_out.setdefault(reason, []) if reason else found).append(match)
    if not found:
        raise _none_found(text, "no files match this pattern")
    _warn_of_left_out(left_out)
    return _of_files({normalize_uri(match): _storable(match[start:]) for match in found}, left_out)


def _first_magic(pattern: str) -> int:
    return re.search(r"[*?[]", pattern).start()  # type: ignore[union-attr]


def _reason_beside(path: str, pattern: str) -> str:
    """Why a path that matches is not wanted, unless the pattern names what would be the reason."""
    named = set(pattern.split("/"))
    return reason_for_path("/".join(part for part in path.split("/") if part not in named and not part.startswith(".")))


def _of_files(given: Mapping[str, str], left_out: dict[str, list[str]]) -> Listing:
    return Listing(list(given), None, given=list(given.values()), left_out=left_out)


def _storable(path: str) -> str:
    """A relative path as text that can be stored, whatever the bytes of its name."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return quote_from_bytes(os.fsencode(path))
    return path


def _list_remote(uri: str, types: Mapping[str, str] | None) -> Listing:
    """Images of a server: a folder, a pattern, one image, or those that a table names."""
    pattern = glob.has_magic(uri)
    found: list[str] = []
    left_out: dict[str, list[str]] = {}
    try:
        if uri.lower().endswith(TABLE_SUFFIXES) and not pattern:
            raw = read_table(uri, read_bytes(uri), KEY, local=False)
            return _of_table(raw, uri.rpartition("/")[0], uri, types)
        _refuse_types(types, f"{uri!r}, which is no table")
        if uri.lower().endswith(IMAGE_SUFFIXES) and not pattern:
            return Listing([uri], None, given=[uri])
        if pattern:
            # What stands before the first magic is the folder to look through; the match is of decoded names.
            folder = uri[: _first_magic(uri)].rpartition("/")[0]
            matches = re.compile(glob_translate(unquote(uri))).fullmatch
            for file, _ in source_of(uri).walk(folder, DEFAULT_LIMITS.stall_seconds):
                hidden = any(part.startswith(".") for part in file[len(folder) :].split("/"))
                if matches(unquote(file)) and not hidden:
                    reason = _reason_beside(unquote(file[len(folder) + 1 :]), unquote(uri))
                    (left_out.setdefault(reason, []) if reason else found).append(file)
            words = "no files match this pattern"
        else:
            folder = uri.rstrip("/")
            found, left_out = _images_below(uri)
            kind = seems_to_be(uri)
            words = f"is {kind}" if kind else _no_images_in_words(left_out)
    except SourceError as error:
        words = error.reason
    if not found:
        raise NoImagesError(f"images: {uri!r}: {words}; or give the list of its images' URIs")
    _warn_of_left_out(left_out)
    decoded = unquote if source_of(uri).encode(" ") != " " else str
    return _of_files({file: decoded(file[len(folder) + 1 :]) for file in found}, left_out)


def _images_below(folder: str) -> tuple[list[str], dict[str, list[str]]]:
    """The images below a folder, here or on a server; and what else is there, by reason."""
    found: list[str] = []
    left_out: dict[str, list[str]] = {}
    for file, reason in source_of(folder).walk(folder, DEFAULT_LIMITS.stall_seconds):
        if not reason and file.lower().endswith(IMAGE_SUFFIXES):
            found.append(file)
        else:
            suffix = os.path.splitext(file)[1].lower()  # noqa: PTH122  # a URI is no path
            left_out.setdefault(reason or suffix or "without a suffix", []).append(file)
    return found, left_out


def _no_images_in_words(left_out: Mapping[str, Sequence[str]]) -> str:
    words = f"no files ending in {' '.join(IMAGE_SUFFIXES)} in this folder"
    return f"{words} ({left_out_in_words(left_out)})" if left_out else words


def _warn_of_left_out(left_out: Mapping[str, Sequence[str]]) -> None:
    """Once for all; hidden files and those of desktops alone are not worth it."""
    if set(left_out) - {HIDDEN, LITTER}:
        message = f"images: {left_out_in_words(left_out)}; list_images(…).left_out has their names"
        warnings.warn(message, stacklevel=4)


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
    for note in raw.notes:
        warnings.warn(f"images: {name}: {note}", stacklevel=4)
    table = read_images(raw, base, name, types)
    here = look_up(table.uris)
    table = each_once(table, here.uris)
    missing = list(dict.fromkeys(here.missing))
    _warn_of_missing(missing, len(table.uris), here.nearly)
    return Listing(
        table.uris,
        table.covariates if len(table.covariates.columns) else None,
        given=[_storable(one) for one in table.given],
        base=base,
        written=table.written if len(table.written.columns) else None,
        read_as=table.read_as,
        left_out=raw.left_out,
        missing=missing,
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
    here = look_up(uris)
    as_given: dict[str, str] = {}
    for uri, one in zip(here.uris, given, strict=True):
        as_given.setdefault(uri, _storable(one))
    missing = list(dict.fromkeys(here.missing))
    _warn_of_missing(missing, len(as_given), here.nearly)
    return Listing(list(as_given), None, given=list(as_given.values()), missing=missing)


def _warn_of_missing(missing: Sequence[str], total: int, nearly: Mapping[str, str]) -> None:
    if not missing:
        return
    first = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
    there = "has no file here" if len(missing) == 1 else "have no file here"
    hint = "".join(f"; {file!r} is there, which is not {name!r}" for name, file in list(nearly.items())[:1])
    message = f"images: {len(missing):,} of {total:,} images {there}, and will count as failed: {first}{hint}"
    warnings.warn(message, stacklevel=4)


def _refuse_types(types: Mapping[str, str] | None, what: str) -> None:
    if types:
        raise ValueError(f"types: they are for the columns of a table, and images is {what}; leave types out")


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
