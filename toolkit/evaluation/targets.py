"""Where the truth of an image lies: from what a person says - a folder, a pattern, a table, a list - to its mask."""
# os.path throughout: pathlib rewrites what was written.
# ruff: noqa: PTH111, PTH112, PTH113, PTH119, PTH120, PTH207

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np
from torch import Tensor

from toolkit import paths
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.masks import MASK_SUFFIXES
from toolkit.evaluation.pairing import Naming, Pairing
from toolkit.evaluation.places import MaskFile, split
from toolkit.models import DatasetDescriptor
from toolkit.sources import list_images, normalize_uri
from toolkit.sources.reading import DEFAULT_LIMITS
from toolkit.sources.registry import source_of
from toolkit.sources.table_files import TABLE_SUFFIXES
from toolkit.sources.uris import is_remote

if TYPE_CHECKING:
    import pandas as pd

Target = str | np.ndarray
"""The path of a mask, or what the file would hold."""

_COLUMN = "target"
_ALLOWED = (
    "give a directory or glob pattern of masks, a table of them (a file with the columns 'uri' and 'target', or a "
    "DataFrame), the name of a covariate, a mapping from URI to mask, a sequence with one mask per image, or a "
    "function of the URI"
)


@dataclass(frozen=True)
class TargetFinder:
    """Finds the target of an image."""

    find: Callable[[int, str], Target | None]
    """Called with the position of an image among those that are evaluated and with its URI; None: it has no target."""
    place: str
    """Where it looks, in words."""
    in_advance: bool = True
    """Whether it knows at once, so that all images can be looked up before anything is read."""
    nearly: Callable[[str], str] = lambda uri: ""
    """Called with the URI of an image without target: what was found that is nearly its target, or empty."""

    def looked_for(self, uri: str) -> str:
        """Where the target of an image that has none was looked for, in words."""
        return "; ".join(filter(None, (self.place, self.nearly(uri))))


@dataclass(frozen=True, eq=False)
class ImagesOfTargets:
    """What is known of the images whose targets are sought."""

    uris: Sequence[str]
    """Those that are evaluated, in the order of targets given as a sequence."""
    everything: Sequence[str] = ()
    """All that there are, each of which a mask could be of; those that are evaluated if empty."""
    covariates: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]] = field(default_factory=dict)
    """What else is known of those that are evaluated, one value per image."""
    bases: Callable[[str], Sequence[str | None]] | None = None
    """The folders that relative paths in a covariate start from, one per image that is evaluated; None there, or
    instead: the working directory."""
    removed: Sequence[str] = ()
    """Those that were taken out of the catalog: a mask could be of one of them as well."""


def find_targets(targets: Any, images: ImagesOfTargets, dataset: DatasetDescriptor | None) -> TargetFinder:
    """Find out where targets lie; what is returned may be asked from any thread.

    Parameters
    ----------
    targets : object
        As for `toolkit.evaluate`.
    images : ImagesOfTargets
        The images.
    dataset : DatasetDescriptor, optional
        Says how the files of images and masks are called.

    Raises
    ------
    EvaluationError
        `targets` names nothing, has the wrong length, names one mask for two images, or is of no kind that is known.
    """
    import pandas as pd

    if isinstance(targets, str | os.PathLike):
        return _of_text(os.fspath(targets), images, dataset)
    if isinstance(targets, pd.DataFrame):
        targets = _column_of_targets(targets)
    if isinstance(targets, pd.Series):
        if not targets.index.is_unique:
            raise EvaluationError(f"targets: {targets.index[targets.index.duplicated()][0]!r} is there twice; keep one")
        targets = dict(zip(targets.index, targets, strict=True))
    if isinstance(targets, Mapping):
        return _of_mapping(targets, images)
    if isinstance(targets, Sequence | np.ndarray | Tensor) and not isinstance(targets, bytes):
        if len(targets) != len(images.uris):
            raise EvaluationError(
                f"targets: {len(targets)} targets for {len(images.uris)} images; give one per image, in order"
            )
        return _of_values(targets, images, "the sequence")
    if callable(targets):
        return TargetFinder(lambda position, uri: _as_target(targets(uri), uri), "what the function gives", False)
    raise EvaluationError(f"targets: a {type(targets).__name__} does not say where masks lie; {_ALLOWED}")


