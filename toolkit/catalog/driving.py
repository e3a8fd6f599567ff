"""A catalog as those see it who work on its runs."""

import os

import numpy as np
from zarr.abc.store import Store

from toolkit.catalog.asked import AskedRun
from toolkit.catalog.blocks import RunBlocks
from toolkit.catalog.contents import Contents
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.records import RunSettings, record_run, record_session
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTables
from toolkit.catalog.opening import check_catalog
from toolkit.catalog.provenance import Origin, Session
from toolkit.catalog.reading.covariates import covariate_names
from toolkit.catalog.store.objects import open_store


class DrivenCatalog:
    """What drivers need of a catalog."""

    def __init__(self, location: str | os.PathLike[str] | Store | None = None) -> None:
        if location is None:
            raise TypeError("a catalog is opened with Catalog.open(path), and made with Catalog.create(path, images)")
        self.store = open_store(location)
        if not isinstance(location, Store):
            check_catalog(self.store)
        self._contents = Contents(self.store)

    def image_tables(self) -> ImageTables:
        """The catalog's tables of images, in the order of their images."""
        return self._contents.tables()

    def covariate_names(self) -> list[str]:
        """Names of what is known of the images besides their URIs."""
        return covariate_names(self.store, self.image_tables())

    def base_of(self, column: str) -> np.ndarray:
        """The folder that relative paths of a covariate start from: see `Contents.base_of`."""
        return self._contents.base_of(column)

    def start_run(self, settings: RunSettings, origin: Origin | None = None) -> str:
        """Enter a run, or find it if the same settings ran before; its id."""
        return record_run(self.store, settings, origin)

    def start_session(self, run_id: str, owner: Owner, session: Session) -> None:
        """Note who begins to work on a run."""
        record_session(self.store, run_id, owner.name, session)

    def run_results(self, run_id: AskedRun = None) -> RunResults:
        """What a run, the newest by default, has found out of all images that there are now."""
        return self._contents.results(run_id)

    def run_blocks(self, run_id: str) -> RunBlocks:
        """The blocks of a run, to be claimed and worked on."""
        return RunBlocks(self._contents, run_id)
