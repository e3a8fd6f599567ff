"""How far a run is, as text and HTML."""

import html
from dataclasses import dataclass

from toolkit.operation import State
from toolkit.runs.amounts import count, duration

_MOST_ENGINES_SHOWN = 16


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
    engines_wanted: int = 0
    """Engines that there are to be; 0: those at hand."""
    at_work: int = 0
    """Images that engines have now."""
    doing: tuple[tuple[str, str], ...] = ()
    """What each engine was doing when it was last asked: its name, and the image that it was at."""
    images_per_second: float = 0.0
    """Images that came back per second, up to the last one, since the number of engines changed."""
    since_last: float = 0.0
    """Seconds since images came back last."""

    @property
    def ended(self) -> bool:
        """Whether no work is in progress any more."""
        return self.state not in ("running", "paused", "cancelling")

    @property
    def pending(self) -> int:
        """Images that are neither done nor failed."""
        return self.total - self.done - self.failed

    @property
    def seconds_left(self) -> float | None:
        """Seconds until this call is through; None while that is unknown.

        It counts down while no image comes back, until those that engines have would have to be through.
        """
        if not self.images_per_second:
            return None
        least = max(self.todo - max(self.at_work, 1), 0) / self.images_per_second
        return max(self.todo / self.images_per_second - self.since_last, least)

    @property
    def seconds_to_cancel(self) -> float | None:
        """Seconds until the images are through that engines have; None while that is unknown."""
        if not self.images_per_second:
            return None
        return max(self.at_work / self.images_per_second - self.since_last, 1.0)

    def __str__(self) -> str:
        if not self.total and not self.ended:
            return f"run {self.run_id} begins"
        if not self.ended:
            return "; ".join(
                [", ".join([f"run {self.run_id[:8]}: {self._counts()}", *self._pace()]), *self._troubles()]
            )
        words = [f"run {self.run_id} {self.state}: {self.done:,} of {self.total:,} images done, {self.failed:,} failed"]
        if self.processed:
            pace = f" ({self.processed / self.seconds:.2f}/s)" if self.seconds > 0 else ""
            words.append(f"{self.processed:,} processed in {duration(self.seconds)}{pace}")
        elif self.state == "finished":
            words.append("nothing was left to do: no image was segmented")
        words += self._troubles()
        if self.failed:
            words.append(
                "errors() or `segscape status` says why; retry='failed', or in the shell `-p retry_failed true`, tries "
                "them again"
            )
        if self.reason:
            words.append(self.reason)
        return "; ".join(words)

    def fitted(self, width: int) -> str:
        """A line of so many characters that has rate and time left in it, or what is waited for, as far as they fit."""
        whole = str(self)
        if len(whole) <= width or self.ended:
            return whole[:width]
        percent = f"{100 * (self.done + self.failed) / max(self.total, 1):.1f} %"
        urgent = self._troubles()[:1] if self._waits else self._pace()
        lines = [", ".join([counts, *urgent]) for counts in (f"run {self.run_id[:8]}: {self._counts()}", percent)]
        return next((line for line in lines if len(line) <= width), ", ".join(urgent)[:width])

    @property
    def _waits(self) -> bool:
        """Whether nothing goes on."""
        return bool(self.paused or self.waiting_for or not self.n_engines)

    def _counts(self) -> str:
        return f"{self.done:,} of {self.total:,} done" + f", {self.failed:,} failed" * bool(self.failed)

    def _pace(self) -> list[str]:
        """What a person wants to know most."""
        finishing = f"finishing {count(self.at_work, 'image')}"
        if self.state == "paused":
            return ["paused", *([finishing] if self.at_work else [])]
        if self.state == "cancelling":
            if not self.at_work:
                return ["ending"]
            seconds = self.seconds_to_cancel
            return [finishing if seconds is None else f"{finishing}, about {duration(seconds)}"]
        rate, seconds = self.images_per_second, self.seconds_left
        if not rate or seconds is None:
            return ["no image is through yet"]
        pace = f"{rate:.2f}/s" if rate >= 0.1 else f"{60 * rate:.2f}/min"
        return [pace, *([f"{duration(max(seconds, 1))} left"] if self.todo and not self._waits else [])]

    def _troubles(self) -> list[str]:
        """What is not as usual."""
        words = []
        if not self.ended:
            if not self.n_engines:
                wanted = f"0 of {self.engines_wanted}" if self.engines_wanted else "none"
                words.append(f"waiting for engines: {wanted} are up")
            elif self.n_engines < self.engines_wanted:
                words.append(f"{self.n_engines} of {self.engines_wanted} engines are up")
            if self.waiting_for:
                words.append(f"what is left is with {', '.join(self.waiting_for)}")
            if self.paused:
                words.append(f"paused: {self.paused}; it goes on once that is over")
        if self.left_pending:
            words.append(self.left_pending)
        if self.engines_lost:
            words.append(f"{count(self.engines_lost, 'engine')} lost")
        return words

    def _repr_html_(self) -> str:
        color = {"running": "#1f77b4", "finished": "#2ca02c"}.get(self.state, "#d62728")
        done, failed = (100 * count / max(self.total, 1) for count in (self.done, self.failed))
        bar = (
            f'<div style="display:flex;width:100%;max-width:40em;height:1em;background:#8883" role="progressbar" '
            f'aria-valuemin="0" aria-valuemax="{self.total}" aria-valuenow="{self.done + self.failed}">'
            f'<div style="width:{done:.2f}%;background:{color}"></div>'
            f'<div style="width:{failed:.2f}%;background:#d62728"></div></div>'
        )
        lines = [f"engine {name}: {doing or 'idle'}" for name, doing in ([] if self.ended else self.doing)]
        if len(lines) > _MOST_ENGINES_SHOWN:
            lines[_MOST_ENGINES_SHOWN:] = [f"… and {len(lines) - _MOST_ENGINES_SHOWN} more"]
        engines = "".join(f"<div><small>{html.escape(line)}</small></div>" for line in lines)
        return f'<div class="segscape-progress">{bar}<div>{html.escape(str(self))}</div>{engines}</div>'
