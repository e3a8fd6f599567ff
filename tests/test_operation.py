"""The handle of anything long: what it tells, what may be asked of it, and what becomes of errors."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from toolkit.operation import Asked, Ended, Operation, OperationError, State

SECONDS = 60.0


@dataclass(frozen=True)
class Steps:
    """A progress."""

    state: State = "running"
    n: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "cancelled", "stopped")

    def __str__(self) -> str:
        return f"{self.n} steps, {self.state}"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>"


class Count:
    """Counts events that are strings."""

    def __init__(self) -> None:
        self._steps = Steps()

    def __call__(self, event: object) -> None:
        if isinstance(event, str):
            self._steps = Steps(self._steps.state, self._steps.n + 1)
        if isinstance(event, Ended):
            self._steps = Steps(event.state, self._steps.n)

    def progress(self) -> Steps:
        return self._steps


class Walk(Operation[Steps]):
    """Takes steps, each once it may."""

    def __init__(self, *observers: Callable[[Any], None]) -> None:
        super().__init__("walk 1", Count(), observers)
        self.go = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)
        self.closed = False

    def begin(self, n: int = 3) -> "Walk":
        self.start(lambda: self._walk(n), self._close)
        return self

    def _walk(self, n: int) -> None:
        for number in range(n):
            while self.paused.is_set() and not self.cancelled.is_set():
                self.cancelled.wait(0.01)
            self.waiting.release()
            if self.cancelled.is_set():
                return
            assert self.go.acquire(timeout=SECONDS)
            self.emit(f"step {number}")

    def _close(self) -> None:
        self.closed = True

    def release(self, n: int = 3) -> "Walk":
        self.go.release(n)
        return self


class TestTheEnd:
    def test_is_waited_for(self) -> None:
        events: list[object] = []
        walk = Walk(events.append).begin().release()
        walk.wait(SECONDS)
        assert walk.progress == Steps("finished", 3)
        assert events == ["step 0", "step 1", "step 2", Ended("finished")]
        assert walk.ended
        assert walk.closed

    def test_may_be_awaited_while_the_loop_serves_others(self) -> None:
        walk = Walk().begin()

        async def serve() -> None:
            walk.release()  # which would never run if `await` blocked the loop

        async def both() -> None:
            await asyncio.gather(walk, serve())

        asyncio.run(both())
        assert walk.progress == Steps("finished", 3)

    def test_may_be_awaited_afterwards_and_twice(self) -> None:
        walk = Walk().begin().release()

        async def twice() -> None:
            await walk
            await walk

        asyncio.run(twice())
        assert walk.ended

    def test_that_does_not_come_in_time_is_an_error_and_the_work_goes_on(self) -> None:
        walk = Walk().begin()
        with pytest.raises(TimeoutError, match=r"walk 1 goes on after 0\.01 seconds: 0 steps, running"):
            walk.wait(0.01)
        walk.release().wait(SECONDS)

    def test_of_an_await_that_is_interrupted_is_a_cancellation(self) -> None:
        walk = Walk().begin()

        async def interrupted() -> None:
            task = asyncio.ensure_future(_awaited(walk))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            walk.release(1)
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(interrupted())
        assert walk.progress == Steps("cancelled", 1)


async def _awaited(walk: Walk) -> None:
    await walk


class TestAsking:
    def test_it_is_cancelled_between_two_steps(self) -> None:
        events: list[object] = []
        walk = Walk(events.append).begin()
        assert walk.waiting.acquire(timeout=SECONDS)
        walk.cancel()
        assert walk.progress == Steps("cancelling", 0)
        walk.release(1).wait(SECONDS)
        assert events == [Asked("cancel"), "step 0", Ended("cancelled")]

    def test_it_pauses_and_goes_on(self) -> None:
        walk = Walk().begin()
        assert walk.waiting.acquire(timeout=SECONDS)
        walk.pause()
        walk.release()
        while walk.progress.n < 1:
            threading.Event().wait(0.01)
        assert walk.progress == Steps("paused", 1)
        walk.resume()
        walk.wait(SECONDS)
        assert walk.progress == Steps("finished", 3)

    def test_it_is_cancelled_while_it_is_paused(self) -> None:
        walk = Walk().begin()
        walk.pause()
        walk.cancel()
        walk.release().wait(SECONDS)
        assert walk.progress.state == "cancelled"


class TestErrors:
    def test_of_the_work_is_raised_where_it_is_waited_for(self) -> None:
        walk = Walk()

        def fail() -> None:
            raise OSError("the disk is full")

        walk.start(fail, walk._close)
        with pytest.raises(OperationError, match=r"walk 1 stopped: the disk is full\nMend the cause") as raised:
            walk.wait(SECONDS)
        assert isinstance(raised.value.__cause__, OSError)
        assert walk.progress.state == "stopped"
        assert walk.closed

    def test_of_an_observer_ends_that_observer_alone(self) -> None:
        events: list[object] = []

        def broken(event: object) -> None:
            raise ValueError("broken")

        walk = Walk(broken, events.append)
        with pytest.warns(UserWarning, match=r"ValueError\('broken'\) and is not called any more"):
            walk.begin().release().wait(SECONDS)
        assert events[-1] == Ended("finished")

    def test_of_a_display_ends_nothing(self) -> None:
        class Unshowable(Steps):
            def __str__(self) -> str:
                raise RuntimeError("no picture of this")

        walk = Walk()
        walk._counter.progress = lambda: Unshowable()  # type: ignore[method-assign]
        walk.display()
        walk.begin().release().wait(SECONDS)
        assert walk.ended


def test_a_script_ends_once_its_operations_have_ended() -> None:
    script = (
        "import concurrent.futures, sys, time\n"
        "from tests.test_operation import Walk\n"
        "pool = concurrent.futures.ThreadPoolExecutor()\n"
        "walk = Walk()\n"
        "def work():\n"
        "    time.sleep(0.3)\n"
        "    print(pool.submit(lambda: 'a pool still takes work').result())\n"
        "walk.start(work)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "a pool still takes work\n"
    assert "finished" in ended.stderr


def test_a_script_whose_operation_is_paused_later_ends_too() -> None:
    script = (
        "import threading, time\n"
        "from tests.test_operation import Walk\n"
        "walk = Walk().begin(10**6).release(10**6)\n"
        "threading.Timer(0.5, walk.pause).start()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "cancelled" in ended.stderr


def test_a_script_that_does_not_wait_is_told_all_of_an_error() -> None:
    script = (
        "import time\n"
        "from tests.test_operation import Walk\n"
        "def fail():\n"
        "    time.sleep(0.3)\n"
        "    raise OSError('the disk is full\\nand the other one, too')\n"
        "Walk().start(fail)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "and the other one, too" in ended.stderr
    assert "Mend the cause" in ended.stderr


def test_a_script_that_leaves_an_operation_paused_ends_by_cancelling_it() -> None:
    script = "from tests.test_operation import Walk\nwalk = Walk()\nwalk.pause()\nwalk.begin()\n"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "0 steps, cancelled" in ended.stderr
