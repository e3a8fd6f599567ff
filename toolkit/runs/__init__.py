"""Segment a catalog on engines: resume, cancel, watch."""

from toolkit.runs.events import BatchEnded, EngineLost, Event, Flushed, Observer, RunEnded, RunStarted
from toolkit.runs.progress import Progress, ProgressCounter
from toolkit.runs.run import Run, RunError, segment

__all__ = [
    "BatchEnded",
    "EngineLost",
    "Event",
    "Flushed",
    "Observer",
    "Progress",
    "ProgressCounter",
    "Run",
    "RunEnded",
    "RunError",
    "RunStarted",
    "segment",
]
