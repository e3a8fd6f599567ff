"""Keeping the number of engines, against engines that a test lets come and go."""

import logging
import signal
from typing import Any

import pytest

from toolkit.engines import keeping
from toolkit.engines.keeping import Keeper
from toolkit.testing.waiting import wait_until


class Engines:
    """Engines of other machines: starting some may bring fewer, none, or an error."""

    are_here = False
    are_queued = False
    logger = logging.getLogger("test")

    def __init__(self, *brings: int | Exception) -> None:
        self.brings = list(brings)
        self.asked: list[int] = []
        self.ended: list[set[str]] = []
        self.n_jobs: list[int | None] = []

    def start_engines(self, n: int, among: int) -> int:
        self.asked.append(n)
        brings = self.brings.pop(0) if self.brings else n
        if isinstance(brings, Exception):
            raise brings
        return min(n, brings)

    def end_at(self, places: set[str]) -> None:
        self.ended.append(set(places))

    def places(self) -> set[str]:
        return {f"place {number}" for number in range(4)}

    def count_jobs(self) -> int | None:
        return self.n_jobs.pop(0)


class World:
    """A client, and what engines say of themselves."""

    def __init__(self, *ids: int) -> None:
        self.ids = list(ids)
        self.signals: list[tuple[str, int]] = []

    def send_signal(self, name: str, *, targets: int, block: bool) -> None:
        self.signals.append((name, targets))

    def ask(self, timeout: float, engines: object = None) -> None:
        pass

    def identities(self) -> dict[int, dict[str, Any]]:
        return {engine: {"host": "elsewhere", "pid": engine, "place": f"place {engine}"} for engine in range(100)}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keeper_of(world: World, engines: Engines, n: int, clock: Clock, **options: Any) -> Keeper:
    """One whose thread does not run: a test has it look."""
    return Keeper(world, world, engines, n, clock=clock, **options)  # type: ignore[arg-type]


def test_who_left_is_replaced_and_its_place_is_free(clock: Clock) -> None:
    world, engines = World(0, 1), Engines()
    keeper = keeper_of(world, engines, 2, clock, replace=True)
    world.ids = [1]
    keeper.look()
    keeper.look()
    assert (engines.asked, engines.ended) == ([1], [{"place 0"}])
    world.ids = [1, 2]
    keeper.look()
    assert engines.asked == [1]


def test_what_could_not_be_started_is_tried_again_later(clock: Clock) -> None:
    world, engines = World(0), Engines(RuntimeError("no host"), 1, 2)
    keeper = keeper_of(world, engines, 4, clock, replace=True)  # three hosts were down at the start
    for _ in range(4):
        keeper.look()
        keeper.look()
        clock.now += 31.0
    assert engines.asked == [3, 3, 2]


def test_scaling_goes_both_ways(clock: Clock) -> None:
    world, engines = World(0, 1), Engines()
    keeper = keeper_of(world, engines, 2, clock)
    keeper.scale(4)
    keeper.look()
    world.ids = [0, 1, 2, 3]
    keeper.look()
    keeper.scale(3)
    keeper.look()
    clock.now += 100.0
    keeper.look()
    assert engines.asked == [2]
    assert world.signals == [("SIGTERM", 3), ("SIGKILL", 3)]


def test_scaling_while_engines_are_being_started_is_not_forgotten(clock: Clock) -> None:
    world, engines = World(0), Engines()
    keeper = keeper_of(world, engines, 1, clock)
    start = engines.start_engines

    def start_slowly(n: int, among: int) -> int:
        keeper.scale(4)
        engines.start_engines = start  # type: ignore[method-assign]
        return start(n, among)

    engines.start_engines = start_slowly  # type: ignore[method-assign]
    keeper.scale(3)
    keeper.look()
    keeper.look()
    assert engines.asked == [2, 1]


def test_a_job_that_was_cancelled_in_the_queue_is_replaced(clock: Clock) -> None:
    world, engines = World(), Engines()
    engines.are_queued = True
    engines.n_jobs = [2, None, 1, 2]
    keeper = keeper_of(world, engines, 2, clock, coming=2, replace=True)
    for _ in range(4):
        keeper.look()
    assert engines.asked == [1]
    world.ids, engines.n_jobs = [0, 1], [2]
    for _ in range(3):  # once they have joined nobody is asked any more
        keeper.look()


def test_an_engine_process_that_was_given_up_is_killed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append((pid, number)))
    keeper = keeper_of(World(), Engines(), 1, clock)
    keeper._do(keeping.Decision(keeper._state, kill=frozenset({12})))
    assert killed == [(12, signal.SIGKILL)]


def test_an_error_does_not_end_the_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SECONDS_AFTER_ERROR", 0.01)
    looks: list[int] = []

    def look(self: Keeper) -> None:
        looks.append(1)
        raise OSError("too many open files")

    monkeypatch.setattr(Keeper, "look", look)
    world = World(0)
    world._closed = False  # type: ignore[attr-defined]
    keeper = Keeper(world, world, Engines(), 1).start()  # type: ignore[arg-type]
    wait_until(lambda: len(looks) > 3)
    world._closed = True  # type: ignore[attr-defined]
    wait_until(lambda: not keeper._thread.is_alive())
    keeper.stop()
