"""What drivers see of a run: its blocks, who owns them, and where the results and label maps of their own go."""

from dataclasses import dataclass

import numpy as np

from toolkit.catalog.claims import Claim, claim_generation, is_overtaken, latest_claim
from toolkit.catalog.contents import Contents
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.labels import LabelFolder
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTable, ImageTables, read_uris
from toolkit.catalog.format.writing import BlockWriter
from toolkit.catalog.reading.covariates import read_bases, read_texts
from toolkit.sources import is_remote, normalize_uri


def _uri(written: str, base: str) -> str:
    """The URI of a path as it was written, which starts from a folder, if that is known."""
    text = written.strip()
    if text and base and is_remote(base) and not is_remote(text) and not text.startswith("/"):
        return f"{base.rstrip('/')}/{text}"
    return normalize_uri(text, base or None) if text else ""


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
        tables = self._contents.tables()
        one = ImageTables([table], tables.changes)
        written, bases = read_texts(self._store, one, column)[rows], read_bases(one, column)[rows]
        return np.array([_uri(text, base) for text, base in zip(written, bases, strict=True)], dtype=object)

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
