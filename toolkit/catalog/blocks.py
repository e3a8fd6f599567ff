"""What drivers see of a run: its blocks, who owns them, and where the results and label maps of their own go."""

from dataclasses import dataclass

import numpy as np

from toolkit.catalog.claims import Claim, claim_generation, is_overtaken, latest_claim
from toolkit.catalog.contents import Contents
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.labels import LabelFolder
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTable, ImageTables, read_covariate, read_uris
from toolkit.catalog.format.writing import BlockWriter
from toolkit.sources import is_remote, normalize_uri


def _uri(written: object, base: str | None) -> str:
    text = "" if written is None else str(written).strip()
    if not text or text.lower() == "nan":
        return ""
    if base is not None and is_remote(base) and not is_remote(text) and not text.startswith("/"):
        return f"{base.rstrip('/')}/{text}"
    return normalize_uri(text, base)


@dataclass(frozen=True)
class OwnedBlock:
    """A claimed block."""

    rows: slice
    """Its rows in their table of images."""
    labels: LabelFolder
    """Where engines write its label maps."""
    writer: BlockWriter
    """Where the driver writes its results."""

    @property
    def is_overtaken(self) -> bool:
        """Whether another driver took this one for dead, and owns the block now."""
        folder = self.labels
        return is_overtaken(folder.store, folder.run_id, folder.table, folder.block, folder.generation)


class RunBlocks:
    """The blocks of a run that exists, for those who work on it. Everything is as it is at each call."""

    def __init__(self, contents: Contents, run_id: str) -> None:
        self._contents = contents
        self._store = contents.store
        self.run_id = run_id

    def tables(self) -> ImageTables:
        """The tables of images; others may come behind them."""
        return self._contents.tables()

    def results(self) -> RunResults:
        """The results, over all images that there are now; they can be kept, and asked for those of later tables."""
        return self._contents.results(self.run_id)

    def uris(self, table: ImageTable, rows: slice) -> np.ndarray:
        """URIs of some rows of a table."""
        return read_uris(self._store, table, rows)

    def paths(self, table: ImageTable, rows: slice, column: str) -> np.ndarray:
        """URIs of the files that a covariate names of some rows of a table, ``""`` where it names none.

        Relative paths start from the folder of the table in which they were given, as those of the images do; from the
        working directory where that is not known.
        """
        written = read_covariate(self._store, column, np.dtype(object), table, rows)
        base = self._base_of(table, column)
        return np.array([_uri(one, base) for one in written], dtype=object)

    def _base_of(self, table: ImageTable, column: str) -> str | None:
        """The folder that the paths of a covariate start from."""
        return None

    def latest_claim(self, table: ImageTable, block: int) -> Claim | None:
        """The newest claim of a block; None if there is none."""
        return latest_claim(self._store, self.run_id, table.number, block)

    def claim(self, table: ImageTable, block: int, owner: Owner, generation: int = 0) -> OwnedBlock | None:
        """Claim a generation of a block, and make the place for its results; None if another driver was quicker.

        Parameters
        ----------
        table, block
            Which block.
        owner : Owner
            Who claims it.
        generation : int
            The one after the newest claim's, whose owner has ended or lapsed (see `toolkit.catalog.claims`); 0 if there
            is none.
        """
        store, run_id = self._store, self.run_id
        if not claim_generation(store, run_id, table.number, block, generation, owner):
            return None
        settings = self._contents.record(run_id).settings
        arrays = GenerationArrays(store, run_id, table, generation)
        arrays.create(settings.class_names, settings.options)
        if arrays.is_written(block):  # the claim of whoever wrote that was lost; nothing is ever written over results
            return self.claim(table, block, owner, generation + 1)
        rows = table.rows(block)
        labels = LabelFolder(store, run_id, table.number, block, generation)
        return OwnedBlock(rows, labels, BlockWriter(arrays, rows, len(settings.class_names), settings.options))
