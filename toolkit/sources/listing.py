"""From what a person says - a folder, a pattern, a table, a list - to the URIs of images, and what is known of each."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH120, PTH207

from __future__ import annotations

import glob
import io
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fsspec.utils import glob_translate

from toolkit import paths
from toolkit.sources.errors import NoImagesError, SourceError
from toolkit.sources.formats import IMAGE_SUFFIXES, OTHER_PICTURE_SUFFIXES
from toolkit.sources.reading import DEFAULT_LIMITS, read_bytes
from toolkit.sources.registry import source_of
from toolkit.sources.tables import TABLE_SUFFIXES, read_table, uris_and_covariates
from toolkit.sources.uris import local_path, normalize_uri

if TYPE_CHECKING:
    import pandas as pd

_ALLOWED = "give a directory, a glob pattern, an image, a table (.csv, .tsv, .parquet), a DataFrame or a list of URIs"


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

    if isinstance(images, Listing):
        return images
    if isinstance(images, pd.DataFrame):
        return Listing(*uris_and_covariates(images, None, "the DataFrame"))
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
        found, reason = _images_below(path)
        found.sort()
    elif os.path.exists(path):
        if path.lower().endswith(TABLE_SUFFIXES):
            return Listing(*uris_and_covariates(read_table(path), os.path.dirname(os.path.abspath(path)), path))
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
    """Images of a server: a folder, a pattern, one image, or those that a table names."""
    try:
        if uri.lower().endswith(TABLE_SUFFIXES) and not glob.has_magic(uri):
            table = read_table(uri, io.BytesIO(read_bytes(uri)))
            return Listing(*uris_and_covariates(table, uri.rpartition("/")[0], uri))
        if glob.has_magic(uri):
            # What stands before the first magic is the folder to look through; the match is of decoded names.
            folder = uri[: re.search(r"[*?[]", uri).start()].rpartition("/")[0]  # type: ignore[union-attr]
            matches = re.compile(glob_translate(unquote(uri))).fullmatch
            walk = source_of(uri).walk(folder, DEFAULT_LIMITS.stall_seconds)
            found = [one for one in walk if matches(unquote(one))]
            reason = "no files match this pattern"
        elif uri.lower().endswith(IMAGE_SUFFIXES):
            found, reason = [uri], ""
        else:
            found, reason = _images_below(uri)
    except SourceError as error:
        found, reason = [], error.reason
    if not found:
        raise NoImagesError(f"images: {uri!r}: {reason}; or give the list of its images' URIs")
    return Listing(_each_once(found), None)


def _images_below(folder: str) -> tuple[list[str], str]:
    """The images below a folder, here or on a server; and the words for there being none."""
    found: list[str] = []
    left_out: list[str] = []
    for file in source_of(folder).walk(folder, DEFAULT_LIMITS.stall_seconds):
        if file.lower().endswith(IMAGE_SUFFIXES):
            found.append(file)
        elif file.lower().endswith(OTHER_PICTURE_SUFFIXES):
            left_out.append(file.rpartition("/")[2])
    if left_out:
        message = f"images: {len(left_out)} pictures in formats that are not read are left out, such as {left_out[0]!r}"
        warnings.warn(message, stacklevel=2)
    return found, f"no files ending in {' '.join(IMAGE_SUFFIXES)} in this folder"


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


def _each_once(uris: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(uris))


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
