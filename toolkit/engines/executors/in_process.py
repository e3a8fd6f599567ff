"""Tasks run in this process, one after the other: no cluster is needed, and a debugger sees everything."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from toolkit.engines.executors.interface import Engine, EngineTaskError, Result, Task
from toolkit.engines.executors.outstanding import Outstanding
from toolkit.engines.inside.activity import activity
from toolkit.engines.inside.gate import gate


class InProcessExecutor:
    """An `Executor` whose only engine is one thread of this process.

    Examples
    --------
    >>> executor = InProcessExecutor()
    >>> executor.submit(abs, -3).result()
    3
    >>> executor.close()
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="in-process-engine")
        self._outstanding = Outstanding()
        self._closed = threading.Event()

    @property
    def n_engines(self) -> int:
        """1, or 0 once the executor is closed."""
        return 0 if self._closed.is_set() else 1

    def engines(self) -> list[Engine]:
        """This process; see `Executor.engines`."""
        return [Engine(0, socket.gethostname(), activity.doing, gate.waits_for)] * self.n_engines

    def submit(self, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        """Run ``function(task)`` in the thread; see `Executor.submit`."""
        if self._closed.is_set():
            raise RuntimeError("this executor is closed")
        future = self._outstanding.new()
        self._thread.submit(self._run, future, function, task)
        return future

    def submit_to(self, engine: int, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        """Run ``function(task)`` in the thread; see `Executor.submit_to`."""
        return self.submit(function, task)

    def withdraw(self, future: "Future[Any]") -> bool:
        """See `Executor.withdraw`."""
        return future.cancel()

    def open_gate(self, engine: int, group: str, begin: bool) -> None:
        """See `Executor.open_gate`."""
        gate.open(group, begin)

    def close(self) -> None:
        """Cancel what has not begun and wait for the task that is running."""
        self._closed.set()
        self._outstanding.cancel_all()
        self._thread.shutdown()

    def _run(self, future: "Future[Any]", function: Callable[[Any], Any], task: Any) -> None:
        if not self._outstanding.claim(future):
            return
        activity.set(getattr(function, "__name__", ""))
        try:
            try:
                result = function(task)
            finally:
                activity.set("")
        except BaseException as raised:  # noqa: BLE001  SystemExit too: on an engine it would end the task, not the driver
            error = EngineTaskError.of(raised)
            error.__cause__ = raised
            future.set_exception(error)
        else:
            future.set_result(result)
