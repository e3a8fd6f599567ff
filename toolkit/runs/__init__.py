"""Segment a catalog on engines: resume, cancel, watch."""

from toolkit.runs.estimation import Estimate, estimate
from toolkit.runs.events import (
    BatchEnded,
    Counted,
    EngineLost,
    Event,
    Flushed,
    Observer,
    Paused,
    RunEnded,
    RunStarted,
    Waiting,
)
from toolkit.runs.progress import Progress, ProgressCounter
from toolkit.runs.run import Run, RunError, segment

__all__ = [
    "BatchEnded",
    "Counted",
    "EngineLost",
    "Estimate",
    "Event",
    "Flushed",
    "Observer",
    "Paused",
    "Progress",
    "ProgressCounter",
    "Run",
    "RunEnded",
    "RunError",
    "RunStarted",
    "Waiting",
    "estimate",
    "segment",
]
