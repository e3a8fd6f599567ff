"""Which blocks of a run hold work for a driver, among several that share it."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toolkit.catalog import DONE, FAILED, Catalog, OwnedBlock, Owner, SegmentShape, Watch

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

    shape: SegmentShape
    """Its segment."""
    owned: OwnedBlock
    """The claim."""
    rows: np.ndarray
    """Rows of the segment to work on, int64."""
    uris: tuple[str, ...]
    """Their URIs."""
    attempts: dict[int, int]
    """How often each was tried before, by row."""


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
    """

    def __init__(
        self,
        catalog: Catalog,
        run_id: str,
        owner: Owner,
        wanted: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._run_id = run_id
        self._owner = owner
        self._wanted = wanted
        self._clock = clock
        self._watch = Watch(catalog.store, clock)
        self._n_segments = 0
        self._grown = False
        self._candidates: deque[tuple[SegmentShape, int]] = deque()
        self._held: dict[tuple[SegmentShape, int], str] = {}
        self._failed_in: dict[int, np.ndarray] = {}
        self._looked = clock()

    @property
    def holders(self) -> tuple[str, ...]:
        """The other drivers that hold blocks with work in them, as far as is known."""
        return tuple(sorted(set(self._held.values())))

    def count(self) -> Counts:
        """How many images there are of each status now, whoever worked on them."""
        counts = np.zeros(3, dtype=np.int64)
        for shape in self._catalog.segments():
            status = self._catalog.read_status(self._run_id, shape)
            counts += [np.count_nonzero(status == number) for number in range(counts.size)]
        return Counts(int(counts.sum()), int(counts[DONE]), int(counts[FAILED]))

    def look(self, *, at_once: bool = False) -> bool:
        """Take up the images that were added, and look again at the blocks that others hold.

        Once a second at most, unless ``at_once``. Whether there may be work, now or later.
        """
        if at_once or self._clock() - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self._looked = self._clock()
            self._candidates.extend(self._held)
            self._held.clear()
            segments = self._catalog.segments()
            for shape in segments[self._n_segments :]:
                if self._wanted == FAILED:
                    results = self._catalog.read_results(self._run_id, shape, fields=())
                    status, self._failed_in[shape.segment] = results.status, results.generation
                else:
                    status = self._catalog.read_status(self._run_id, shape)
                begins = np.arange(0, shape.n_images, shape.block_size)
                blocks = np.flatnonzero(np.logical_or.reduceat(status == self._wanted, begins))
                self._candidates.extend((shape, block) for block in blocks.tolist())
                self._grown = True
            self._n_segments = len(segments)
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
            shape, block = self._candidates.popleft()
            work = self._claim(shape, block)
            if work is not None:
                return work
        return None

    def give_back(self, work: BlockOfWork) -> None:
        """Another driver owns the block now; look after it again later."""
        self._held[work.shape, work.owned.labels.block] = "another driver"

    def _claim(self, shape: SegmentShape, block: int) -> BlockOfWork | None:
        claim = self._catalog.latest_claim(self._run_id, shape, block)
        alive = claim is not None and claim.owner != self._owner and self._watch.is_alive(claim.owner)
        rows = shape.rows(block)
        results = self._catalog.read_results(self._run_id, shape, rows, fields=["attempts"])
        wanted = results.status == self._wanted
        if self._wanted == FAILED:  # not what another driver has tried since
            wanted &= results.generation <= self._failed_in[shape.segment][rows]
        found = np.flatnonzero(wanted) + rows.start
        if not found.size:
            return None
        if not alive:
            owned = self._catalog.claim(
                self._run_id, shape, block, self._owner, 0 if claim is None else claim.generation + 1
            )
            if owned is not None:
                uris = self._catalog.uris(shape, rows)[found - rows.start]
                attempts = results.values["attempts"][found - rows.start]
                before = dict(zip(found.tolist(), attempts.tolist(), strict=True))
                return BlockOfWork(shape, owned, found, tuple(uris), before)
        self._held[shape, block] = "another driver" if claim is None else claim.owner.name
        return None
