"""Which blocks of a run hold work for a driver, among several that share it."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toolkit.catalog import DONE, FAILED, Catalog, ImageTable, OwnedBlock, Owner, Watch

_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Counts:
    """How many images a run has of each status."""

    total: int
    """All."""
    done: int
    """Done."""
    failed: int
    """Failed."""


@dataclass(frozen=True)
class BlockOfWork:
    """A claimed block, and what is to be done in it."""

    table: ImageTable
    """Its table of images."""
    owned: OwnedBlock
    """The claim."""
    rows: np.ndarray
    """Rows of the table to work on, int64."""
    uris: tuple[str, ...]
    """Their URIs."""
    attempts: dict[int, int]
    """How often each was tried before, by row."""
    masks: tuple[str, ...] = ()
    """URIs of their own masks, ``""`` where one has none; empty if there is no column of them."""


class BlockQueue:
    """Claims one block after the other, and knows of those that other drivers hold.

    Parameters
    ----------
    catalog : Catalog
        The images.
    run_id : str
        A run that was started in it.
    owner : Owner
        Who claims.
    wanted : int
        Status of the images that are to be worked on.
    clock : callable
        Monotonic seconds.
    mask_column : str
        Name of the covariate that says where each image's mask lies; ``""``: there is none.
    """

    def __init__(
        self,
        catalog: Catalog,
        run_id: str,
        owner: Owner,
        wanted: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        mask_column: str = "",
    ) -> None:
        self._blocks = catalog.run_blocks(run_id)
        self._owner = owner
        self._wanted = wanted
        self._mask_column = mask_column
        self._clock = clock
        self._watch = Watch(catalog.store, clock)
        self._n_tables = 0
        self._grown = False
        self._candidates: deque[tuple[ImageTable, int]] = deque()
        self._held: dict[tuple[ImageTable, int], str] = {}
        self._failed_in: dict[int, np.ndarray] = {}
        self._looked = clock()

    @property
    def holders(self) -> tuple[str, ...]:
        """The other drivers that hold blocks with work in them, as far as is known."""
        return tuple(sorted(set(self._held.values())))

    def count(self) -> Counts:
        """How many images there are of each status now, whoever worked on them."""
        counts = self._blocks.results().counts()
        return Counts(int(counts.sum()), int(counts[DONE]), int(counts[FAILED]))

    def look(self, *, at_once: bool = False) -> bool:
        """Take up the images that were added, and look again at the blocks that others hold.

        Once a second at most, unless ``at_once``. Whether there may be work, now or later.
        """
        if at_once or self._clock() - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self._looked = self._clock()
            self._candidates.extend(self._held)
            self._held.clear()
            results = self._blocks.results()
            for table in results.tables[self._n_tables :]:
                if self._wanted == FAILED:
                    failed = results.read(table, fields=())
                    status, self._failed_in[table.number] = failed.status, failed.generation
                else:
                    status = results.status(table)
                begins = np.arange(0, table.n_images, table.block_size)
                blocks = np.flatnonzero(np.logical_or.reduceat(status == self._wanted, begins))
                self._candidates.extend((table, block) for block in blocks.tolist())
                self._grown = True
            self._n_tables = len(results.tables)
        return bool(self._candidates or self._held)

    def has_grown(self) -> bool:
        """Whether images were added since this was asked last."""
        grown, self._grown = self._grown, False
        return grown

    def take(self) -> BlockOfWork | None:
        """The next block, claimed; None if there is none for now: others may free some while there are `holders`."""
        if not self._candidates:
            self.look()
        while self._candidates:
            work = self._claim(*self._candidates.popleft())
            if work is not None:
                return work
        return None

    def give_back(self, work: BlockOfWork) -> None:
        """Another driver owns the block now; look after it again later."""
        self._held[work.table, work.owned.labels.block] = "another driver"

    def _claim(self, table: ImageTable, block: int) -> BlockOfWork | None:
        claim = self._blocks.latest_claim(table, block)
        alive = claim is not None and claim.owner != self._owner and self._watch.is_alive(claim.owner)
        rows = table.rows(block)
        results = self._blocks.results().read(table, rows, fields=["attempts"])
        wanted = results.status == self._wanted
        if self._wanted == FAILED:  # not what another driver has tried since
            wanted &= results.generation <= self._failed_in[table.number][rows]
        found = np.flatnonzero(wanted) + rows.start
        if not found.size:
            return None
        if not alive:
            owned = self._blocks.claim(table, block, self._owner, 0 if claim is None else claim.generation + 1)
            if owned is not None:
                uris = self._blocks.uris(table, rows)[found - rows.start]
                attempts = results.values["attempts"][found - rows.start]
                before = dict(zip(found.tolist(), attempts.tolist(), strict=True))
                return BlockOfWork(table, owned, found, tuple(uris), before, self._masks(table, rows, found))
        self._held[table, block] = "another driver" if claim is None else claim.owner.name
        return None

    def _masks(self, table: ImageTable, rows: slice, found: np.ndarray) -> tuple[str, ...]:
        if not self._mask_column:
            return ()
        return tuple(self._blocks.paths(table, rows, self._mask_column)[found - rows.start])
