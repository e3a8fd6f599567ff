"""Tasks that begin together, or not at all."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toolkit.engines import Cluster, Executor, InProcessExecutor, NoEnginesError, start_together
from toolkit.engines.inside.gate import Gate
from toolkit.engines.inside.retirement import Retirement
from toolkit.testing.executor_suite import ANSWER
from toolkit.testing.waiting import GO, begin_and_wait, n_begun, wait_until


@pytest.fixture
def executor(cluster: Cluster) -> Iterator[Executor]:
    executor = cluster.executor()
    yield executor
    executor.close()


class TestEngines:
    def test_each_task_has_an_engine_of_its_own(self, executor: Executor, tmp_path: Path) -> None:
        futures = start_together(executor, begin_and_wait, [str(tmp_path)] * 2, timeout=ANSWER)
        wait_until(lambda: n_begun(tmp_path) == 2)
        (tmp_path / GO).touch()
        assert len({future.result(ANSWER) for future in futures}) == 2

    def test_results_come_in_the_order_of_the_tasks(self, cluster: Cluster) -> None:
        assert [future.result(ANSWER) for future in start_together(cluster, abs, [-1, -2])] == [1, 2]

    def test_none_begins_where_there_are_too_few_and_all_are_free_again(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        with pytest.raises(NoEnginesError, match="2 of 3 engines were free within 1 s"):
            start_together(executor, begin_and_wait, [str(tmp_path)] * 3, timeout=1)
        wait_until(lambda: not any(engine.doing for engine in executor.engines()))
        assert n_begun(tmp_path) == 0

    def test_engines_at_work_are_waited_for(self, executor: Executor, tmp_path: Path) -> None:
        busy = executor.submit(begin_and_wait, str(tmp_path))
        wait_until(lambda: n_begun(tmp_path) == 1)
        with pytest.raises(NoEnginesError, match=r"[01] of 2 engines were free within 0"):
            start_together(executor, abs, [-1, -2], timeout=0.5)
        with ThreadPoolExecutor(1) as thread:
            together = thread.submit(start_together, executor, abs, [-1, -2], timeout=ANSWER)
            wait_until(lambda: any(engine.waits_for for engine in executor.engines()))
            (tmp_path / GO).touch()
            assert [future.result(ANSWER) for future in together.result(ANSWER)] == [1, 2]
        busy.result(ANSWER)

    def test_a_function_that_cannot_travel_is_refused(self, executor: Executor) -> None:
        with pytest.raises(TypeError, match="top level of a module"):
            start_together(executor, lambda task: task, [1])

    def test_of_no_tasks_there_is_nothing_to_begin(self, executor: Executor) -> None:
        assert start_together(executor, abs, []) == []


def test_if_one_dies_before_all_have_begun_the_others_go_home(tmp_path: Path) -> None:
    with Cluster.start("local", n=2, replace=False) as cluster, ThreadPoolExecutor(1) as thread:
        executor = cluster.executor()
        together = thread.submit(start_together, executor, begin_and_wait, [str(tmp_path)] * 3, timeout=600)
        wait_until(lambda: sum(bool(engine.waits_for) for engine in executor.engines()) == 2)
        os.kill(int(cluster.resources()["pid"][0]), signal.SIGKILL)
        with pytest.raises(NoEnginesError, match=r"1 of 3 engines were free .*; engine 0: engine 0 died"):
            together.result(ANSWER)
        wait_until(lambda: [engine.doing for engine in executor.engines()] == [""])
        assert n_begun(tmp_path) == 0


class TestInProcess:
    def test_one_task_has_this_process(self) -> None:
        executor = InProcessExecutor()
        (future,) = start_together(executor, abs, [-3])
        assert future.result(ANSWER) == 3
        executor.close()

    def test_more_are_refused(self) -> None:
        executor = InProcessExecutor()
        with pytest.raises(NoEnginesError, match="2 tasks are to run together, and this process is only one engine"):
            start_together(executor, abs, [-1, -2])
        executor.close()


class TestGate:
    def test_it_opens_for_the_group_that_waits(self) -> None:
        gate = Gate()
        threading.Timer(0.0, lambda: [gate.open("another", True), gate.open("ours", True)]).start()
        assert gate.wait("ours", ANSWER)
        assert gate.waits_for == ""

    def test_who_comes_when_the_others_were_sent_home_goes_home(self) -> None:
        gate = Gate()
        gate.open("ours", False)
        assert not gate.wait("ours", ANSWER)

    def test_who_is_asked_to_end_goes_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        retirement = Retirement()
        monkeypatch.setattr("toolkit.engines.inside.gate.retirement", retirement)
        retirement.ask()
        assert not Gate().wait("ours", ANSWER)

    def test_who_is_forgotten_goes_home(self) -> None:
        assert not Gate().wait("ours", 0.01)
