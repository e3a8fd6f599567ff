"""Which blocks a driver takes, among others that take some, too; the clock is the test's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from zarr.storage import MemoryStore

import toolkit as tk
from toolkit.catalog import FAILED, PENDING, Catalog, Heartbeat, Owner, RunSettings
from toolkit.runs.queue import BlockOfWork, BlockQueue, Counts
from toolkit.testing.small_run import PROTOCOL, small_model
from toolkit.testing.waiting import PATIENCE

NAMES = [f"/photos/{number}.jpg" for number in range(10)]  # none of them is there


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog() -> Catalog:
    """Ten images in blocks of four."""
    return Catalog.create(MemoryStore(), NAMES, block_size=4)


@pytest.fixture
def run_id(catalog: Catalog) -> str:
    return catalog.start_run(RunSettings("a model", "0" * 64, ("one", "other"), {}, 1, ((0, 0, 0),) * 2))


@pytest.fixture
def queue(catalog: Catalog, run_id: str, clock: Clock) -> BlockQueue:
    queue = BlockQueue(catalog, run_id, Owner(), PENDING, clock)
    queue.look(at_once=True)
    return queue


@pytest.fixture
def other() -> Owner:
    """A driver of another machine."""
    return Owner(host="far", place="another machine")


@pytest.fixture
def others(catalog: Catalog, run_id: str, other: Owner, clock: Clock) -> Iterator[BlockQueue]:
    """What the other takes from, while it lives."""
    with Heartbeat(catalog.store, other, time_to_live=PATIENCE):
        queue = BlockQueue(catalog, run_id, other, PENDING, clock)
        queue.look(at_once=True)
        yield queue


def taken(queue: BlockQueue) -> list[str]:
    """URIs of all blocks that can be had now."""
    return [uri for work in iter(queue.take, None) for uri in work.uris]


def take(queue: BlockQueue) -> BlockOfWork:
    work = queue.take()
    assert work is not None
    return work


def test_every_block_is_taken_once_with_its_images(queue: BlockQueue) -> None:
    first = take(queue)
    assert (first.rows.tolist(), list(first.uris)) == ([0, 1, 2, 3], NAMES[:4])
    assert first.attempts == dict.fromkeys(range(4), 0)
    assert taken(queue) == NAMES[4:]
    assert queue.take() is None
    assert queue.holders == ()


def test_images_are_counted_by_status(queue: BlockQueue) -> None:
    assert queue.count() == Counts(total=10, done=0, failed=0)


def test_two_drivers_share_the_blocks(queue: BlockQueue, others: BlockQueue, other: Owner) -> None:
    mine, theirs = take(queue), take(others)
    assert not set(mine.uris) & set(theirs.uris)
    assert sorted([*mine.uris, *theirs.uris, *taken(queue)]) == NAMES
    assert queue.holders == (other.name,)


def test_what_another_held_is_taken_once_it_has_ended(
    catalog: Catalog, run_id: str, queue: BlockQueue, clock: Clock, other: Owner
) -> None:
    with Heartbeat(catalog.store, other, time_to_live=PATIENCE):
        theirs = take_as(catalog, run_id, other, clock)
        assert taken(queue) == NAMES[4:]
        clock.now += 2
        assert queue.look()  # there may be work later
        assert queue.take() is None
    clock.now += 2
    assert taken(queue) == list(theirs.uris)
    assert queue.holders == ()


def take_as(catalog: Catalog, run_id: str, owner: Owner, clock: Clock) -> BlockOfWork:
    queue = BlockQueue(catalog, run_id, owner, PENDING, clock)
    queue.look(at_once=True)
    return take(queue)


def test_it_looks_once_a_second_at_most(catalog: Catalog, queue: BlockQueue, clock: Clock) -> None:
    taken(queue)
    catalog.add(["/photos/new.jpg"])
    assert not queue.look()
    clock.now += 2
    assert queue.look()
    assert taken(queue) == ["/photos/new.jpg"]


def test_that_images_were_added_is_told_once(catalog: Catalog, queue: BlockQueue) -> None:
    assert queue.has_grown()  # from nothing
    assert not queue.has_grown()
    catalog.add(["/photos/new.jpg"])
    queue.look(at_once=True)
    assert queue.has_grown()
    assert not queue.has_grown()


def test_a_block_that_was_lost_to_another_is_looked_after(queue: BlockQueue, clock: Clock) -> None:
    work = take(queue)
    taken(queue)
    queue.give_back(work)
    assert queue.holders == ("another driver",)
    clock.now += 2
    assert queue.look()


class TestRetry:
    @pytest.fixture
    def failed(self, tmp_path: Path) -> tuple[Catalog, str]:
        """A run of which every image has failed."""
        catalog = Catalog.create(MemoryStore(), [tmp_path / f"{number}.jpg" for number in range(5)], block_size=2)
        run = tk.segment(catalog, small_model(), PROTOCOL)
        run.wait(PATIENCE)
        return catalog, run.id

    def test_what_failed_is_tried_and_nothing_else(self, failed: tuple[Catalog, str], clock: Clock) -> None:
        catalog, run_id = failed
        catalog.add(["/photos/new.jpg"])
        queue = BlockQueue(catalog, run_id, Owner(), FAILED, clock)
        works = list(iter(queue.take, None))
        if not works:
            queue.look(at_once=True)
            works = list(iter(queue.take, None))
        assert [work.rows.tolist() for work in works] == [[0, 1], [2, 3], [4]]
        assert all(set(work.attempts.values()) == {1} for work in works)

    def test_not_what_another_has_tried_since(self, failed: tuple[Catalog, str], clock: Clock) -> None:
        catalog, run_id = failed
        queue = BlockQueue(catalog, run_id, Owner(), FAILED, clock)
        queue.look(at_once=True)
        tk.segment(catalog, small_model(), PROTOCOL, retry="failed").wait(PATIENCE)
        assert queue.take() is None
        assert queue.holders == ()
