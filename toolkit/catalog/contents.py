"""Which images and runs a catalog has; what never changes is read once."""

import os

import numpy as np
from zarr.abc.store import Store

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.records import RunRecord, list_runs, read_record
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTable, ImageTables, list_tables, read_uris
from toolkit.catalog.reading.covariates import read_bases
from toolkit.catalog.store.objects import store_name
from toolkit.sources import normalize_uri


class Contents:
    """A catalog's tables of images and its runs, as they are at each call."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._tables = ImageTables()
        self._results: dict[str, RunResults] = {}

    def forget(self) -> None:
        """Read everything again: it was mended."""
        self._tables = ImageTables()
        self._results = {}

    def tables(self) -> ImageTables:
        """The tables of images, in their order."""
        self._tables = list_tables(self.store, self._tables)
        return self._tables

    def base_of(self, column: str) -> np.ndarray:
        """The folder, as a URI, that relative paths of a covariate start from: a text per image that is shown.

        It is that of the table that the value came from, ``""`` where that is not known: of images that a folder or a
        list named, and of those that an older version entered.
        """
        tables = self.tables()
        return read_bases(tables, column)[tables.shown]

    def runs(self) -> list[str]:
        """Ids of all runs, oldest first."""
        return sorted(list_runs(self.store), key=lambda run_id: self._known(run_id).record.created)

    def record(self, run_id: str | None) -> RunRecord:
        """The record of a run: see `find_run`."""
        return self._known(self.find_run(run_id)).record

    def results(self, run_id: str | None, tables: ImageTables | None = None) -> RunResults:
        """The results of a run (see `find_run`) over these tables, or all that there are now."""
        return self._known(self.find_run(run_id)).over(self.tables() if tables is None else tables)

    def _known(self, run_id: str) -> RunResults:
        if run_id not in self._results:
            self._results[run_id] = RunResults(self.store, run_id, read_record(self.store, run_id), ImageTables())
        return self._results[run_id]

    def find_run(self, run_id: str | None) -> str:
        """The id of a run that exists, of which the beginning may be given; the newest if None.

        Raises
        ------
        CatalogError
            There is no such run, or more than one.
        """
        if run_id in self._results:
            return str(run_id)
        known = self.runs()
        if not known:
            raise CatalogError(
                f"{store_name(self.store)} has no runs yet; start one with toolkit.segment(catalog, model)"
            )
        if run_id is None:
            return known[-1]
        meant = [one for one in known if run_id and one.startswith(run_id)]
        if len(meant) != 1:
            what = "more than one run" if meant else "no run"
            raise CatalogError(f"{store_name(self.store)} has {what} {run_id!r}; there are {', '.join(known)}")
        return meant[0]

    def find_image(self, image: int | str | os.PathLike[str]) -> tuple[ImageTable, int]:
        """Table of an image, and its row there, by its row in the catalog or its URI.

        Raises
        ------
        KeyError
            There is no such image, or it was removed.
        """
        tables = self.tables()
        if isinstance(image, str | os.PathLike):
            uri = normalize_uri(image)
            for table in tables:
                found = np.flatnonzero(read_uris(self.store, table) == uri)
                if found.size:
                    return _shown(tables, table, int(found[0]), image)
        elif image >= 0:
            for table, rows in tables.walk(slice(int(image), int(image) + 1)):
                return _shown(tables, table, rows.start, image)
        n_images = tables.n_images
        raise KeyError(f"{store_name(self.store)} has no image {image!r}; its {n_images} images are numbered from 0")


def _shown(tables: ImageTables, table: ImageTable, row: int, image: object) -> tuple[ImageTable, int]:
    if tables.removed(table, slice(row, row + 1)) is not None:
        raise KeyError(f"image {image!r} was removed from the catalog; Catalog.restore([{image!r}]) shows it again")
    return table, row
