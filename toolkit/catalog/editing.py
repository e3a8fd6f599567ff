"""A catalog as those see it who say what is in it: images are taken out, and what was known before is shown."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from zarr.abc.store import Store

from toolkit.catalog.adding import Addition
from toolkit.catalog.format.changes import REMOVED, Cells, Change, commit_change
from toolkit.catalog.format.kinds import Column
from toolkit.catalog.format.tables import ImageTables, read_uris
from toolkit.catalog.reading.covariates import Images, covariate_names, read_texts
from toolkit.catalog.reading.history import read_history
from toolkit.catalog.showing import ShownCatalog
from toolkit.catalog.store.objects import store_name
from toolkit.sources import Listing, NoImagesError, list_images, normalize_uri

Rows = npt.NDArray[np.int64]


class EditedCatalog(ShownCatalog):
    """What people change of a catalog beside adding to it."""

    def __init__(self, location: str | os.PathLike[str] | Store | None = None) -> None:
        super().__init__(location)
        self.addition: Addition | None = None
        """What the last call of `Catalog.add` or `Catalog.create` added and changed; None if there was none."""

    def remove(self, images: Images | Iterable[int] | int) -> int:
        """Take images out: they are in no table, count, run or publication any more, and are not segmented.

        Nothing is erased: `restore` shows them again, with their results. The other images keep their row numbers. A
        run that is going on leaves them out from its next block on.

        Parameters
        ----------
        images : int, str, path, iterable of those, pandas.DataFrame or Listing
            Rows of the catalog, URIs, or whatever `Catalog.add` takes. A folder stands for the images of the catalog
            below it, whether or not their files are there still.

        Returns
        -------
        int
            How many images were shown until now.

        Raises
        ------
        KeyError
            None of them is in the catalog, or there is no such row.
        """
        return self._mark(images, removed=True)

    def restore(self, images: Images | Iterable[int] | int | None = None) -> int:
        """Show images again that were removed.

        Parameters
        ----------
        images : int, str, path, iterable of those, pandas.DataFrame or Listing, optional
            As for `remove`; all that were removed if left out.

        Returns
        -------
        int
            How many images were not shown until now.

        Raises
        ------
        KeyError
            None of them is in the catalog, or there is no such row.
        """
        return self._mark(images, removed=False)

    def removed(self) -> "pd.Series[str]":
        """URIs of the images that were removed, by their rows."""
        tables = self._contents.tables()
        rows = np.setdiff1d(np.arange(tables.n_images), tables.shown)
        return pd.Series(_uris(self.store, tables)[rows], index=pd.Index(rows, name="image"), name="uri", dtype=object)

    def history(self, column: str | None = None) -> pd.DataFrame:
        """What was known of images before: one row per value that a later table changed, oldest first.

        Parameters
        ----------
        column : str, optional
            A covariate; all of them if left out.

        Returns
        -------
        pandas.DataFrame
            ``image`` (row of the catalog), ``uri``, ``column``, ``value`` (as it was until then, None if nothing was
            known), ``replaced_by`` (None if it was erased), ``changed`` (UTC) and ``host`` (where it was changed).

        Raises
        ------
        KeyError
            There is no such covariate.
        """
        tables = self._contents.tables()
        if column is not None:
            self._check_known(tables, column)
        return read_history(self.store, tables, column)

    def as_written(self, column: str | None = None) -> "pd.DataFrame | pd.Series[str]":
        """Covariates as texts, as they were written in the table that they came from; ``""`` where they are missing.

        Parameters
        ----------
        column : str, optional
            A covariate; all of them if left out.

        Returns
        -------
        pandas.DataFrame or pandas.Series
            Over ``image`` (rows of the catalog).

        Raises
        ------
        KeyError
            There is no such covariate.
        """
        tables = self._contents.tables()
        if column is not None:
            self._check_known(tables, column)
        shown = tables.shown
        names = covariate_names(self.store, tables) if column is None else [column]
        texts = {name: read_texts(self.store, tables, name)[shown] for name in names}
        table = pd.DataFrame(texts, index=pd.Index(shown, name="image"), dtype=object)
        return table if column is None else table[column]

    def _check_known(self, tables: ImageTables, column: str) -> None:
        known = covariate_names(self.store, tables)
        if column not in known:
            there = f"there are {', '.join(known)}" if known else "there are none"
            raise KeyError(f"{store_name(self.store)} has no covariate {column!r}; {there}")

    def _mark(self, images: Images | Iterable[int] | int | None, *, removed: bool) -> int:
        while True:
            tables = self._contents.tables()
            rows = np.setdiff1d(np.arange(tables.n_images), tables.shown)
            if images is not None:
                rows = _find_rows(self.store, tables, images)
                rows = rows[np.isin(rows, tables.shown) == removed]
            if not rows.size:
                return 0
            if commit_change(self.store, tables.changes, Change(tuple(_marks(tables, rows, removed=removed)))):
                return len(rows)


def _marks(tables: ImageTables, rows: Rows, *, removed: bool) -> Iterable[Cells]:
    for table, start in zip(tables, tables.starts, strict=True):
        of_table = rows[(rows >= start) & (rows < start + table.n_images)] - start
        if of_table.size:
            yield Cells(table.number, REMOVED, of_table, Column.of(np.full(len(of_table), removed)))


def _find_rows(store: Store, tables: ImageTables, images: Images | Iterable[int] | int) -> Rows:
    """Rows of the catalog of what a person names."""
    named: Any = images
    if not isinstance(images, str | os.PathLike | pd.DataFrame | Listing):
        named = list(images) if isinstance(images, Iterable) else [images]
        if named and all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in named):
            return _checked_rows(store, tables, np.array(named, dtype=np.int64))
    uris = _uris(store, tables)
    if isinstance(images, str | os.PathLike):
        uri = normalize_uri(images)
        below = uri.rstrip("/") + "/"
        rows = np.flatnonzero([one == uri or one.startswith(below) for one in uris.tolist()])
        if rows.size:
            return rows
    try:
        wanted = set(list_images(named, quiet=True).uris)
    except NoImagesError:
        wanted = set()
    rows = np.flatnonzero([one in wanted for one in uris.tolist()])
    if not rows.size:
        raise KeyError(
            f"images: {store_name(store)} has none of {str(images)[:200]}; Catalog.images() shows what it has"
        )
    return rows


def _checked_rows(store: Store, tables: ImageTables, rows: Rows) -> Rows:
    outside = rows[(rows < 0) | (rows >= tables.n_images)]
    if outside.size:
        n_images = tables.n_images
        raise KeyError(f"{store_name(store)} has no image {outside[0]}; its {n_images} images are numbered from 0")
    return np.unique(rows)


def _uris(store: Store, tables: ImageTables) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=object), *(read_uris(store, table) for table in tables)])
