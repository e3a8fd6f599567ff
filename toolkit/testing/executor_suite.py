"""What every executor promises, as tests that one for a new way to run tasks inherits."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path

import pytest

from toolkit.engines import EngineTaskError, Executor
from toolkit.testing.waiting import GO, begin_and_wait, n_begun

ANSWER = 60.0
"""Seconds within which whatever can be known is known, on a busy machine too."""


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

    def test_engines_are_known_by_their_ids_and_hosts(self, executor: Executor) -> None:
        engines = executor.engines()
        assert len(engines) == executor.n_engines
        assert all(engine.host and engine.doing == "" for engine in engines)
        assert [executor.submit_to(engine.id, abs, -3).result(ANSWER) for engine in engines] == [3] * len(engines)

    def test_an_engine_at_work_says_what_it_does(self, executor: Executor, tmp_path: Path) -> None:
        future = executor.submit(begin_and_wait, str(tmp_path))
        _wait_until(lambda: n_begun(tmp_path) == 1)
        doing = {engine.doing for engine in executor.engines()} - {""}
        (tmp_path / GO).touch()
        future.result(ANSWER)
        assert doing == {"begin_and_wait"}

    def test_a_cancelled_future_counts_as_done_at_once(self, executor: Executor, tmp_path: Path) -> None:
        running = [executor.submit(begin_and_wait, str(tmp_path)) for _ in range(executor.n_engines)]
        queued = executor.submit(begin_and_wait, str(tmp_path))
        assert queued.cancel()
        assert wait([queued], ANSWER).done == {queued}  # while the others go on
        with pytest.raises(CancelledError):
            queued.result(0)
        (tmp_path / GO).touch()
        assert wait(running, ANSWER).not_done == set()

    def test_closing_leaves_no_future_unresolved(self, executor: Executor, tmp_path: Path) -> None:
        futures = [executor.submit(begin_and_wait, str(tmp_path)) for _ in range(5)]
        closing = threading.Thread(target=executor.close)
        closing.start()
        _wait_until(futures[-1].cancelled)  # whatever the others do
        (tmp_path / GO).touch()
        closing.join(ANSWER)
        assert wait(futures, ANSWER).not_done == set()

    def test_closing_twice_is_closing_once(self, executor: Executor) -> None:
        executor.close()
        executor.close()
        assert executor.n_engines == 0

    def test_a_closed_executor_has_no_engines_and_takes_no_tasks(self, executor: Executor) -> None:
        assert executor.n_engines > 0
        executor.close()
        assert executor.n_engines == 0
        assert executor.engines() == []
        with pytest.raises(RuntimeError, match="closed"):
            executor.submit(abs, -3)


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + ANSWER
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {ANSWER:g} s"
        time.sleep(0.02)
