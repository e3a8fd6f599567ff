"""What is known of images besides their pixels: tables keyed by URI, brought into the order of the images."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from toolkit.catalog.layout import RESULT_FIELDS
from toolkit.sources import list_images, normalize_uri

Images = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame

# Names that the datasets of a catalog use themselves.
_RESERVED = {"uri", "image", "class_name", "run", *(field.name for field in RESULT_FIELDS)}


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
    unfit = [name for name in table.columns if "/" in name or name in ("", "zarr.json") or name.startswith((".", "__"))]
    if unfit:
        raise ValueError(f"covariates: {unfit[0]!r} cannot be the name of an array; rename it")
    return listing.uris, table


def to_array(column: "pd.Series[Any]") -> np.ndarray:
    """A column as an array; text has ``""`` for what is missing, because segments may have different covariates."""
    column = with_definite_type(column)
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan) if column.isna().any() else column.to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.to_numpy()
    return column.astype(object).where(column.notna(), "").to_numpy(dtype=object)


def with_definite_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of Python objects as what they all are: numbers or booleans beside missing values stay such."""
    return column.convert_dtypes() if column.dtype == object else column


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
