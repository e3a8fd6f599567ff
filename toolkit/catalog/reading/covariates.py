"""What is known of images besides their pixels: tables keyed by URI, brought into the order of the images."""

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from toolkit.catalog.format.columns import to_array, with_definite_type
from toolkit.catalog.format.layout import DERIVED, RESULT_FIELDS
from toolkit.sources import list_images, normalize_uri

_FIT_FOR_ARRAY = re.compile(r"(?!\.|__)[^/\\\x00-\x1f]{1,80}")
_WORDS_FOR_FIT = "at most 80 characters, no slashes or control characters, no dot or double underscore in front"

Images = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame

# Names that the datasets of a catalog use themselves.
_RESERVED = {"uri", "image", "class_name", "run", *DERIVED, *(field.name for field in RESULT_FIELDS)}


def images_with_covariates(images: Images, covariates: pd.DataFrame | None) -> tuple[list[str], pd.DataFrame]:
    """URIs of the images, and a table with a row for each: columns of the listing, then those given.

    Raises
    ------
    NoImagesError
        Nothing matches ``images``.
    TypeError, ValueError
        The covariates are no table, have a name twice or one that results use, or belong to none of the images.
    """
    if covariates is not None and not isinstance(covariates, pd.DataFrame):
        raise TypeError(f"covariates must be a pandas.DataFrame keyed by URI, not {type(covariates).__name__}")
    listing = list_images(images)
    table = pd.DataFrame(index=pd.RangeIndex(len(listing.uris)))
    if listing.covariates is not None:
        table = listing.covariates.reset_index(drop=True)
    if covariates is not None:
        table = pd.concat([table, _aligned(covariates, listing.uris)], axis="columns")
    table.columns = table.columns.map(str)
    if not table.columns.is_unique:
        raise ValueError(f"covariates: {table.columns[table.columns.duplicated()][0]!r} is given twice; rename one")
    clashing = sorted(_RESERVED.intersection(table.columns))
    if clashing:
        raise ValueError(f"covariates may not be called {', '.join(clashing)}: results have these names; rename them")
    unfit = [name for name in table.columns if not _FIT_FOR_ARRAY.fullmatch(name) or name == "zarr.json"]
    if unfit:
        raise ValueError(f"covariates: {unfit[0]!r} cannot be the name of an array; rename it: {_WORDS_FOR_FIT}")
    return listing.uris, table


def join_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The covariates of all tables of images, one below the other; missing where a table does not have one."""
    return pd.concat([table.apply(_nullable) for table in tables] or [pd.DataFrame()], ignore_index=True)


def _nullable(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whole numbers and booleans as types that can miss values, so that they need not become floats or objects."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype("boolean")
    return column.convert_dtypes() if pd.api.types.is_integer_dtype(column) else column


def check_same_kinds(known: pd.DataFrame, added: pd.DataFrame) -> None:
    """Refuse covariates that are of another kind than those of the same name already in the catalog.

    Raises
    ------
    ValueError
        One is, say, a number here and text there; the message names it.
    """
    for name in added.columns.intersection(known.columns):
        kinds = [_kind(table[name]) for table in (known, added)]
        if kinds[0] != kinds[1] and added[name].notna().any():
            raise ValueError(
                f"covariates: {name!r} is {kinds[0]} in the catalog, but {kinds[1]} here; make it {kinds[0]}"
            )


def warn_of_changes(known: pd.DataFrame, given: pd.DataFrame) -> None:
    """Warn where covariates given for images that are known already differ from what is known; rows correspond.

    Whoever gives them should hear that they are not taken over.
    """
    for name in given.columns:
        new = pd.Series(to_array(given[name]))
        old = pd.Series(to_array(known[name])) if name in known else pd.Series([None] * len(given))
        differs = (new != old) & ~(new.isna() & old.isna()) & ~((new == "") & old.isna())
        if differs.any():
            warnings.warn(
                f"covariates: {name!r} of {int(differs.sum())} images that the catalog holds already is not what it "
                f"knows of them{'' if name in known else ' (nothing)'}, and is left out: what is known of an image is "
                "what it was entered with. Begin another catalog from the table, or join it to the results by uri",
                stacklevel=2,
            )


def _kind(column: "pd.Series[Any]") -> str:
    column = with_definite_type(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        return "a time"
    return "a number" if pd.api.types.is_numeric_dtype(column) else "text"


def _aligned(covariates: pd.DataFrame, uris: Sequence[str]) -> pd.DataFrame:
    keyed = covariates.set_index("uri") if "uri" in covariates.columns else covariates
    keyed = keyed.set_axis([normalize_uri(str(uri)) for uri in keyed.index], axis="index")
    repeated = keyed.index[keyed.index.duplicated()]
    if len(repeated):
        raise ValueError(f"covariates has more than one row for {repeated[0]!r}; keep one row per URI")
    if not keyed.index.isin(uris).any():
        example = keyed.index[0] if len(keyed) else "empty"
        raise ValueError(f"covariates: none of its {len(keyed)} URIs is among the images (the first is {example})")
    return keyed.reindex(list(uris)).reset_index(drop=True)
