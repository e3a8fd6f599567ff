"""The handle of a run."""

from collections.abc import Sequence
from typing import ClassVar

from toolkit.operation import Operation, OperationError
from toolkit.runs.counting import ProgressCounter
from toolkit.runs.events import Observer
from toolkit.runs.progress import Progress


class RunError(OperationError):
    """A run stopped before its end; what was finished is in the catalog, and the same call goes on from there."""


class Run(Operation[Progress]):
    """A run in progress, or one that ended. `segment` makes these.

    The work goes on in a thread. In Jupyter the object displays its progress and keeps that display true; ``await run``
    waits for its end. Its ``progress`` has ``state``, ``total``, ``done``, ``failed``, ``images_per_second``, …

    Attributes
    ----------
    id : str
        The run's id in the catalog.
    """

    error: ClassVar = RunError
    advice: ClassVar = "What was finished is in the catalog; mend the cause and make the same call again to go on."

    def __init__(self, run_id: str, observers: Sequence[Observer]) -> None:
        super().__init__(f"run {run_id}", ProgressCounter(run_id), observers)
        self.id = run_id
