"""When a process that gets no further ends itself; the clock is the test's."""

from collections.abc import Iterator

import pytest

from toolkit.engines.hosting.watchdog import Watchdog

LIMIT = 1000.0


class Clock:
    """Stands still until it is moved; calls ``meanwhile`` whenever it is read."""

    def __init__(self) -> None:
        self.now = 50.0
        self.meanwhile = lambda: None

    def __call__(self) -> float:
        self.meanwhile()
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    """What was done, in order."""
    return []


@pytest.fixture
def watchdog(clock: Clock, said: list[str]) -> Iterator[Watchdog]:
    watchdog = Watchdog(clock, lambda: said.append("end"))
    yield watchdog
    watchdog.unset()


def test_who_gets_no_further_leaves_a_note_and_ends(watchdog: Watchdog, clock: Clock, said: list[str]) -> None:
    watchdog.set(LIMIT, lambda: said.append("note"))
    clock.now += LIMIT - 1
    watchdog.look()
    assert said == []
    clock.now += 2
    watchdog.look()
    assert said[:2] == ["note", "end"]


def test_it_ends_even_if_the_note_cannot_be_written(watchdog: Watchdog, clock: Clock, said: list[str]) -> None:
    def fail() -> None:
        if not said:
            raise OSError("the disk is full")

    watchdog.set(LIMIT, fail)
    clock.now += LIMIT + 1
    watchdog.unset()  # its thread looks no more
    watchdog._seconds = LIMIT
    with pytest.raises(OSError, match="the disk is full"):
        watchdog.look()
    assert said == ["end"]


def test_who_gets_further_goes_on(watchdog: Watchdog, clock: Clock, said: list[str]) -> None:
    watchdog.set(LIMIT, lambda: None)
    for _ in range(3):
        clock.now += LIMIT - 1
        watchdog.kick()
        watchdog.look()
    assert said == []


def test_idleness_before_the_work_does_not_count(watchdog: Watchdog, clock: Clock, said: list[str]) -> None:
    watchdog.set(LIMIT, lambda: None)
    watchdog.unset()
    clock.now += 10 * LIMIT
    looking = [watchdog.look]

    def look() -> None:  # the thread does, at any moment while the next work is being set
        if looking:
            looking.pop()()
            looking.append(watchdog.look)

    clock.meanwhile = look
    watchdog.set(LIMIT, lambda: None)
    assert said == []


def test_nothing_is_watched_without_a_limit(watchdog: Watchdog, clock: Clock, said: list[str]) -> None:
    watchdog.set(None, lambda: None)
    clock.now += 10 * LIMIT
    watchdog.look()
    assert said == []
