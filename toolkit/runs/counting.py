"""The progress of a run, counted from its events."""

import time
from collections.abc import Callable
from dataclasses import replace

from toolkit.operation import Asked
from toolkit.runs.amounts import count
from toolkit.runs.events import (
    AtWork,
    BatchEnded,
    Counted,
    EngineLost,
    EnginesChanged,
    EnginesSeen,
    Event,
    LeftPending,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    Waiting,
)
from toolkit.runs.progress import Progress


class ProgressCounter:
    """An observer that counts.

    Parameters
    ----------
    run_id : str
        The run.
    clock : callable
        Gives seconds; `time.monotonic` but in tests.
    """

    def __init__(self, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = clock()
        self._end: float | None = None
        self._started = RunStarted(run_id, total=0, done=0, failed=0, todo=0, n_engines=0)
        self._done = self._failed = self._lost = 0
        self._ended: RunEnded | None = None
        self._holders: tuple[str, ...] = ()
        self._paused = self._left_pending = ""
        self._at_work = 0
        self._doing: tuple[tuple[str, str], ...] = ()
        self._rate = 0.0
        self._last = self._begin
        """When images came back last."""
        self._mark = (self._begin, 0)
        """Since when the rate is counted, and from how many images."""

    def __call__(self, event: Event) -> None:
        """Take one event into account."""
        if not isinstance(event, AtWork | EnginesSeen):
            self._holders = event.holders if isinstance(event, Waiting) else ()
        match event:
            case RunStarted():
                self._started, self._begin = event, self._clock()
                self._mark, self._last = (self._begin, 0), self._begin
            case BatchEnded():
                self._done += event.done
                self._failed += event.failed
                self._note_rate()
            case AtWork():
                self._at_work = event.images
            case EngineLost():
                self._lost += 1
            case EnginesChanged():
                self._started = replace(self._started, n_engines=event.n_engines, n_wanted=event.n_wanted)
                self._count_rate_from_here()
            case EnginesSeen():
                self._doing = event.doing
            case Counted():
                self._recount(event)
            case Paused():
                self._paused = event.reason
            case Resumed():
                self._paused = ""
                self._count_rate_from_here()
            case Asked(what="resume"):
                self._count_rate_from_here()
            case LeftPending():
                self._left_pending = (
                    f"{count(event.images, 'image')} left pending, for the same call later: {event.reason}"
                )
            case RunEnded():
                self._ended, self._end = event, self._clock()

    def _note_rate(self) -> None:
        """The rate is of the moment in which images came back: between two such moments it would only fall."""
        self._last = self._clock()
        since, before = self._mark
        if self._last > since:
            self._rate = (self._done + self._failed - before) / (self._last - since)

    def _count_rate_from_here(self) -> None:
        """What was before says nothing of what comes: there are more engines, or fewer, or nothing went on."""
        self._mark = (self._clock(), self._done + self._failed)
        self._last = self._clock()

    def _recount(self, counted: Counted) -> None:
        """Go on from what was counted, which holds what this call did."""
        processed = self._done + self._failed
        self._started = replace(
            self._started,
            total=counted.total,
            done=counted.done - self._done,
            failed=counted.failed - self._failed + (processed if self._started.retry else 0),
            todo=counted.todo + processed,
        )

    def progress(self) -> Progress:
        """How far the run is now."""
        started = self._started
        processed = self._done + self._failed
        now = self._clock() if self._end is None else self._end
        return Progress(
            run_id=started.run_id,
            state=self._ended.state if self._ended else "running",
            total=started.total,
            done=started.done + self._done,
            failed=started.failed + self._failed - (processed if started.retry else 0),
            todo=started.todo - processed,
            processed=processed,
            seconds=now - self._begin,
            n_engines=started.n_engines,
            engines_lost=self._lost,
            reason=self._ended.reason if self._ended else "",
            waiting_for=self._holders,
            paused=self._paused,
            left_pending=self._left_pending,
            engines_wanted=started.n_wanted,
            at_work=self._at_work,
            doing=self._doing,
            images_per_second=self._rate,
            since_last=now - self._last,
        )
