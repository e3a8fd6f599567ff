"""How far a run is: counted from its events, shown as text and HTML."""

import html
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from toolkit.operation import State
from toolkit.runs.events import (
    BatchEnded,
    Counted,
    EngineLost,
    EnginesChanged,
    Event,
    LeftPending,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    Waiting,
)


@dataclass(frozen=True)
class Progress:
    """How far a run is, at one moment."""

    run_id: str
    """The run."""
    state: State
    """``"running"``, ``"paused"``, ``"cancelling"``; ``"finished"``, ``"cancelled"`` or ``"stopped"`` by an error."""
    total: int
    """Images in the catalog."""
    done: int
    """Images done, by this call or before."""
    failed: int
    """Images failed, by this call or before."""
    todo: int
    """Images that this call has yet to work on."""
    processed: int
    """Images that this call segmented or found to fail."""
    seconds: float
    """Since the call began."""
    n_engines: int
    """Engines at hand now."""
    engines_lost: int = 0
    """How often an engine died under its work."""
    reason: str = ""
    """What stopped the run, if an error did."""
    waiting_for: tuple[str, ...] = ()
    """Other drivers that hold the images which are left."""
    paused: str = ""
    """Which server of images cannot be reached, and what happened; empty if that is not so."""
    left_pending: str = ""
    """Which images the run ends without, and why."""

    @property
    def ended(self) -> bool:
        """Whether no work is in progress any more."""
        return self.state not in ("running", "paused", "cancelling")

    @property
    def pending(self) -> int:
        """Images that are neither done nor failed."""
        return self.total - self.done - self.failed

    @property
    def images_per_second(self) -> float:
        """Images that this call processed per second."""
        return self.processed / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until this call is through, at the speed so far; None while that is unknown."""
        return self.todo / self.images_per_second if self.processed else None

    def __str__(self) -> str:
        if self.state == "running" and not self.total:
            return f"run {self.run_id} begins"
        words = [f"run {self.run_id} {self.state}: {self.done:,} of {self.total:,} images done, {self.failed:,} failed"]
        if self.processed:
            words.append(f"{self.processed:,} processed in {_duration(self.seconds)} ({self.images_per_second:.2f}/s)")
        elif self.state == "finished":
            words.append("nothing was left to do: no image was segmented")
        if self.state == "running" and self.seconds_left is not None:
            words.append(f"{_duration(self.seconds_left)} left")
        if self.waiting_for and not self.ended:
            words.append(f"what is left is with {', '.join(self.waiting_for)}")
        if self.paused and not self.ended:
            words.append(f"paused: {self.paused}; it goes on once that is over")
        if self.left_pending:
            words.append(self.left_pending)
        if self.total and not self.n_engines and not self.ended:
            words.append("no engine is left; it goes on once another has joined")
        if self.engines_lost:
            words.append(f"{self.engines_lost} engine{'s' if self.engines_lost > 1 else ''} lost")
        if self.ended and self.failed:
            words.append("errors() or `segscape status` says why, retry='failed' tries them again")
        if self.reason:
            words.append(self.reason)
        return "; ".join(words)

    def _repr_html_(self) -> str:
        color = {"running": "#1f77b4", "finished": "#2ca02c"}.get(self.state, "#d62728")
        done, failed = (100 * count / max(self.total, 1) for count in (self.done, self.failed))
        bar = (
            f'<div style="display:flex;width:100%;max-width:40em;height:1em;background:#8883" role="progressbar" '
            f'aria-valuemin="0" aria-valuemax="{self.total}" aria-valuenow="{self.done + self.failed}">'
            f'<div style="width:{done:.2f}%;background:{color}"></div>'
            f'<div style="width:{failed:.2f}%;background:#d62728"></div></div>'
        )
        return f'<div class="segscape-progress">{bar}<div>{html.escape(str(self))}</div></div>'


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

    def __call__(self, event: Event) -> None:
        """Take one event into account."""
        self._holders = event.holders if isinstance(event, Waiting) else ()
        match event:
            case RunStarted():
                self._started, self._begin = event, self._clock()
            case BatchEnded():
                self._done += event.done
                self._failed += event.failed
            case EngineLost():
                self._lost += 1
            case EnginesChanged():
                self._started = replace(self._started, n_engines=event.n_engines)
            case Counted():
                self._recount(event)
            case Paused():
                self._paused = event.reason
            case Resumed():
                self._paused = ""
            case LeftPending():
                images = f"{event.images:,} image{'s' if event.images > 1 else ''}"
                self._left_pending = f"{images} left pending, for the same call later: {event.reason}"
            case RunEnded():
                self._ended, self._end = event, self._clock()

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
        return Progress(
            run_id=started.run_id,
            state=self._ended.state if self._ended else "running",
            total=started.total,
            done=started.done + self._done,
            failed=started.failed + self._failed - (processed if started.retry else 0),
            todo=started.todo - processed,
            processed=processed,
            seconds=(self._clock() if self._end is None else self._end) - self._begin,
            n_engines=started.n_engines,
            engines_lost=self._lost,
            reason=self._ended.reason if self._ended else "",
            waiting_for=self._holders,
            paused=self._paused,
            left_pending=self._left_pending,
        )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
