"""The loop that claims blocks, hands batches to engines and writes what comes back."""

import time
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from toolkit.catalog import FAILED, PENDING, Catalog, FailureLog, Heartbeat, Owner
from toolkit.catalog.owners import TIME_TO_LIVE
from toolkit.engines import EngineLostError, Executor, NoEnginesError
from toolkit.engines.hosting import Deliveries
from toolkit.runs.at_hand import WorkAtHand
from toolkit.runs.events import (
    BatchEnded,
    Counted,
    EnginesChanged,
    Flushed,
    LeftPending,
    Paused,
    Resumed,
    RunStarted,
    Waiting,
)
from toolkit.runs.folding import fold_labels
from toolkit.runs.open_block import OpenBlock, OpenBlocks
from toolkit.runs.packing import place
from toolkit.runs.queue import BlockQueue
from toolkit.runs.reach import Reach
from toolkit.runs.run import Run
from toolkit.runs.speeds import TASKS_PER_ENGINE, Speeds
from toolkit.runs.stuck import take_note
from toolkit.runs.tasks import BatchOutcome, FoldOutcome, FoldTask, ImageOutcome, LabelsBy, Task, Work
from toolkit.runs.under_way import UnderWay
from toolkit.sources import is_remote

_MOST_LOSSES = 3
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
    server_seconds: float = 600.0
    """A server that is out of reach is waited for so long, if others are in reach and nothing else is left."""
    time_to_live: float = TIME_TO_LIVE
    """Seconds of silence after which other drivers take over."""
    look_seconds: float = 1.0
    """Between two looks at what others do, and at whether a server is back."""


