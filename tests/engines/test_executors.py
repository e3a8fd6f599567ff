"""What every executor promises, and how the one on ipyparallel behaves when engines die."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait

import psutil
import pytest

from toolkit.engines import (
    Cluster,
    EngineLostError,
    EngineTaskError,
    Executor,
    InProcessExecutor,
    IPyParallelExecutor,
    NoEnginesError,
)
from toolkit.engines import ipyparallel as on_ipyparallel

ANSWER = 20.0  # seconds within which whatever can be known is known


class ExecutorTests:
    """Specification of an executor; a subclass provides it as the fixture ``executor``."""

    def test_a_future_holds_the_result(self, executor: Executor) -> None:
        assert executor.submit(abs, -3).result(ANSWER) == 3

    def test_futures_can_be_waited_for_together(self, executor: Executor) -> None:
        futures = [executor.submit(abs, -number) for number in range(20)]
        assert wait(futures, ANSWER).not_done == set()
        assert [future.result() for future in futures] == list(range(20))

    def test_an_exception_arrives_with_its_name_text_and_traceback(self, executor: Executor) -> None:
        with pytest.raises(EngineTaskError, match="ValueError: invalid literal") as caught:
            executor.submit(int, "twelve").result(ANSWER)
        assert caught.value.name == "ValueError"
        assert caught.value.message == "invalid literal for int() with base 10: 'twelve'"
        assert "Traceback (most recent call last)" in caught.value.remote_traceback

    def test_a_task_that_exits_does_not_take_the_engine_along(self, executor: Executor) -> None:
        before = executor.n_engines
        with pytest.raises(EngineTaskError, match="SystemExit: 3"):
            executor.submit(sys.exit, 3).result(ANSWER)
        assert executor.submit(abs, -3).result(ANSWER) == 3
        assert executor.n_engines == before

    def test_a_callback_may_submit_the_next_task(self, executor: Executor) -> None:
        following: Future[Future[int]] = Future()
        executor.submit(abs, -1).add_done_callback(lambda _: following.set_result(executor.submit(abs, -2)))
        assert following.result(ANSWER).result(ANSWER) == 2

    def test_a_cancelled_future_counts_as_done_at_once(self, executor: Executor) -> None:
        running = [executor.submit(time.sleep, 0.5) for _ in range(executor.n_engines)]
        queued = executor.submit(time.sleep, 0.5)
        assert queued.cancel()
        assert wait([queued], timeout=0.1).done == {queued}
        with pytest.raises(CancelledError):
            queued.result(0)
        assert wait(running, ANSWER).not_done == set()

    def test_closing_leaves_no_future_unresolved(self, executor: Executor) -> None:
        futures = [executor.submit(time.sleep, 0.3) for _ in range(5)]
        executor.close()
        assert wait(futures, timeout=1).not_done == set()
        assert futures[-1].cancelled()

    def test_closing_twice_is_closing_once(self, executor: Executor) -> None:
        executor.close()
        executor.close()
        assert executor.n_engines == 0

    def test_a_closed_executor_has_no_engines_and_takes_no_tasks(self, executor: Executor) -> None:
        assert executor.n_engines > 0
        executor.close()
        assert executor.n_engines == 0
        with pytest.raises(RuntimeError, match="closed"):
            executor.submit(abs, -3)


class TestInProcess(ExecutorTests):
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = InProcessExecutor()
        yield executor
        executor.close()

    def test_the_original_exception_is_the_cause(self, executor: Executor) -> None:
        error = executor.submit(int, "twelve").exception(ANSWER)
        assert error is not None
        assert isinstance(error.__cause__, ValueError)


class TestIPyParallel(ExecutorTests):
    @pytest.fixture
    def executor(self, cluster: Cluster) -> Iterator[Executor]:
        executor = cluster.executor()
        yield executor
        executor.close()

    def test_tasks_run_in_other_processes(self, executor: Executor) -> None:
        assert executor.submit(os.getenv, "SEGSCAPE_PARENT_PID").result(ANSWER) == str(os.getpid())

    def test_all_engines_get_work(self, executor: Executor) -> None:
        started = time.monotonic()
        wait([executor.submit(time.sleep, 1.0) for _ in range(2)], ANSWER)
        assert time.monotonic() - started < 1.9

    def test_a_function_that_engines_cannot_import_is_refused(self, executor: Executor) -> None:
        with pytest.raises(TypeError, match="top level of a module"):
            executor.submit(lambda task: task, 1)

    def test_a_function_of_a_notebook_is_refused(self, executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
        def segment(task: int) -> int:
            return task

        monkeypatch.setattr(segment, "__module__", "__main__")
        with pytest.raises(TypeError, match=r"segment is defined in a notebook.*put it into a module"):
            executor.submit(segment, 1)

    def test_a_result_that_cannot_travel_is_an_error_of_the_task(self, executor: Executor) -> None:
        with pytest.raises(EngineTaskError, match="TypeError: cannot pickle"):
            executor.submit(open, os.devnull).result(ANSWER)

    def test_the_memory_of_the_client_stays_bounded(
        self, cluster: Cluster, executor: Executor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(on_ipyparallel, "_HISTORY", 5)
        wait([executor.submit(abs, -number) for number in range(20)], ANSWER)
        assert len(cluster._client.history) <= 6


def test_killing_an_engine_fails_only_the_task_that_it_ran() -> None:
    with Cluster.start("local", n=2, replace=False) as cluster:
        executor = cluster.executor()
        futures = [executor.submit(time.sleep, 2.0) for _ in range(2)] + [executor.submit(abs, -3)]
        time.sleep(0.5)
        victim = cluster.resources().iloc[0]
        os.kill(victim["pid"], signal.SIGKILL)
        errors = [error for future in futures if (error := future.exception(ANSWER))]

        assert [type(error) for error in errors] == [EngineLostError]
        assert str(errors[0]) == f"engine {victim['engine']} died while it ran this task"
        assert executor.n_engines == 1
        assert executor.submit(abs, -3).result(ANSWER) == 3


def test_with_the_last_engine_gone_nothing_hangs() -> None:
    with Cluster.start("local", n=1, replace=False) as cluster:
        executor = cluster.executor()
        fatal = executor.submit(signal.raise_signal, signal.SIGKILL)
        queued = [executor.submit(abs, -3) for _ in range(5)]
        began = time.monotonic()

        assert isinstance(fatal.exception(ANSWER), EngineLostError)
        for future in queued:
            with pytest.raises(NoEnginesError, match=r"all engines have died.*Cluster\.start"):
                future.result(ANSWER)
        assert time.monotonic() - began < 12
        assert executor.n_engines == 0
        assert isinstance(executor.submit(abs, -3).exception(1), NoEnginesError)


def test_a_dead_controller_leaves_no_future_unresolved(
    monkeypatch: pytest.MonkeyPatch, survivors: Callable[[Iterable[psutil.Process], float], list[psutil.Process]]
) -> None:
    monkeypatch.setattr(on_ipyparallel, "_HUB_PING_SECONDS", 0.2)
    monkeypatch.setattr(on_ipyparallel, "_HUB_SILENT_SECONDS", 1.0)
    others = _descendants()
    with Cluster.start("local", n=1) as cluster:
        processes = _descendants() - others
        executor = cluster.executor()
        future = executor.submit(time.sleep, 60)
        assert cluster._launched is not None
        cluster._launched.engines.cluster.controller.process.kill()
        with pytest.raises(NoEnginesError, match="controller has not answered"):
            future.result(ANSWER)
        assert executor.n_engines == 0
    assert survivors(processes, 0) == []


def test_a_closed_client_leaves_no_future_unresolved(cluster: Cluster) -> None:
    assert cluster._launched is not None
    client = cluster._launched.engines.cluster.connect_client_sync()
    executor = IPyParallelExecutor(client)
    future = executor.submit(time.sleep, 1.0)
    client.close(linger=0)
    assert isinstance(future.exception(ANSWER), NoEnginesError)
    assert isinstance(executor.submit(abs, -3).exception(1), NoEnginesError)
    executor.close()


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))
