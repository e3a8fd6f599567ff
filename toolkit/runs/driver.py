"""The loop that claims blocks, hands batches to engines and writes what comes back."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, replace
from threading import Event as Flag

import numpy as np

from toolkit.catalog import (
    DONE,
    ERROR_CODES,
    FAILED,
    PENDING,
    Catalog,
    Failure,
    FailureLog,
    OwnedBlock,
    Owner,
    SegmentShape,
)
from toolkit.engines import EngineLostError, Executor, NoEnginesError
from toolkit.runs.events import BatchEnded, EngineLost, Flushed, Observer, RunStarted
from toolkit.runs.tasks import BatchOutcome, ImageOutcome, Task, Work

_TASKS_PER_ENGINE = 2  # one that runs and one that waits behind it
_LARGEST_BATCH = 64
_MOST_LOSSES = 3


@dataclass(frozen=True)
class DriverOptions:
    """How a driver goes about it; nothing here changes a result."""

    retry: bool = False
    """Work on the images that failed, instead of those that are pending."""
    keep_labels: bool = True
    """Whether label maps are written."""
    flush_seconds: float = 5.0
    """Finished work is on disk after this many seconds: half of them for a batch, half until the next flush."""


class Driver:
    """Works through a catalog once.

    Parameters
    ----------
    catalog : Catalog
        The images, and where results go.
    run_id : str
        A run that was started in it.
    work : Work
        Model and protocol.
    executor : Executor
        The engines.
    segment : callable
        Does a task on an engine.
    options : DriverOptions
        How to go about it.
    emit : callable
        Gets the events.
    cancelled : threading.Event
        When set, what is in progress is finished and nothing else begun.
    """

    def __init__(
        self,
        catalog: Catalog,
        run_id: str,
        work: Work,
        executor: Executor,
        segment: Callable[[Task], BatchOutcome],
        options: DriverOptions,
        emit: Observer,
        cancelled: Flag,
    ) -> None:
        self._catalog = catalog
        self._run_id = run_id
        self._work = work
        self._executor = executor
        self._segment = segment
        self._options = options
        self._emit = emit
        self._cancelled = cancelled
        self._owner = Owner()
        self._log = FailureLog(catalog.store, run_id, self._owner)
        self._failures: list[Failure] = []
        self._open_blocks: dict[tuple[int, int], _OpenBlock] = {}
        self._todo = 0
        self._seconds_per_image: float | None = None
        self._half_interval = options.flush_seconds / 2
        self._flushed_at = time.monotonic()

    def run(self) -> None:
        """Work until nothing is left or the run is cancelled; whatever happens, finished work is flushed.

        Raises
        ------
        NoEnginesError
            No engine is left alive.
        EngineTaskError
            An engine cannot work at all: another model lies there, or label maps cannot be written.
        OSError
            The catalog cannot be written.
        """
        self._announce()
        try:
            self._loop()
        finally:
            self._flush()

    def _announce(self) -> None:
        counts = np.zeros(3, dtype=np.int64)
        for shape in self._catalog.segments():
            counts += np.bincount(self._catalog.read_status(self._run_id, shape), minlength=3)
        self._todo = int(counts[FAILED if self._options.retry else PENDING])
        self._emit(
            RunStarted(
                run_id=self._run_id,
                total=int(counts.sum()),
                done=int(counts[DONE]),
                failed=int(counts[FAILED]),
                todo=self._todo,
                retry=self._options.retry,
                n_engines=self._executor.n_engines,
            )
        )

    def _loop(self) -> None:
        tasks = self._tasks()
        again: deque[Task] = deque()
        running: dict[Future[BatchOutcome], Task] = {}
        while True:
            while not self._cancelled.is_set() and len(running) < _TASKS_PER_ENGINE * max(self._executor.n_engines, 1):
                task = again.popleft() if again else next(tasks, None)
                if task is None:
                    break
                running[self._executor.submit(self._segment, task)] = task
            if not running:
                return
            ended, _ = wait(running, timeout=self._seconds_to_flush(), return_when=FIRST_COMPLETED)
            for future in ended:
                again.extend(self._collect(running.pop(future), future))
            if self._seconds_to_flush() <= 0:
                self._flush()

    def _tasks(self) -> Iterator[Task]:
        """Batches of all blocks that hold work; a block is claimed when its first batch is asked for."""
        wanted = FAILED if self._options.retry else PENDING
        for shape in self._catalog.segments():
            status = self._catalog.read_status(self._run_id, shape)
            for block in range(shape.n_blocks):
                rows = np.flatnonzero(status[shape.rows(block)] == wanted) + shape.rows(block).start
                if rows.size:
                    yield from self._tasks_of_block(shape, block, rows)

    def _tasks_of_block(self, shape: SegmentShape, block: int, rows: np.ndarray) -> Iterator[Task]:
        owned = self._catalog.claim(self._run_id, shape, block, self._owner)
        opened = _OpenBlock(owned, self._attempts(shape, owned.rows), set(rows.tolist()))
        self._open_blocks[shape.segment, block] = opened
        uris = self._catalog.uris(shape, owned.rows)
        begin = 0
        while begin < rows.size:
            batch = rows[begin : begin + self._batch_size()]
            begin += batch.size
            yield Task(
                work=self._work,
                rows=tuple(batch.tolist()),
                uris=tuple(uris[batch - owned.rows.start]),
                labels=owned.labels,
                first_part=opened.take_parts(batch.size),
                seconds=self._half_interval,
                keep_labels=self._options.keep_labels,
            )

    def _attempts(self, shape: SegmentShape, rows: slice) -> np.ndarray:
        return self._catalog.read_results(self._run_id, shape, rows, fields=["attempts"]).values["attempts"]

    def _batch_size(self) -> int:
        """As many images as take an engine half a flush interval, but no more than an engine's share of the rest."""
        if self._seconds_per_image is None:
            return 1
        by_time = int(self._half_interval / max(self._seconds_per_image, 1e-6))
        by_share = self._todo // (_TASKS_PER_ENGINE * max(self._executor.n_engines, 1))
        return max(1, min(_LARGEST_BATCH, by_time, by_share))

    def _collect(self, task: Task, future: "Future[BatchOutcome]") -> list[Task]:
        """Note what became of a task; the tasks to do instead if its engine died."""
        try:
            outcome = future.result()
        except EngineLostError as error:
            self._emit(EngineLost(str(error.engine), len(task.rows)))
            return self._after_loss(task, error)
        except CancelledError as error:
            raise NoEnginesError("the cluster was stopped while the run went on") from error
        self._note(task, outcome)
        mean = outcome.seconds / len(outcome.images)
        before = mean if self._seconds_per_image is None else self._seconds_per_image
        self._seconds_per_image = 0.5 * (before + mean)
        return self._remainder(task, outcome)

    def _remainder(self, task: Task, outcome: BatchOutcome) -> list[Task]:
        """The part of a batch that the engine had no time for."""
        n_images = len(outcome.images)
        if n_images == len(task.rows):
            return []
        first_part = self._opened(task).take_parts(len(task.rows) - n_images)
        return [replace(task, rows=task.rows[n_images:], uris=task.uris[n_images:], first_part=first_part)]

    def _opened(self, task: Task) -> "_OpenBlock":
        return self._open_blocks[task.labels.segment, task.labels.block]

    def _after_loss(self, task: Task, error: EngineLostError) -> list[Task]:
        """Halves of the batch, so that an image that kills engines ends up alone; alone it fails in the end."""
        tries = task.tries + 1
        if len(task.rows) == 1 and tries >= _MOST_LOSSES:
            message = f"{task.uris[0]}: {tries} engines died while they worked on it, the last was {error.engine}"
            image = ImageOutcome(task.rows[0], time.time_ns() // 1_000_000, 0.0, "engine_lost", message)
            self._note(task, BatchOutcome(str(error.engine), 0.0, (image,)))
            return []
        half = -(-len(task.rows) // 2)
        return [
            replace(task, rows=rows, uris=uris, tries=tries, first_part=self._opened(task).take_parts(len(rows)))
            for rows, uris in ((task.rows[:half], task.uris[:half]), (task.rows[half:], task.uris[half:]))
            if rows
        ]

    def _note(self, task: Task, outcome: BatchOutcome) -> None:
        folder = task.labels
        for image in outcome.images:
            self._opened(task).note(image, outcome.engine)
            if image.error:
                failure = Failure(folder.segment, image.row, folder.generation, image.error, image.message)
                self._failures.append(failure)
        n_failed = sum(bool(image.error) for image in outcome.images)
        self._todo -= len(outcome.images)
        self._emit(BatchEnded(outcome.engine, done=len(outcome.images) - n_failed, failed=n_failed))

    def _seconds_to_flush(self) -> float:
        return max(0.0, self._flushed_at + self._half_interval - time.monotonic())

    def _flush(self) -> None:
        """Why images failed first, then the results: whatever says `failed` has its message."""
        begin = time.monotonic()
        self._log.append(self._failures)
        self._failures = []
        for key, opened in list(self._open_blocks.items()):
            opened.owned.writer.flush()
            if not opened.missing:
                del self._open_blocks[key]
        self._flushed_at = time.monotonic()
        self._emit(Flushed(self._flushed_at - begin))


class _OpenBlock:
    """A claimed block, and the rows of it that are still out."""

    def __init__(self, owned: OwnedBlock, attempts_before: np.ndarray, missing: set[int]) -> None:
        self.owned = owned
        self.missing = missing
        self._attempts_before = attempts_before
        self._next_part = 0

    def take_parts(self, n: int) -> int:
        """The first of n numbers for arrays of label maps that nobody else has."""
        first = self._next_part
        self._next_part += n
        return first

    def note(self, image: ImageOutcome, engine: str) -> None:
        """Take over an outcome."""
        attempts = min(int(self._attempts_before[image.row - self.owned.rows.start]) + 1, np.iinfo(np.uint8).max)
        results = {
            "status": FAILED if image.error else DONE,
            "attempts": attempts,
            "error": ERROR_CODES.index(image.error),
            "engine": engine,
            "started": image.started,
            "seconds": image.seconds,
            "height": image.height,
            "width": image.width,
            "label_part": image.label_part,
            "label_offset": image.label_offset,
        }
        if image.composition is not None:
            results |= {"composition": image.composition, "confidence": image.confidence}
        if image.soft_composition is not None:
            results["soft_composition"] = image.soft_composition
        self.owned.writer.set(image.row, **results)
        self.missing.discard(image.row)
