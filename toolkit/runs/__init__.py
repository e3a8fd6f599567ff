"""Segment a catalog on engines: resume, cancel, watch."""

from toolkit.runs.counting import ProgressCounter
from toolkit.runs.estimates import Estimate
from toolkit.runs.estimation import estimate
from toolkit.runs.events import (
    AtWork,
    BatchEnded,
    Counted,
    EngineLost,
    EnginesChanged,
    EnginesSeen,
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
from toolkit.runs.progress import Progress
from toolkit.runs.run import Run, RunError
from toolkit.runs.segment import segment

__all__ = [
    "AtWork",
    "BatchEnded",
    "Counted",
    "EngineLost",
    "EnginesChanged",
    "EnginesSeen",
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
