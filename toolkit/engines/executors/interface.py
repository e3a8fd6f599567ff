"""The language between a driver and its engines: submit a task, get a future, and three ways in which it may fail."""

import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from toolkit.errors import ToolkitError

Task = TypeVar("Task")
Result = TypeVar("Result")


class EngineTaskError(ToolkitError):
    """The function that ran the task raised; the engine is well.

    Both executors wrap what was raised, because the exception itself may not survive the way back from an engine. In
    this process the original is the ``__cause__``.

    Parameters
    ----------
    name
        The class of the exception, e.g. ``"ValueError"``.
    message
        Its text.
    remote_traceback
        The formatted traceback of where it was raised.
    """

    def __init__(self, name: str, message: str, remote_traceback: str = "") -> None:
        super().__init__(name, message, remote_traceback)
        self.name = name
        self.message = message
        self.remote_traceback = remote_traceback

    @classmethod
    def of(cls, raised: BaseException) -> "EngineTaskError":
        """Describe an exception by what can always be pickled."""
        return cls(type(raised).__name__, str(raised), "".join(traceback.format_exception(raised)))

    def __str__(self) -> str:
        summary = f"{self.name}: {self.message}"
        return f"{summary}\n\nOn the engine:\n{self.remote_traceback}" if self.remote_traceback else summary


class EngineLostError(ToolkitError):
    """The engine that ran the task died before it answered.

    Parameters
    ----------
    engine
        Which engine: its id in the cluster, or its ipyparallel identity where the id was never learned.
    """

    def __init__(self, engine: int | str) -> None:
        super().__init__(engine)
        self.engine = engine

    def __str__(self) -> str:
        return f"engine {self.engine} died while it ran this task"


class NoEnginesError(ToolkitError, RuntimeError):
    """No engine is left that could run the task.

    Parameters
    ----------
    reason
        What was noticed, e.g. ``"all engines have died"``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.reason}; start new ones with toolkit.Cluster.start(...), "
            "or connect to a running cluster with toolkit.Cluster.connect(...)"
        )


@dataclass(frozen=True)
class Engine:
    """An engine, as it was when it was asked."""

    id: int
    """Its id in the cluster, which no other engine gets after it."""
    host: str
    """The name of its machine."""
    doing: str
    """The image or function that it is at; empty: nothing."""
    waits_for: str = ""
    """The group of tasks whose beginning it waits for, see `toolkit.engines.ranks`; empty: none."""


class Executor(Protocol):
    """Runs tasks one at a time per engine.

    A future that an executor hands out is an ordinary :class:`concurrent.futures.Future`; it is always resolved, with
    the function's result or with one of

    * `EngineTaskError`: the function raised,
    * `EngineLostError`: the engine died that ran the task,
    * `NoEnginesError`: no engine was left to run the task,
    * `concurrent.futures.CancelledError`: the future was cancelled, or the executor closed. A cancelled task may
      still run to its end on the engine; its result is dropped.
    """

    @property
    def n_engines(self) -> int:
        """How many engines are alive now; 0 once the executor is closed."""
        ...

    def engines(self) -> list[Engine]:
        """The engines that answer within a second, which those at work do, too; in the order of their ids."""
        ...

    def submit(self, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        """Run ``function(task)`` on an engine that is free, or on the next one to become free.

        Parameters
        ----------
        function
            A function that can be imported on an engine: defined at the top level of a module.
        task
            What it is called with. It is pickled on the way to an engine, as the result is on the way back, so keep
            both small: ids and short vectors, never pixels.

        Raises
        ------
        RuntimeError
            The executor is closed.
        TypeError
            The function or the task cannot travel to an engine.
        """
        ...

    def submit_to(self, engine: int, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        """Run ``function(task)`` on one engine, after what it is at; otherwise as `submit`.

        Parameters
        ----------
        engine
            Its id in the cluster.
        function, task
            See `submit`.
        """
        ...

    def withdraw(self, future: "Future[Result]") -> bool:
        """Take a task back that has not begun; whether that was possible. Its future is cancelled then."""
        ...

    def open_gate(self, engine: int, group: str, begin: bool) -> None:
        """Let the task of a group begin on an engine, or make it fail, where it waits for others of the group.

        See `toolkit.engines.ranks`.
        """
        ...

    def close(self) -> None:
        """Cancel what has not finished and release the executor; the engines go on living. May be called twice."""
        ...
