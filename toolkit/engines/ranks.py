"""Tasks that need one another, such as the ranks of a training: begun together on as many engines, or not at all."""

import functools
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic

from toolkit.arguments import seconds
from toolkit.engines.cluster import Cluster
from toolkit.engines.executors import EngineLostError, Executor, InProcessExecutor, NoEnginesError
from toolkit.engines.executors.interface import Result, Task
from toolkit.engines.inside.gate import gate
from toolkit.engines.inside.retirement import LEAVING

_POLL_SECONDS = 0.05
_MARGIN_SECONDS = 30.0


def start_together(
    engines: Cluster | Executor, function: Callable[[Task], Result], tasks: Sequence[Task], *, timeout: float = 60.0
) -> "list[Future[Result]]":
    """Run ``function(task)`` for all tasks at once, each on an engine of its own.

    Parameters
    ----------
    engines : Cluster or Executor
        Where; an executor in this process has one engine.
    function, tasks
        See `Executor.submit`; each task says itself which rank it is.
    timeout : float
        How long, in seconds, it may take until so many engines have nothing else to do.

    Returns
    -------
    list of concurrent.futures.Future
        One for each task, in their order; all of them begin. If an engine dies later, its task fails with
        `EngineLostError`, and the others go on.

    Raises
    ------
    NoEnginesError
        There were fewer engines, or one of them died before all could begin. No task has begun, and none will.
    TypeError
        The function or a task cannot travel to an engine.
    """
    seconds("timeout", timeout, least=0)
    executor = engines.executor() if isinstance(engines, Cluster) else engines
    if isinstance(executor, InProcessExecutor) and len(tasks) > 1:
        raise NoEnginesError(f"{len(tasks)} tasks are to run together, and this process is only one engine")
    group, deadline = uuid.uuid4().hex, time.monotonic() + timeout
    gated = _Gated(function, group, timeout + _MARGIN_SECONDS)
    futures: dict[int, Future[Any]] = {}
    try:
        while (n_ready := _begin_to_wait(executor, gated, tasks, futures)) < len(tasks):
            problem = "".join(f"; engine {id}: {future.exception()}" for id, future in futures.items() if future.done())
            if problem or time.monotonic() > deadline:
                raise NoEnginesError(f"{n_ready} of {len(tasks)} engines were free within {timeout:g} s{problem}")
            time.sleep(_POLL_SECONDS)
    except BaseException:
        for engine, future in futures.items():
            future.cancel()
            executor.open_gate(engine, group, begin=False)
        raise
    for engine in futures:
        executor.open_gate(engine, group, begin=True)
    return list(futures.values())


def _begin_to_wait(executor: Executor, gated: "_Gated[Any, Any]", tasks: Sequence[Any], futures: dict[int, Any]) -> int:
    """Send tasks that are left to engines that are free; how many of all wait for the others now."""
    there = executor.engines()
    for engine in there:
        if len(futures) < len(tasks) and engine.id not in futures and not engine.doing:
            with suppress(EngineLostError):  # it left just now
                futures[engine.id] = executor.submit_to(engine.id, gated, tasks[len(futures)])
    return sum(engine.waits_for == gated.group and engine.doing != LEAVING for engine in there)


class _Gated(Generic[Task, Result]):
    """A function that begins when others of its group do."""

    def __init__(self, function: Callable[[Task], Result], group: str, patience: float) -> None:
        functools.update_wrapper(self, function)
        self.function, self.group, self.patience = function, group, patience

    def __call__(self, task: Task) -> Result:
        if not gate.wait(self.group, self.patience):
            raise TimeoutError("the other tasks of its group did not come, or it was asked to end")
        return self.function(task)
