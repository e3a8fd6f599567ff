"""Where the truth of an image lies: from what a person says - a folder, a pattern, a table, a list - to its mask."""
# os.path throughout: pathlib rewrites what was written.
# ruff: noqa: PTH111, PTH112, PTH113, PTH118, PTH119, PTH122, PTH207

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from toolkit import paths
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.masks import MASK_SUFFIXES
from toolkit.models import DatasetDescriptor
from toolkit.sources import normalize_uri

if TYPE_CHECKING:
    import pandas as pd

Target = str | np.ndarray
"""The path of a mask, or what the file would hold."""

_COLUMN = "target"
_ALLOWED = (
    "give a directory or glob pattern of masks, the name of a covariate, a mapping or table from URI to mask, a "
    "sequence with one mask per image, or a function of the URI"
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


def find_targets(
    targets: Any,
    uris: Sequence[str],
    covariates: Mapping[str, Sequence[Any] | np.ndarray],
    dataset: DatasetDescriptor | None,
) -> TargetFinder:
    """Find out where targets lie; what is returned may be asked from any thread.

    Parameters
    ----------
    targets : object
        As for `toolkit.evaluate`.
    uris : sequence of str
        The images that are evaluated.
    covariates : mapping of str to sequence
        What else is known of them, one value per image.
    dataset : DatasetDescriptor, optional
        Says how the files of images and masks are called.

    Raises
    ------
    EvaluationError
        `targets` names nothing, has the wrong length, or is of no kind that is known.
    """
    import pandas as pd

    if isinstance(targets, str | os.PathLike):
        return _of_text(os.fspath(targets), covariates, dataset)
    if isinstance(targets, pd.DataFrame):
        targets = _column_of_targets(targets)
    if isinstance(targets, pd.Series):
        if not targets.index.is_unique:
            raise EvaluationError(f"targets: {targets.index[targets.index.duplicated()][0]!r} is there twice; keep one")
        targets = dict(zip(targets.index, targets, strict=True))
    if isinstance(targets, Mapping):
        return _of_mapping(targets)
    if isinstance(targets, Sequence | np.ndarray | Tensor) and not isinstance(targets, bytes):
        if len(targets) != len(uris):
            raise EvaluationError(
                f"targets: {len(targets)} targets for {len(uris)} images; give one per image, in order"
            )
        return TargetFinder(lambda position, uri: _as_target(targets[position], uri), "the sequence")
    if callable(targets):
        return TargetFinder(lambda position, uri: _as_target(targets(uri), uri), "what the function gives", False)
    raise EvaluationError(f"targets: a {type(targets).__name__} does not say where masks lie; {_ALLOWED}")


def _of_text(
    text: str, covariates: Mapping[str, Sequence[Any] | np.ndarray], dataset: DatasetDescriptor | None
) -> TargetFinder:
    if text in covariates:
        column = covariates[text]
        return TargetFinder(lambda position, uri: _as_target(column[position], uri), f"the covariate {text!r}")
    path = os.path.expanduser(paths.expand(text))
    if os.path.isdir(path):
        suffixes = MASK_SUFFIXES if dataset is None else (dataset.label_format.label_suffix,)
        masks = _MasksByName(_files_below(path), "", suffixes, dataset)
        return TargetFinder(masks.find, f"files below {path!r} {masks.rule}")
    if glob.has_magic(path):
        before, after = _around_the_last_star(os.path.basename(path))
        suffixes = (after,) if after and after not in MASK_SUFFIXES else MASK_SUFFIXES
        if dataset is not None:
            # The longer ones first: what the data set is known to end in, or what the pattern says more precisely.
            suffixes = tuple(sorted((dataset.label_format.label_suffix, *suffixes), key=len, reverse=True))
        found = (match for match in glob.iglob(path, recursive=True) if os.path.isfile(match))
        masks = _MasksByName(found, before, suffixes, dataset)
        return TargetFinder(masks.find, f"files that match {path!r} {masks.rule}")
    known = ", ".join(map(repr, covariates)) or "none"
    raise EvaluationError(
        f"targets: {text!r} is neither a directory nor a pattern nor a covariate (the catalog has {known}); {_ALLOWED}"
    )


def _around_the_last_star(pattern: str) -> tuple[str, str]:
    """What stands before and after the last ``*``, if it is plain text."""
    before, star, after = pattern.rpartition("*")
    plain = [text if star and not glob.has_magic(text) else "" for text in (before, after)]
    return plain[0], plain[1]


class _MasksByName:
    """Masks by what their names share with their images': all but a prefix, one of some suffixes, and the image's end,
    which the data set knows."""

    def __init__(
        self, masks: Iterable[str], prefix: str, suffixes: Sequence[str], dataset: DatasetDescriptor | None
    ) -> None:
        self._image_suffix = "" if dataset is None else dataset.label_format.image_suffix
        self._by_name: dict[str, list[str]] = {}
        for mask in masks:
            uri = normalize_uri(mask)
            name = PurePath(uri).name
            suffix = next((suffix for suffix in suffixes if name.lower().endswith(suffix.lower())), None)
            if suffix is not None and name.startswith(prefix):
                self._by_name.setdefault(name[len(prefix) : -len(suffix)], []).append(uri)
        self.rule = f"that are called as the image but for {prefix and repr(prefix) + ' in front and '}" + (
            f"the end {' or '.join(map(repr, suffixes))}"
        )

    def find(self, position: int, uri: str) -> str | None:
        """The mask of an image: of several of one name, the one whose folders are called most as the image's."""
        folders = PurePath(uri).parts[:-1]
        candidates = [mask for mask in self._by_name.get(self._shared_name(uri), ()) if mask != uri]
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        likeness = [_common_end(PurePath(mask).parts[:-1], folders) for mask in candidates]
        best = [mask for mask, like in zip(candidates, likeness, strict=True) if like == max(likeness)]
        if len(best) > 1:
            raise EvaluationError(
                f"targets: {uri} has more than one mask: {best[0]} and {best[1]}; name the folder of the masks, a glob "
                "pattern that matches one of them, or the data set (dataset=...)"
            )
        return best[0]

    def _shared_name(self, uri: str) -> str:
        name = PurePath(uri).name
        if self._image_suffix and name.endswith(self._image_suffix):
            return name.removesuffix(self._image_suffix)
        # Images are often kept in another format than they were published in.
        return os.path.splitext(name)[0].removesuffix(os.path.splitext(self._image_suffix)[0])


def _files_below(directory: str) -> Iterable[str]:
    for folder, _, files in os.walk(directory, followlinks=True):
        yield from (os.path.join(folder, name) for name in files if not name.startswith("."))


def _common_end(some: Sequence[str], others: Sequence[str]) -> int:
    """How many folders are called the same, counted from the innermost."""
    pairs = zip(reversed(some), reversed(others), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


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


def _of_mapping(targets: Mapping[Any, Any]) -> TargetFinder:
    by_uri = {}
    for key, value in targets.items():
        if not isinstance(key, str | os.PathLike):
            raise EvaluationError(f"targets: {key!r} is no URI; give the masks by the URIs of their images")
        by_uri[normalize_uri(key)] = value
    return TargetFinder(lambda position, uri: _as_target(by_uri.get(uri), uri), f"{len(by_uri)} targets by URI")


def _as_target(value: Any, uri: str) -> Target | None:
    """A path or an array; None for what tables hold where nothing is known."""
    import pandas as pd

    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        return normalize_uri(os.path.expanduser(paths.expand(path))) if path.strip() else None
    if isinstance(value, Tensor):
        return value.numpy(force=True)
    if isinstance(value, np.ndarray):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    raise EvaluationError(
        f"targets: the target of {uri} is a {type(value).__name__}; give the path of a mask, or an array"
    )
