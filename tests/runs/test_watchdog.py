"""When an engine that gets no further ends itself, and what it says; the clock is the test's."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from zarr.storage import MemoryStore

from toolkit.catalog import LabelFolder
from toolkit.runs.tasks import Task
from toolkit.runs.watchdog import Watchdog, gave_up
from toolkit.testing.waiting import wait_until

LIMIT = 1000.0
SOME_POLLS = 0.4


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 50.0
        self.seconds_to_read = 0.0

    def __call__(self) -> float:
        if threading.current_thread() is threading.main_thread():
            time.sleep(self.seconds_to_read)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ended() -> list[int]:
    """Codes with which the process would have ended."""
    return []


@pytest.fixture
def watchdog(clock: Clock, ended: list[int]) -> Iterator[Watchdog]:
    watchdog = Watchdog(clock, ended.append)
    yield watchdog
    watchdog.unset()


@pytest.fixture
def task() -> Task:
    """One image, which may take a thousand seconds."""
    folder = LabelFolder(MemoryStore(), "run", segment=0, block=0, generation=0)
    return Task(None, (3,), ("/3.jpg",), folder, 0, 1.0, image_seconds=LIMIT)  # type: ignore[arg-type]


def test_who_gets_no_further_ends_and_names_the_image(
    watchdog: Watchdog, clock: Clock, ended: list[int], task: Task
) -> None:
    watchdog.set(task, leaves_notes=True)
    clock.now += LIMIT - 1
    time.sleep(SOME_POLLS)
    assert ended == []
    clock.now += 2
    wait_until(lambda: ended)
    assert ended == [75]
    assert gave_up(task)
    assert not gave_up(task)  # it is said once


def test_who_gets_further_goes_on(watchdog: Watchdog, clock: Clock, ended: list[int], task: Task) -> None:
    watchdog.set(task, leaves_notes=True)
    for _ in range(3):
        clock.now += LIMIT - 1
        watchdog.kick()
    time.sleep(SOME_POLLS)
    assert ended == []


def test_idleness_before_a_task_does_not_count(watchdog: Watchdog, clock: Clock, ended: list[int], task: Task) -> None:
    watchdog.set(task, leaves_notes=True)
    watchdog.unset()
    clock.now += 10 * LIMIT
    clock.seconds_to_read = SOME_POLLS  # the watchdog looks while the next task is being set
    watchdog.set(task, leaves_notes=True)
    assert ended == []


def test_nothing_is_watched_without_a_limit(watchdog: Watchdog, clock: Clock, ended: list[int], task: Task) -> None:
    watchdog.set(replace(task, image_seconds=None), leaves_notes=True)
    clock.now += 10 * LIMIT
    time.sleep(SOME_POLLS)
    assert ended == []


@pytest.mark.parametrize("case", ["several images", "catalog out of reach"])
def test_no_image_is_named_where_it_is_not_known_or_cannot_be_written(
    watchdog: Watchdog, clock: Clock, ended: list[int], task: Task, case: str
) -> None:
    if case == "several images":
        task = replace(task, rows=(3, 4), uris=("/3.jpg", "/4.jpg"))
    watchdog.set(task, leaves_notes=case == "several images")
    clock.now += LIMIT + 1
    wait_until(lambda: ended)
    assert not gave_up(task)