def _of_text(text: str, images: ImagesOfTargets, dataset: DatasetDescriptor | None) -> TargetFinder:
    known = ", ".join(map(repr, images.covariates)) or "none"
    if not text.strip():
        raise EvaluationError(f"targets: is empty; {_ALLOWED} (the catalog has {known})")
    if text in images.covariates:
        bases = None if images.bases is None else images.bases(text)
        return _of_values(images.covariates[text], images, f"the covariate {text!r}", bases)
    path = os.path.expanduser(paths.expand(text))
    is_folder = os.path.isdir(path)
    if path.lower().endswith(TABLE_SUFFIXES) and not is_folder and not glob.has_magic(path):
        return _of_table(path, images)
    suffixes: tuple[str, ...] = MASK_SUFFIXES
    if is_folder or (is_remote(path) and not glob.has_magic(path)):
        if dataset is not None:
            suffixes = (dataset.label_format.label_suffix,)
        found, before, place = _masks_below(path), "", f"files below {path!r}"
    elif glob.has_magic(path) and not is_remote(path):
        before, after = _around_the_last_star(os.path.basename(path))
        if after and after not in MASK_SUFFIXES:
            suffixes = (after,)
        if dataset is not None:
            # The longer ones first: what the data set is known to end in, or what the pattern says more precisely.
            suffixes = tuple(sorted((dataset.label_format.label_suffix, *suffixes), key=len, reverse=True))
        found, place = _masks_that_match(path), f"files that match {path!r}"
    else:
        raise EvaluationError(
            f"targets: {text!r} is neither a directory nor a pattern of this machine, nor a folder on a server, nor a "
            f"table, nor a covariate (the catalog has {known}); {_ALLOWED}"
        )
    naming = Naming(before, suffixes, "" if dataset is None else dataset.label_format.image_suffix)
    pairing = Pairing(found, images.everything or images.uris, naming, images.removed)
    return TargetFinder(lambda position, uri: pairing.find(uri), f"{place} {naming}", nearly=pairing.nearly)


def _masks_below(directory: str) -> Iterator[MaskFile]:
    directory = normalize_uri(directory).rstrip("/") or "/"
    n_named = len(split(directory))
    for file in source_of(directory).walk(directory, DEFAULT_LIMITS.stall_seconds):
        if file.reason:  # a thumbnail, a folder of a recycle bin and the like
            continue
        uri = normalize_uri(file.uri)
        n_found = len(split(uri)[:-1]) - n_named
        yield MaskFile(uri, (False,) * n_named + (True,) * n_found)


def _masks_that_match(pattern: str) -> Iterator[MaskFile]:
    pattern = os.path.normpath(pattern)
    parts = os.path.dirname(pattern).split("/")
    # Folders in front of and behind ``**`` can be told; between two of them any may stand for any.
    before = list(takewhile(lambda part: part != "**", parts))
    behind = list(takewhile(lambda part: part != "**", reversed(parts)))[::-1] if "**" in parts else []
    for match in glob.iglob(pattern, recursive=True):
        if os.path.isfile(match):
            n_between = len(os.path.dirname(match).split("/")) - len(before) - len(behind)
            uri = normalize_uri(match)
            n_folders = len(split(uri)[:-1])
            by_star = (*map(glob.has_magic, before), *(True,) * n_between, *map(glob.has_magic, behind))
            yield MaskFile(uri, ((False,) * n_folders + by_star)[len(by_star) :])