class Driver:
    """Works through a catalog once, alone or among others.

    Parameters
    ----------
    catalog : Catalog
        The images, and where results go.
    run : Run
        Was started in it; gets the events, and says whether to go on.
    work : Work
        Model and protocol.
    executor : Executor
        The engines.
    segment : callable
        Does a task on an engine.
    options : DriverOptions
        How to go about it.
    owner : Owner
        How claims and logs name this driver.
    deliveries : Deliveries, optional
        Bring the model to engines that cannot load it.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        run: Run,
        work: Work,
        executor: Executor,
        segment: Callable[[Task], BatchOutcome],
        options: DriverOptions,
        owner: Owner,
        deliveries: Deliveries | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._work = work
        self._executor = executor
        self._segment = segment
        self._options = options
        self._owner = owner
        self._deliveries = deliveries
        self._clock = clock
        self._heartbeat = Heartbeat(catalog.store, owner, options.time_to_live)
        self._here = ThreadPoolExecutor(1, thread_name_prefix="labels")
        """Writes the label maps that engines cannot write."""
        mask_column = work.area.mask_column if work.area else ""
        wanted = FAILED if options.retry else PENDING
        self._queue = BlockQueue(catalog, run.id, owner, wanted, clock, mask_column=mask_column)
        self._blocks = OpenBlocks(FailureLog(catalog.store, run.id, owner))
        self._under_way = UnderWay(run.emit, clock)
        self._at_hand = WorkAtHand(self._claimed, clock)
        self._reach = Reach(options.server_seconds, options.look_seconds, clock)
        self._speeds = Speeds()
        self._todo = 0
        self._leaves_some = False
        """Whether images are left pending: others that do the same would wait for us, as we for them."""
        self._n_engines = executor.n_engines
        self._half_interval = options.flush_seconds / 2
        self._flushed_at = self._counted_at = clock()

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
        n_engines, retry = self._executor.n_engines, self._options.retry
        self._run.emit(RunStarted(self._run.id, counts.total, counts.done, counts.failed, self._todo, n_engines, retry))

    def _loop(self) -> None:
        cancelled, paused = self._run.cancelled, self._run.paused
        while True:
            while not cancelled.is_set() and not paused.is_set() and self._has_room():
                task = self._next_task()
                if task is None:
                    break
                self._submit(task)
            if self._under_way:
                self._under_way.collect(self._seconds_to_flush())
            elif cancelled.is_set():
                return
            elif self._at_hand or paused.is_set():
                cancelled.wait(self._options.look_seconds)
            elif self._leaves_some or not self._queue.look(at_once=not self._queue.holders):
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
            self._run.emit(EnginesChanged(n_engines))

    def _has_room(self) -> bool:
        if self._reach.paused:  # one batch at a time finds out whether the server is back
            return not self._under_way and self._reach.may_probe
        return len(self._under_way) < TASKS_PER_ENGINE * max(self._executor.n_engines, 1)

    def _next_task(self) -> Task | None:
        """A share of the work at hand, or of a block that is claimed for it; None: there is nothing for now."""
        whole = self._at_hand.take()
        if whole is None and not self._under_way and (reason := self._reach.given_up()):
            n_dropped = self._at_hand.drop_out_of_reach()
            if n_dropped:
                self._leaves_some = True
                self._run.emit(LeftPending(n_dropped, reason))
        whole = whole or self._at_hand.take_out_of_reach()
        if whole is None:
            return None
        n_engines = max(self._executor.n_engines, 1)
        n_left = max(self._todo - self._under_way.n_images, 0)
        share = self._speeds.share(self._half_interval, n_left, n_engines)
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
        opened = self._blocks.open(work)
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
            masks=work.masks,
        )

    def _submit(self, task: Task) -> None:
        opened = self._blocks[task.labels.key]
        self._under_way.submit(
            self._executor,
            self._segment,
            task,
            opened,
            n_images=len(task.rows),
            end=partial(self._after_batch, opened, task, self._clock()),
            lost=partial(self._after_loss, opened, task),
        )

    def _submit_fold(self, opened: OpenBlock, fold: FoldTask, where: Executor | Pool) -> None:
        end = partial(self._after_fold, opened, fold)
        self._under_way.submit(where, fold_labels, fold, opened, end=end, lost=lambda _: opened.end_fold())

    def _after_fold(self, opened: OpenBlock, fold: FoldTask, outcome: FoldOutcome) -> None:
        if outcome.label_maps is None:  # that engine does not see the catalog
            self._submit_fold(opened, replace(fold, driver=""), self._here)
        else:
            opened.note_fold(outcome.label_maps)

    def _after_batch(self, opened: OpenBlock, task: Task, since: float, outcome: BatchOutcome) -> None:
        if outcome.packed:  # label maps that are to be written here
            end = partial(self._after_batch, opened, task, since)
            self._under_way.submit(self._here, place, (task, outcome), opened, n_images=len(task.rows), end=end)
            return
        self._check_seen_here(outcome, task)
        self._note(opened, outcome)
        _, others = task.split(len(outcome.images))
        lost = others.uris[0] if others is not None and outcome.unreachable else ""
        if others is not None and lost:
            self._at_hand.set_aside(others)
        elif others is not None:  # there was no time for them
            self._at_hand.put_first(others)
        self._note_reach(task.uris[: len(outcome.images)], lost, outcome.unreachable, since)
        lacking = outcome.lacks_model
        if lacking is not None:
            if self._deliveries is None:
                raise NoEnginesError(f"the engine on {lacking.host} cannot load the model ({lacking.reason})")
            self._deliveries.bring(lacking, since)

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

    def _note_reach(self, read: tuple[str, ...], lost: str, reason: str, since: float) -> None:
        paused = self._reach.paused
        self._at_hand.note_reached(read)
        self._reach.note(read, lost, reason, since)
        if self._reach.paused != paused:
            self._run.emit(Resumed() if paused else Paused(reason))

    def _after_loss(self, opened: OpenBlock, task: Task, error: EngineLostError) -> None:
        """One by one from now on, so that an image that kills engines is alone; alone it fails in the end."""
        if len(task.rows) > 1:
            for index in range(len(task.rows)):
                self._at_hand.put_first(task.of(slice(index, index + 1), opened.take_parts(1)))
            return
        tries = task.tries + 1
        if tries < _MOST_LOSSES:
            self._at_hand.put_first(replace(task, tries=tries, first_part=opened.take_parts(1)))
            return
        code, reason = "engine_lost", f"{tries} engines died while they worked on it, the last was {error.engine}"
        if take_note(task):
            code, reason = "timeout", f"{tries} engines got no further with it for {task.image_seconds:g} s and gave up"
        image = ImageOutcome(task.rows[0], time.time_ns() // 1_000_000, 0.0, code, f"{task.uris[0]}: {reason}")
        self._note(opened, BatchOutcome(str(error.engine), 0.0, (image,)))

    def _note(self, opened: OpenBlock, outcome: BatchOutcome) -> None:
        for image in outcome.images:
            self._blocks.note(opened, image, outcome.engine)
        n_failed = sum(bool(image.error) for image in outcome.images)
        self._todo -= len(outcome.images)
        if outcome.images:
            self._run.emit(BatchEnded(outcome.engine, done=len(outcome.images) - n_failed, failed=n_failed))
        if outcome.images and not outcome.unreachable:
            self._speeds.note(outcome.engine, outcome.seconds / len(outcome.images))
        in_reach_of = "" if self._options.labels_by == "engines" else self._owner.name
        fold = None if self._run.cancelled.is_set() else opened.fold(in_reach_of)
        if fold is not None:
            self._submit_fold(opened, fold, self._executor)

    def _seconds_to_flush(self) -> float:
        return max(0.0, self._flushed_at + self._half_interval - self._clock())

    def _flush(self) -> None:
        begin = self._clock()
        for opened in self._blocks.flush():
            self._at_hand.drop(opened.owned.labels.key)
            self._queue.give_back(opened.work)
        self._flushed_at = self._clock()
        self._run.emit(Flushed(self._flushed_at - begin))

    def _wait_for_others(self) -> None:
        self._run.emit(Waiting(self._queue.holders))
        self._run.cancelled.wait(self._options.look_seconds)
        if self._clock() - self._counted_at > _SECONDS_BETWEEN_COUNTS:
            self._count()

    def _count(self) -> None:
        counts = self._queue.count()
        if not self._options.retry:
            self._todo = counts.total - counts.done - counts.failed
        self._run.emit(Counted(counts.total, counts.done, counts.failed, self._todo))
        self._counted_at = self._clock()
