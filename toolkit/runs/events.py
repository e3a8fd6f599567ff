"""What a run tells its observers: a few small events, in order, from the driver's thread.

Those of every operation are among them: `Asked`, from the thread of whoever asks, and at the end `RunEnded`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.operation import Asked, Ended

RunEnded = Ended


@dataclass(frozen=True)
class RunStarted:
    """A run is about to hand out work."""

    run_id: str
    """The run."""
    total: int
    """Images in the catalog."""
    done: int
    """Images that were done before."""
    failed: int
    """Images that had failed before."""
    todo: int
    """Images that this call will work on."""
    n_engines: int
    """Engines at hand."""
    retry: bool = False
    """Whether the images to work on are those that had failed, instead of the pending ones."""
    n_wanted: int = 0
    """Engines that there are to be; 0: those at hand."""


@dataclass(frozen=True)
class AtWork:
    """Engines have so many images now: they are at them, or begin them next."""

    images: int
    """How many."""


@dataclass(frozen=True)
class EnginesSeen:
    """What the engines are doing at a moment."""

    doing: tuple[tuple[str, str], ...]
    """Of each, its name (``"0 on HOST"``) and the image that it is at; empty: nothing."""


@dataclass(frozen=True)
class BatchEnded:
    """An engine came back with a batch; not on disk yet."""

    engine: str
    """Who did it, as ``host:pid``."""
    done: int
    """Images of the batch that are done."""
    failed: int
    """Images of the batch that failed."""


@dataclass(frozen=True)
class EngineLost:
    """An engine died; its batch is tried again, in smaller pieces."""

    engine: str
    """Which one."""
    images: int
    """How many images it had."""


@dataclass(frozen=True)
class EnginesChanged:
    """Engines have joined or left."""

    n_engines: int
    """How many there are now; with none, work waits for one."""
    n_wanted: int = 0
    """How many there are to be; 0: those at hand."""


@dataclass(frozen=True)
class Counted:
    """The images were counted anew: some were added, or other drivers worked on them."""

    total: int
    """Images in the catalog."""
    done: int
    """Images that are done."""
    failed: int
    """Images that have failed."""
    todo: int
    """Images that this call has yet to work on."""


@dataclass(frozen=True)
class Waiting:
    """Nothing is left to begin, but other drivers hold images that are not done; those that die leave theirs to us."""

    holders: tuple[str, ...]
    """Names of the drivers."""


@dataclass(frozen=True)
class Paused:
    """A server of images cannot be reached. It is tried again until it can; no image fails for that."""

    reason: str
    """Which server, and what happened."""


@dataclass(frozen=True)
class Resumed:
    """A server was reached again."""


@dataclass(frozen=True)
class LeftPending:
    """A server was waited for long enough: what lies there stays pending, and the run ends without it."""

    images: int
    """How many."""
    reason: str
    """Which server, and what happened."""


@dataclass(frozen=True)
class Flushed:
    """Everything up to here is in the catalog."""

    seconds: float
    """How long writing took."""


Event = (
    RunStarted
    | AtWork
    | BatchEnded
    | EngineLost
    | EnginesChanged
    | EnginesSeen
    | Counted
    | Waiting
    | Paused
    | Resumed
    | LeftPending
    | Flushed
    | Asked
    | RunEnded
)
Observer = Callable[[Event], None]
