"""The loop that claims blocks, hands batches to engines and writes what comes back."""

import math
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

from toolkit.catalog import FAILED, PENDING, Catalog, Failure, FailureLog, Heartbeat, Owner
from toolkit.catalog.owners import TIME_TO_LIVE
from toolkit.engines import EngineLostError, Executor, NoEnginesError
from toolkit.runs.at_hand import WorkAtHand
from toolkit.runs.delivery import Deliveries
from toolkit.runs.events import (
    BatchEnded,
    Counted,
    EngineLost,
    EnginesChanged,
    Flushed,
    Observer,
    Paused,
    RunStarted,
    Waiting,
)
from toolkit.runs.folding import fold_labels
from toolkit.runs.open_block import OpenBlock
from toolkit.runs.packing import place
from toolkit.runs.queue import BlockQueue
from toolkit.runs.speeds import TASKS_PER_ENGINE, Speeds
from toolkit.runs.tasks import BatchOutcome, FoldTask, ImageOutcome, LabelsBy, Task, Work
from toolkit.runs.watchdog import gave_up
from toolkit.sources import is_remote

_MOST_LOSSES = 3
_MOST_LOSSES_IN_A_ROW = 20
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_COUNTS = 30.0


@dataclass(frozen=True)
class DriverOptions:
    """How a driver goes about it; nothing here changes a result."""

    retry: bool = False
    """Work on the images that failed, instead of those that are pending."""
    keep_labels: bool = True
    """Whether label maps are written."""
    labels_by: LabelsBy = "auto"
    """Who writes them."""
    flush_seconds: float = 5.0
    """Finished work is on disk after this many seconds: half of them for a batch, half until the next flush."""
    image_seconds: float | None = None
    """An engine that gets no further with an image for so long is given up; None: for as long as it takes."""
    time_to_live: float = TIME_TO_LIVE
    """Seconds of silence after which other drivers take over."""
    probe_seconds: float = 1.0
    """While a server of images is out of reach, it is tried again after so many seconds."""