def _around_the_last_star(pattern: str) -> tuple[str, str]:
    """What stands before and after the last ``*``, if it is plain text."""
    before, star, after = pattern.rpartition("*")
    plain = [text if star and not glob.has_magic(text) else "" for text in (before, after)]
    return plain[0], plain[1]


def _column_of_targets(table: pd.DataFrame) -> pd.Series[Any]:
    keyed = table.set_index("uri") if "uri" in table.columns else table
    if _COLUMN in keyed.columns:
        return keyed[_COLUMN]
    if len(keyed.columns) != 1:
        columns = ", ".join(map(str, table.columns))
        raise EvaluationError(
            f"targets: a table has the URI as index or as column 'uri', and the masks in a column {_COLUMN!r} or in "
            f"its only other one; this one has {columns}"
        )
    return keyed.iloc[:, 0]


def _of_table(path: str, images: ImagesOfTargets) -> TargetFinder:
    """Masks that a table names, whose paths start from the table's own folder, as those of images do."""
    try:
        listing = list_images(path)
    except ValueError as error:
        raise EvaluationError(f"targets: {str(error).removeprefix('images: ')}") from error
    if listing.covariates is None:
        raise EvaluationError(f"targets: {path} has no column of masks; it needs the columns 'uri' and {_COLUMN!r}")
    column = _column_of_targets(listing.covariates.set_axis(listing.uris))
    return _of_mapping(dict(column), images, listing.base, f"the table {path!r}")


def _of_mapping(
    targets: Mapping[Any, Any], images: ImagesOfTargets, base: str | None = None, place: str = ""
) -> TargetFinder:
    by_uri: dict[str, Any] = {}
    for key, value in targets.items():
        if not isinstance(key, str | os.PathLike):
            raise EvaluationError(f"targets: {key!r} is no URI; give the masks by the URIs of their images")
        uri = _in_one_form(normalize_uri(key))
        if uri in by_uri:
            raise EvaluationError(f"targets: {uri} is there twice, in two spellings; keep one")
        by_uri[uri] = value
    values = [by_uri.get(_in_one_form(uri)) for uri in images.uris]
    return _of_values(values, images, place or f"{len(by_uri)} targets by URI", [base] * len(values))


def _of_values(
    values: Sequence[Any] | np.ndarray | Tensor,
    images: ImagesOfTargets,
    place: str,
    bases: Sequence[str | None] | None = None,
) -> TargetFinder:
    """One target per image, each of one image only."""
    first: dict[str, str] = {}
    found: list[Target | None] = []
    for position, uri in enumerate(images.uris):
        target = _as_target(values[position], uri, None if bases is None else bases[position])
        if isinstance(target, str) and first.setdefault(target, uri) != uri:
            raise EvaluationError(
                f"targets: {target} is given as the mask of {first[target]} and of {uri}; a mask is of one image. If "
                "one is meant for both, as for photos of a camera that stands still, give a function of the URI"
            )
        found.append(target)
    return TargetFinder(lambda position, uri: found[position], place)


def _in_one_form(uri: str) -> str:
    return normalize("NFC", uri)


def _as_target(value: Any, uri: str, base: str | None = None) -> Target | None:
    """A path or an array; None for what tables hold where nothing is known."""
    import pandas as pd

    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        return _from_folder(base, path) if path.strip() else None
    if isinstance(value, Tensor):
        return value.numpy(force=True)
    if isinstance(value, np.ndarray):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    raise EvaluationError(
        f"targets: the target of {uri} is a {type(value).__name__}; give the path of a mask, or an array"
    )


def _from_folder(base: str | None, path: str) -> str:
    """The URI of a path that starts from a folder, here or on a server; a path from a server's root stays there."""
    if base is None or not is_remote(base) or "://" in path:
        return normalize_uri(os.path.expanduser(paths.expand(path)), base)
    written = source_of(base).encode(path)
    return "/".join(base.split("/")[:3]) + written if path.startswith("/") else f"{base.rstrip('/')}/{written}"
