"""Keeping the number of engines, against engines that a test lets come and go."""

import logging
from typing import Any

import pytest

from toolkit.engines import keeping
from toolkit.engines.keeping import Keeper
from toolkit.testing.waiting import wait_until


class Sets:
    """Engines of other machines: starting some may bring fewer, none, or an error."""

    are_here = False
    are_queued = False
    logger = logging.getLogger("test")

    def __init__(self, *brings: int | Exception) -> None:
        self.brings = list(brings)
        self.asked: list[int] = []
        self.ended: list[set[str]] = []

    def start_engines(self, n: int, among: int) -> int:
        self.asked.append(n)
        brings = self.brings.pop(0) if self.brings else n
        if isinstance(brings, Exception):
            raise brings
        return min(n, brings)

    def end_at(self, places: set[str]) -> None:
        self.ended.append(places)

    def places(self) -> set[str]:
        return {f"place {number}" for number in range(4)}


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


@pytest.fixture
def keeper_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a keeper whose thread does nothing: a test calls its `_look`."""
    monkeypatch.setattr(Keeper, "_keep", lambda _: None)

    def make(world: World, sets: Sets, n: int, **options: Any) -> Keeper:
        return Keeper(world, world, sets, n, **options)  # type: ignore[arg-type]

    return make


def test_what_is_on_its_way_is_not_started_again(keeper_of: Any) -> None:
    world, sets = World(0), Sets()
    keeper = keeper_of(world, sets, 3, coming=2, replace=True)
    keeper._look()
    world.ids = [0, 1]
    keeper._look()
    world.ids = [0, 1, 2]
    keeper._look()
    assert sets.asked == []


def test_who_left_is_replaced_and_its_place_is_free(keeper_of: Any) -> None:
    world, sets = World(0, 1), Sets()
    keeper = keeper_of(world, sets, 2, replace=True)
    world.ids = [1]
    keeper._look()
    keeper._look()
    assert (sets.asked, sets.ended) == ([1], [{"place 0"}])
    world.ids = [1, 2]
    keeper._look()
    assert sets.asked == [1]


def test_without_replacing_only_scaling_starts_engines(keeper_of: Any) -> None:
    world, sets = World(0, 1), Sets()
    keeper = keeper_of(world, sets, 2)
    world.ids = [1]
    keeper._look()
    assert sets.asked == []
    keeper.scale(4)
    keeper._look()
    keeper._look()
    assert sets.asked == [2]


def test_a_job_that_comes_back_by_itself_makes_one_too_many_leave(keeper_of: Any) -> None:
    """As one that a scheduler has requeued, when another has taken its place."""
    world, sets = World(0, 1), Sets()
    keeper = keeper_of(world, sets, 2, replace=True)
    world.ids = [1]
    keeper._look()
    world.ids = [1, 2, 3]
    keeper._look()
    keeper._look()
    assert world.signals == [("SIGTERM", 3)]
    world.ids = [1, 2]
    keeper._look()
    assert sets.asked == [1]


def test_one_that_does_not_leave_is_ended(keeper_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world, sets = World(0, 1), Sets()
    keeper = keeper_of(world, sets, 2)
    keeper.scale(1)
    keeper._look()
    monkeypatch.setattr(keeping, "_SECONDS_TO_RETIRE", -1.0)
    keeper._look()
    assert world.signals == [("SIGTERM", 1), ("SIGKILL", 1)]


def test_what_could_not_be_started_is_tried_again_later(keeper_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_SECONDS_AFTER_ERROR", 0.0)
    world, sets = World(0), Sets(RuntimeError("no host"), 1, 2)
    keeper = keeper_of(world, sets, 4, replace=True)  # three hosts were down at the start
    keeper._look()
    keeper._look()
    keeper._look()
    keeper._look()
    assert sets.asked == [3, 3, 2]


def test_after_many_deaths_in_a_minute_no_more_are_started_until_someone_asks(keeper_of: Any) -> None:
    world, sets = World(0), Sets()
    keeper = keeper_of(world, sets, 1, replace=True)
    for engine in range(1, 50):
        world.ids = []
        keeper._look()
        if len(sets.asked) < engine:
            break
        world.ids = [engine]
        keeper._look()
    assert len(sets.asked) == 30
    assert keeper._gave_up
    keeper.scale(2)
    keeper._look()
    assert sum(sets.asked) == 32


def test_one_that_never_joins_is_not_waited_for_for_ever(keeper_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_SECONDS_TO_JOIN", -1.0)
    world, sets = World(0, 1), Sets()
    keeper = keeper_of(world, sets, 3, coming=1, replace=True)
    keeper._look()
    assert sets.ended == [{"place 2", "place 3"}]  # where nobody is
    assert sets.asked == [1]


def test_a_job_may_stand_in_a_queue_for_long(keeper_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_SECONDS_TO_JOIN", -1.0)
    world, sets = World(0, 1), Sets()
    sets.are_queued = True
    keeper = keeper_of(world, sets, 3, coming=1, replace=True)
    keeper._look()
    assert (sets.ended, sets.asked) == ([], [])


def test_an_error_does_not_end_the_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(keeping, "_SECONDS_AFTER_ERROR", 0.01)
    looks: list[int] = []

    def look(self: Keeper) -> None:
        looks.append(1)
        raise OSError("too many open files")

    monkeypatch.setattr(Keeper, "_look", look)
    world = World(0)
    world._closed = False  # type: ignore[attr-defined]
    keeper = Keeper(world, world, Sets(), 1)  # type: ignore[arg-type]
    wait_until(lambda: len(looks) > 3, 10)
    world._closed = True  # type: ignore[attr-defined]
    wait_until(lambda: not keeper._thread.is_alive(), 10)
    keeper.stop()
