"""Segment a catalog on engines: resume, cancel, watch."""

from toolkit.runs.estimates import Estimate
from toolkit.runs.estimation import estimate
from toolkit.runs.events import (
    BatchEnded,
    Counted,
    EngineLost,
    Event,
    Flushed,
    LeftPending,
    Observer,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    Waiting,
)
from toolkit.runs.progress import Progress, ProgressCounter
from toolkit.runs.run import Run, RunError
from toolkit.runs.segment import segment

__all__ = [
    "BatchEnded",
    "Counted",
    "EngineLost",
    "Estimate",
    "Event",
    "Flushed",
    "LeftPending",
    "Observer",
    "Paused",
    "Progress",
    "ProgressCounter",
    "Resumed",
    "Run",
    "RunEnded",
    "RunError",
    "RunStarted",
    "Waiting",
    "estimate",
    "segment",
]
