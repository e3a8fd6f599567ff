"""What every executor promises, and how the one on ipyparallel behaves when engines die."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from pathlib import Path

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
from toolkit.testing.executor_suite import ANSWER, ExecutorTests
from toolkit.testing.waiting import GO, begin_and_wait, n_begun, wait_until

Survivors = Callable[[Iterable[psutil.Process], float], list[psutil.Process]]


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

    def test_all_engines_get_work(self, executor: Executor, tmp_path: Path) -> None:
        futures = [executor.submit(begin_and_wait, str(tmp_path)) for _ in range(2)]
        wait_until(lambda: n_begun(tmp_path) == 2)
        (tmp_path / GO).touch()
        assert len({future.result(ANSWER) for future in futures}) == 2

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

    def test_the_memory_of_the_client_stays_bounded(self, cluster: Cluster) -> None:
        executor = IPyParallelExecutor(cluster._client, history=5)
        wait([executor.submit(abs, -number) for number in range(20)], ANSWER)
        executor.close()
        assert len(cluster._client.history) <= 6


def test_killing_an_engine_fails_only_the_task_that_it_ran_and_with_the_last_one_nothing_hangs(tmp_path: Path) -> None:
    with Cluster.start("local", n=2, replace=False) as cluster:
        executor = cluster.executor()
        futures = [executor.submit(begin_and_wait, str(tmp_path)) for _ in range(2)] + [executor.submit(abs, -3)]
        wait_until(lambda: n_begun(tmp_path) == 2)
        victim = cluster.resources().iloc[0]
        os.kill(victim["pid"], signal.SIGKILL)
        wait_until(lambda: any(future.done() for future in futures))
        (tmp_path / GO).touch()
        errors = [error for future in futures if (error := future.exception(ANSWER))]

        assert [type(error) for error in errors] == [EngineLostError]
        assert str(errors[0]) == f"engine {victim['engine']} died while it ran this task"
        assert executor.n_engines == 1
        assert executor.submit(abs, -3).result(ANSWER) == 3

        fatal = executor.submit(signal.raise_signal, signal.SIGKILL)
        queued = [executor.submit(abs, -3) for _ in range(5)]
        assert isinstance(fatal.exception(ANSWER), EngineLostError)
        for future in queued:
            with pytest.raises(NoEnginesError, match=r"all engines have died.*Cluster\.start"):
                future.result(ANSWER)
        assert executor.n_engines == 0
        assert isinstance(executor.submit(abs, -3).exception(ANSWER), NoEnginesError)


def test_a_dead_controller_leaves_no_future_unresolved(survivors: Survivors) -> None:
    others = _descendants()
    with Cluster.start("local", n=1) as cluster:
        processes = _descendants() - others
        executor = IPyParallelExecutor(cluster._client, silence=1.0)
        future = executor.submit(time.sleep, 600)
        assert cluster._launched is not None
        cluster._launched.engines.cluster.controller.process.kill()
        with pytest.raises(NoEnginesError, match="controller has not answered for 1 s"):
            future.result(ANSWER)
        assert executor.n_engines == 0
        executor.close()
    assert survivors(processes, 0) == []


def test_a_closed_client_leaves_no_future_unresolved(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster._launched is not None
    client = cluster._launched.engines.cluster.connect_client_sync()
    executor = IPyParallelExecutor(client)
    future = executor.submit(begin_and_wait, str(tmp_path))
    client.close(linger=0)
    assert isinstance(future.exception(ANSWER), NoEnginesError)
    assert isinstance(executor.submit(abs, -3).exception(ANSWER), NoEnginesError)
    (tmp_path / GO).touch()
    executor.close()


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))
