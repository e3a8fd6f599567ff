"""Which run, and which image, is meant by what people give for it."""

import difflib
import operator
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from toolkit.arguments import ArgumentTypeError

AskedRun = Any
"""A run's id or its beginning, its handle (what has an ``id``), its row of `Catalog.runs`, or None for the newest."""
AskedImage = Any
"""An image's row, its URI, the end of its path, or a single value of ``image`` or ``uri`` of a dataset."""

_MOST_NAMES = 50_000
_SHOWN = 3


def run_id_of(asked: AskedRun) -> str | None:
    """The id in what was given for a run; None for the newest.

    Raises
    ------
    TypeError
        It holds no id.
    """
    given = _single(asked)
    if isinstance(given, pd.Series):  # a row of Catalog.runs()
        given = given.name
    given = getattr(given, "id", given)
    if given is None or isinstance(given, str):
        return given
    raise ArgumentTypeError(
        f"run_id must be the id of a run (the index of Catalog.runs()), or None for the newest, not {asked!r}"
    )


def is_one_run(asked: object) -> bool:
    """Whether what was given for a run or several is one, or meant to be."""
    is_row = isinstance(asked, pd.Series) and "model" in asked.index
    return is_row or isinstance(asked, str) or not isinstance(_single(asked), Iterable)


def run_ids_of(asked: Iterable[AskedRun]) -> list[AskedRun]:
    """What was given for each of several runs: in a sequence, or as the table `Catalog.runs` or a part of it."""
    return list(asked.index if isinstance(asked, pd.DataFrame) else asked)


def image_of(asked: AskedImage, n_images: int) -> int | str | os.PathLike[str]:
    """The row or the text in what was given for an image; negative rows count from the last one.

    Raises
    ------
    TypeError
        It is neither.
    """
    given = _single(asked)
    if isinstance(given, str | os.PathLike):
        return given
    try:
        row = operator.index(given)  # type: ignore[arg-type]  # what has none raises
    except TypeError:
        row = None
    if row is None or isinstance(given, bool):
        raise ArgumentTypeError(f"image must be the row of an image in the catalog, or its URI, not {asked!r}")
    return row + n_images if -n_images <= row < 0 else row


def find_by_end(asked: str, uris: np.ndarray) -> int | None:
    """Position of the one URI that ends in these parts of a path, None if none does.

    Raises
    ------
    KeyError
        Several do; the message names some.
    """
    end = "/" + asked.replace("\\", "/").removeprefix("./").lstrip("/")
    found = [position for position, uri in enumerate(uris) if f"/{uri}".endswith(end)]
    if len(found) > 1:
        some = ", ".join(str(uris[position]) for position in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} others" if len(found) > _SHOWN else ""
        raise KeyError(f"{len(found)} images end in {asked!r}: {some}{more}; give more of the path")
    return found[0] if found else None


def names_like(asked: str, uris: np.ndarray) -> list[str]:
    """Names of files among the URIs that may have been meant."""
    wanted = Path(asked)
    names = [PurePosixPath(str(uri)) for uri in uris]
    same = dict.fromkeys(name.name for name in names if name.name.casefold() == wanted.name.casefold())
    if same or len(names) > _MOST_NAMES:  # comparing more takes seconds
        return list(same)[:_SHOWN]
    by_stem = {name.stem.casefold(): name.name for name in names}
    return [by_stem[stem] for stem in difflib.get_close_matches(wanted.stem.casefold(), by_stem, n=_SHOWN)]


def _single(given: object) -> object:
    """The value of what holds a single one, as elements of arrays and datasets do; else what was given."""
    item = getattr(given, "item", None)
    return item() if getattr(given, "ndim", None) == 0 and callable(item) else given