class Driver:
    """Works through a catalog once, alone or among others.

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
    owner : Owner
        How claims and logs name this driver.
    deliveries : Deliveries, optional
        Bring the model to engines that cannot load it.
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
        owner: Owner,
        deliveries: Deliveries | None = None,
    ) -> None:
        self._catalog = catalog
        self._work = work
        self._executor = executor
        self._segment = segment
        self._options = options
        self._emit = emit
        self._cancelled = cancelled
        self._heartbeat = Heartbeat(catalog.store, owner, options.time_to_live)
        self._owner = owner
        self._deliveries = deliveries
        self._here = ThreadPoolExecutor(1, thread_name_prefix="labels")
        """Writes the label maps that engines cannot write."""
        self._queue = BlockQueue(catalog, run_id, owner, FAILED if options.retry else PENDING)
        self._run_id = run_id
        self._log = FailureLog(catalog.store, run_id, owner)
        self._failures: list[Failure] = []
        self._open_blocks: dict[tuple[int, int, int], OpenBlock] = {}
        self._running: dict[Future[Any], tuple[Task | FoldTask, float]] = {}
        """What engines are at, and since when (monotonic seconds)."""
        self._paused = False
        self._reached_at = self._probe_at = -math.inf
        self._at_hand = WorkAtHand(self._claimed)
        self._todo = 0
        self._losses_in_a_row = 0
        self._lost_at = -math.inf
        self._speeds = Speeds()
        self._n_engines = executor.n_engines
        self._half_interval = options.flush_seconds / 2
        self._flushed_at = self._counted_at = time.monotonic()

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
        with self._heartbeat:
            self._announce()
            try:
                self._loop()
            finally:
                self._here.shutdown(cancel_futures=True)
                self._flush()
            self._count()

    def _announce(self) -> None:
        counts = self._queue.count()
        self._queue.look(at_once=True)
        self._queue.has_grown()  # what was just counted
        self._todo = counts.failed if self._options.retry else counts.total - counts.done - counts.failed
        self._emit(
            RunStarted(
                run_id=self._run_id,
                total=counts.total,
                done=counts.done,
                failed=counts.failed,
                todo=self._todo,
                retry=self._options.retry,
                n_engines=self._executor.n_engines,
            )
        )

    def _loop(self) -> None:
        while True:
            while not self._cancelled.is_set() and self._has_room():
                task = self._next_task()
                if task is None:
                    break
                self._submit(self._segment, task)
            if self._running:
                ended, _ = wait(self._running, timeout=self._seconds_to_flush(), return_when=FIRST_COMPLETED)
                for future in ended:
                    self._collect(future, *self._running.pop(future))
            elif self._at_hand and not self._cancelled.is_set():
                self._cancelled.wait(self._options.probe_seconds)
            elif self._cancelled.is_set() or not self._queue.look(at_once=not self._queue.holders):
                return
            elif self._queue.holders:
                self._wait_for_others()
            if self._seconds_to_flush() <= 0:
                self._flush()
            self._note_engines()

    def _note_engines(self) -> None:
        n_engines = self._executor.n_engines
        if n_engines != self._n_engines:
            self._n_engines = n_engines
            self._emit(EnginesChanged(n_engines))

    def _submit(self, function: Callable[[Any], Any], task: Task | FoldTask) -> None:
        self._running[self._executor.submit(function, task)] = task, time.monotonic()

    def _has_room(self) -> bool:
        if self._paused:  # one batch at a time finds out whether the server is back
            return not self._running and time.monotonic() >= self._probe_at
        return len(self._running) < TASKS_PER_ENGINE * max(self._executor.n_engines, 1)

    def _next_task(self) -> Task | None:
        """A share of the work at hand, or of a block that is claimed for it; None: there is nothing for now."""
        whole = self._at_hand.take()
        if whole is None:
            return None
        handed_out = sum(len(task.rows) for task, _ in self._running.values() if isinstance(task, Task))
        n_engines = max(self._executor.n_engines, 1)
        share = self._speeds.share(self._half_interval, max(self._todo - handed_out, 0), n_engines)
        task, rest = whole.split(share.n_images)
        if rest is not None:
            self._at_hand.put_last(rest)
        return replace(task, seconds=share.seconds)

    def _claimed(self) -> Task | None:
        """All that is to be done of a block, claimed now; None if there is none for now."""
        work = self._queue.take()
        if self._queue.has_grown():
            self._count()
        if work is None:
            return None
        opened = OpenBlock(work)
        self._open_blocks[work.owned.labels.key] = opened
        rows = tuple(work.rows.tolist())
        return Task(
            work=self._work,
            rows=rows,
            uris=work.uris,
            labels=work.owned.labels,
            first_part=opened.take_parts(len(rows)),
            seconds=self._half_interval,
            keep_labels=self._options.keep_labels,
            labels_by=self._options.labels_by,
            driver=self._owner.name,
            image_seconds=self._options.image_seconds,
        )

    def _collect(self, future: "Future[Any]", task: Task | FoldTask, since: float) -> None:
        """Note what became of a task."""
        opened = self._open_blocks.get(task.labels.key)
        try:
            outcome = future.result()
        except EngineLostError as error:
            self._emit(EngineLost(str(error.engine), 0 if isinstance(task, FoldTask) else len(task.rows)))
            self._check_losses(error, since)
            if opened is None:
                return
            if isinstance(task, FoldTask):
                opened.end_fold()
            else:
                self._after_loss(opened, task, error)
        except CancelledError as error:
            raise NoEnginesError("the cluster was stopped while the run went on") from error
        else:
            self._losses_in_a_row = 0
            if opened is None:
                return
            if isinstance(task, FoldTask) and outcome.label_maps is None:
                here = replace(task, driver="")
                self._running[self._here.submit(fold_labels, here)] = here, time.monotonic()
            elif isinstance(task, FoldTask):
                opened.note_fold(outcome.label_maps)
            elif outcome.packed:
                self._running[self._here.submit(place, (task, outcome))] = task, since
            else:
                self._take(opened, task, outcome, since)

    def _take(self, opened: OpenBlock, task: Task, outcome: BatchOutcome, since: float) -> None:
        self._check_seen_here(outcome, task)
        self._note(opened, task, outcome)
        _, others = task.split(len(outcome.images))
        if others is not None and outcome.unreachable:
            self._at_hand.set_aside(others)
        elif others is not None:  # there was no time for them
            self._at_hand.put_first(others)
        self._note_server(task, outcome, since)
        lacking = outcome.lacks_model
        if lacking is not None:
            if self._deliveries is None:
                raise NoEnginesError(f"the engine on {lacking.host} cannot load the model ({lacking.reason})")
            self._deliveries.bring(lacking.host, lacking.number, lacking.reason)

    def _check_seen_here(self, outcome: BatchOutcome, task: Task) -> None:
        """Stop rather than have all images of a folder fail that an engine's machine does not have.

        Raises
        ------
        FileNotFoundError
            The engine says that a file is missing which is here.
        """
        uris = dict(zip(task.rows, task.uris, strict=True))
        for image in outcome.images:
            uri = uris[image.row]
            if image.error == "missing" and not is_remote(uri) and Path(uri).exists():
                raise FileNotFoundError(
                    f"{uri} is here, but not for the engine {outcome.engine}: its machine does not share that folder; "
                    "give the images as sftp://…, or mount the folder there under the same path"
                )

    def _note_server(self, task: Task, outcome: BatchOutcome, since: float) -> None:
        """Pause if a server of images cannot be reached, unless others have reached it meanwhile; go on once it can."""
        if outcome.images:
            self._reached_at = time.monotonic()
            self._at_hand.note_reached(task.uris[: len(outcome.images)])
        if outcome.unreachable and self._reached_at < since:
            self._probe_at = time.monotonic() + self._options.probe_seconds
            if not self._paused:
                self._paused = True
                self._emit(Paused(outcome.unreachable))
        elif self._paused and outcome.images:
            self._paused = False
            self._emit(Paused(""))

    def _check_losses(self, error: EngineLostError, since: float) -> None:
        """Stop where every engine dies; those that die at the same time, as with their machine, count once."""
        if since > self._lost_at:
            self._losses_in_a_row += 1
            self._lost_at = time.monotonic()
        if self._losses_in_a_row > _MOST_LOSSES_IN_A_ROW:
            raise NoEnginesError(
                f"engines died {self._losses_in_a_row} times in a row, whatever they worked on; see their logs"
            ) from error

    def _after_loss(self, opened: OpenBlock, task: Task, error: EngineLostError) -> None:
        """One by one from now on, so that an image that kills engines is alone; alone it fails in the end."""
        if len(task.rows) > 1:
            for row, uri in zip(task.rows, task.uris, strict=True):
                self._at_hand.put_first(replace(task, rows=(row,), uris=(uri,), first_part=opened.take_parts(1)))
            return
        tries = task.tries + 1
        if tries < _MOST_LOSSES:
            self._at_hand.put_first(replace(task, tries=tries, first_part=opened.take_parts(1)))
            return
        code, reason = "engine_lost", f"{tries} engines died while they worked on it, the last was {error.engine}"
        if gave_up(task):
            code, reason = "timeout", f"{tries} engines got no further with it for {task.image_seconds:g} s and gave up"
        image = ImageOutcome(task.rows[0], time.time_ns() // 1_000_000, 0.0, code, f"{task.uris[0]}: {reason}")
        self._note(opened, task, BatchOutcome(str(error.engine), 0.0, (image,)))

    def _note(self, opened: OpenBlock, task: Task, outcome: BatchOutcome) -> None:
        for image in outcome.images:
            opened.note(image, outcome.engine)
            if image.error:
                folder = task.labels
                failure = Failure(folder.segment, image.row, folder.generation, image.error, image.message)
                self._failures.append(failure)
        n_failed = sum(bool(image.error) for image in outcome.images)
        self._todo -= len(outcome.images)
        if outcome.images:
            self._emit(BatchEnded(outcome.engine, done=len(outcome.images) - n_failed, failed=n_failed))
        if outcome.images and not outcome.unreachable:
            self._speeds.note(outcome.engine, outcome.seconds / len(outcome.images))
        in_reach_of = "" if self._options.labels_by == "engines" else self._owner.name
        fold = None if self._cancelled.is_set() else opened.fold(in_reach_of)
        if fold is not None:
            self._submit(fold_labels, fold)

    def _seconds_to_flush(self) -> float:
        return max(0.0, self._flushed_at + self._half_interval - time.monotonic())

    def _flush(self) -> None:
        """Why images failed first, then the results: whatever says `failed` has its message."""
        begin = time.monotonic()
        self._log.append(self._failures)
        self._failures = []
        for key, opened in list(self._open_blocks.items()):
            opened.flush()
            if opened.is_complete:
                del self._open_blocks[key]
            elif opened.owned.is_overtaken:
                self._let_go(key)
        self._flushed_at = time.monotonic()
        self._emit(Flushed(self._flushed_at - begin))

    def _let_go(self, key: tuple[int, int, int]) -> None:
        """Somebody took us for dead and goes on with the block; what we had of it is written."""
        opened = self._open_blocks.pop(key)
        self._at_hand.drop(key)
        self._queue.give_back(opened.work)

    def _wait_for_others(self) -> None:
        self._emit(Waiting(self._queue.holders))
        self._cancelled.wait(_SECONDS_BETWEEN_LOOKS)
        if time.monotonic() - self._counted_at > _SECONDS_BETWEEN_COUNTS:
            self._count()

    def _count(self) -> None:
        counts = self._queue.count()
        if not self._options.retry:
            self._todo = counts.total - counts.done - counts.failed
        self._emit(Counted(counts.total, counts.done, counts.failed, self._todo))
        self._counted_at = time.monotonic()
