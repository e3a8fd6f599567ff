"""Which images and runs a catalog has; what never changes is read once."""

import os

import numpy as np
from zarr.abc.store import Store

from toolkit.catalog.asked import AskedImage, AskedRun, find_by_end, image_of, names_like, run_id_of
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

    def record(self, run_id: AskedRun) -> RunRecord:
        """The record of a run: see `find_run`."""
        return self._known(self.find_run(run_id)).record

    def results(self, run_id: AskedRun, tables: ImageTables | None = None) -> RunResults:
        """The results of a run (see `find_run`) over these tables, or all that there are now."""
        return self._known(self.find_run(run_id)).over(self.tables() if tables is None else tables)

    def _known(self, run_id: str) -> RunResults:
        if run_id not in self._results:
            self._results[run_id] = RunResults(self.store, run_id, read_record(self.store, run_id), ImageTables())
        return self._results[run_id]

    def find_run(self, run_id: AskedRun) -> str:
        """The id of a run that exists, of which the beginning may be given, or its handle; the newest if None.

        Raises
        ------
        CatalogError
            There is no such run, or more than one.
        TypeError
            What is given is no run.
        """
        run_id = run_id_of(run_id)
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

    def is_run(self, asked: object) -> bool:
        """Whether this is the id or the handle of a run, rather than an image or a path."""
        return str(getattr(asked, "id", asked)) in list_runs(self.store)

    def pair(self, run_a: AskedRun, run_b: AskedRun) -> tuple[str, str]:
        """Ids of two runs: the newest where one is None, and the two newest, the older one first, if both are.

        Raises
        ------
        CatalogError
            There are not two, or the newest would stand beside itself.
        """
        found = self.find_run(run_a), self.find_run(run_b)
        if found[0] != found[1] or (run_a is not None and run_b is not None):
            return found
        known = self.runs()
        if len(known) < 2:
            raise CatalogError(
                f"two runs are compared, and {store_name(self.store)} has only {found[0]}; start another one with "
                "toolkit.segment(catalog, model, protocol), with another model or protocol"
            )
        if run_a is None and run_b is None:
            return known[-2], known[-1]
        raise CatalogError(f"{found[0]} is the newest run itself; name another one: {', '.join(known[:-1])}")

    def find_image(self, image: AskedImage) -> tuple[ImageTable, int]:
        """Table of an image, and its row there, by its row in the catalog, its URI, or the end of its path.

        Raises
        ------
        KeyError
            There is no such image, or more than one, or it was removed.
        TypeError
            What is given is no image.
        """
        tables = self.tables()
        image = image_of(image, tables.n_images)
        if isinstance(image, str | os.PathLike):
            uri = normalize_uri(image)
            for table in tables:
                found = np.flatnonzero(read_uris(self.store, table) == uri)
                if found.size:
                    return _shown(tables, table, int(found[0]), image)
            uris = np.concatenate([np.empty(0, object), *(read_uris(self.store, table) for table in tables)])
            position = find_by_end(os.fspath(image), uris)
            if position is None:
                similar = " or ".join(map(repr, names_like(os.fspath(image), uris)))
                meant = f"; did you mean {similar}?" if similar else f"; its {len(uris)} images are numbered from 0"
                raise KeyError(f"{store_name(self.store)} has no image {image!r}{meant}")
            image = position
        if image >= 0:
            for table, rows in tables.walk(slice(int(image), int(image) + 1)):
                return _shown(tables, table, rows.start, image)
        n_images = tables.n_images
        raise KeyError(f"{store_name(self.store)} has no image {image!r}; its {n_images} images are numbered from 0")


def _shown(tables: ImageTables, table: ImageTable, row: int, image: object) -> tuple[ImageTable, int]:
    if tables.removed(table, slice(row, row + 1)) is not None:
        raise KeyError(f"image {image!r} was removed from the catalog; Catalog.restore([{image!r}]) shows it again")
    return table, row
