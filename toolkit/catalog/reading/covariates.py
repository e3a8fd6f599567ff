"""What is known of images besides their pixels: given with them, or by a table of its own, or later; and read again."""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from zarr.abc.store import Store

from toolkit.catalog.format.columns import to_column
from toolkit.catalog.format.entering import NewImages
from toolkit.catalog.format.kinds import Column, join_columns
from toolkit.catalog.format.layout import DERIVED, RESULT_FIELDS
from toolkit.catalog.format.tables import GIVEN_URI, URI, ImageTables, covariates_of, read_known
from toolkit.sources import Listing, list_images, normalize_uri

_FIT_FOR_ARRAY = re.compile(r"(?!\.|__)[^/\\\x00-\x1f]{1,80}")
_WORDS_FOR_FIT = "at most 80 characters, no slashes or control characters, no dot or double underscore in front"

Images = Listing | str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame

# Names that the datasets of a catalog use themselves.
_RESERVED = {URI, GIVEN_URI, "image", "class_name", "run", *DERIVED, *(field.name for field in RESULT_FIELDS)}


def images_with_covariates(
    images: Images, covariates: pd.DataFrame | None, types: Mapping[str, str] | None = None
) -> NewImages:
    """The images, as they are to be entered: with the columns of the listing, then those given.

    Raises
    ------
    NoImagesError
        Nothing matches ``images``.
    TypeError, ValueError
        The covariates are no table, have a name twice or one that results use, or belong to none of the images.
    """
    if covariates is not None and not isinstance(covariates, pd.DataFrame):
        raise TypeError(f"covariates must be a pandas.DataFrame keyed by URI, not {type(covariates).__name__}")
    listing = list_images(images, types)
    table = pd.DataFrame(index=pd.RangeIndex(len(listing.uris)))
    if listing.covariates is not None:
        table = listing.covariates.reset_index(drop=True)
    given = listing.given or listing.uris
    if GIVEN_URI in table:  # a table of another catalog's images
        given = table.pop(GIVEN_URI).astype(object).where(lambda texts: texts.notna(), given).map(str).tolist()
    bases: dict[str, str] = {}
    if covariates is not None:
        aligned = _aligned(covariates, listing.uris)
        table = pd.concat([table, aligned], axis="columns")
        bases = dict.fromkeys(map(str, aligned.columns), normalize_uri(Path.cwd()))
    table.columns = table.columns.map(str)
    _check_names(table)
    written = listing.written if listing.written is not None else pd.DataFrame()
    texts = {str(name): written[name].reset_index(drop=True) for name in written.columns if str(name) not in bases}
    return NewImages(
        listing.uris,
        {str(name): to_column(table[name], texts.get(str(name))) for name in table.columns},
        given,
        listing.base,
        bases,
        is_table=listing.base is not None or listing.covariates is not None,
    )


def _check_names(table: pd.DataFrame) -> None:
    if not table.columns.is_unique:
        raise ValueError(f"covariates: {table.columns[table.columns.duplicated()][0]!r} is given twice; rename one")
    clashing = sorted(_RESERVED.intersection(table.columns))
    if clashing:
        raise ValueError(f"covariates may not be called {', '.join(clashing)}: results have these names; rename them")
    unfit = [name for name in table.columns if not _FIT_FOR_ARRAY.fullmatch(name) or name == "zarr.json"]
    if unfit:
        raise ValueError(f"covariates: {unfit[0]!r} cannot be the name of an array; rename it: {_WORDS_FOR_FIT}")


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


def covariate_names(store: Store, tables: ImageTables) -> list[str]:
    """Names of the covariates that images have, in the order in which they came."""
    names: dict[str, None] = {}
    for table in tables:
        names |= dict.fromkeys((*covariates_of(store, table), *tables.changes.names(table.number)))
    return list(names)


def read_covariate(store: Store, tables: ImageTables, name: str) -> Column:
    """A covariate as it is known now, a value per row of the catalog."""
    rows, columns = read_known(store, tables, name)
    if not columns:
        return Column.empty(0)
    order = np.argsort(np.concatenate(rows), kind="stable")
    joined = join_columns(columns)
    return joined if (order[:-1] < order[1:]).all() else joined.take(order)


def read_covariates(store: Store, tables: ImageTables, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The covariates as they are known now, or those wanted, arrays ``(n_images,)``, as they are shown.

    One that has a name that results use now, in a catalog of an older version, has ``(covariate)`` behind it.
    """
    return {
        f"{name} (covariate)" if name in _RESERVED else name: read_covariate(store, tables, name).values
        for name in covariate_names(store, tables)
        if wanted is None or name in wanted
    }


def read_bases(tables: ImageTables, name: str) -> np.ndarray:
    """The folder that relative paths of a covariate start from, texts ``(n_images,)``; ``""`` where it is not known."""
    bases = [np.empty(0, dtype=object)]
    for table in tables:
        origin = table.origin or {}
        known = origin.get("bases", {}).get(name) or origin.get("base") or ""
        of_table = np.full(table.n_images, known, dtype=object)
        for cells in tables.changes.of(table.number, name):
            of_table[cells.rows] = cells.base
        bases.append(of_table)
    return np.concatenate(bases)


def read_texts(store: Store, tables: ImageTables, name: str) -> np.ndarray:
    """A covariate as it was written, texts ``(n_images,)``; ``""`` where it is missing."""
    rows, columns = read_known(store, tables, name)
    texts = np.full(tables.n_images, "", dtype=object)
    for part, column in zip(rows, columns, strict=True):
        texts[part] = column.texts()
    return texts
