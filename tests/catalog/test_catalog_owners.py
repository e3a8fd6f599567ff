"""Who lives: found by watching a number grow, with nobody's clock but one's own."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from toolkit.catalog.format.owner import Owner
from toolkit.catalog.owners import TIME_TO_LIVE, Beat, Heartbeat, Watch, end_for, list_owners, read_beat

ELSEWHERE = "another machine"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stranger() -> Owner:
    """A driver of another machine, of which nothing can be known but its heartbeat."""
    return Owner(host="far", pid=os.getpid(), place=ELSEWHERE)


def test_a_stranger_lives_until_it_was_silent_for_its_time_to_live(clock: Clock, stranger: Owner) -> None:
    store = MemoryStore()
    with Heartbeat(store, stranger, time_to_live=50):
        watch = Watch(store, clock)
        assert watch.is_alive(stranger)
        clock.now += 49
        assert watch.is_alive(stranger)
        clock.now += 2
        assert not watch.is_alive(stranger)


def test_a_beat_in_between_begins_the_time_anew(clock: Clock, stranger: Owner) -> None:
    store = MemoryStore()
    heartbeat = Heartbeat(store, stranger, time_to_live=50)
    with heartbeat:
        watch = Watch(store, clock)
        assert watch.is_alive(stranger)
        clock.now += 40
        heartbeat._beat()
        assert watch.is_alive(stranger)
        clock.now += 40
        assert watch.is_alive(stranger)
        clock.now += 11
        assert not watch.is_alive(stranger)


def test_one_that_was_taken_for_dead_lives_again_once_it_beats(clock: Clock, stranger: Owner) -> None:
    store = MemoryStore()
    heartbeat = Heartbeat(store, stranger, time_to_live=50)
    with heartbeat:
        watch = Watch(store, clock)
        watch.is_alive(stranger)
        clock.now += 60
        assert not watch.is_alive(stranger)
        heartbeat._beat()
        clock.now += 5
        assert watch.is_alive(stranger)


def test_a_watcher_that_slept_looks_again_before_it_judges(clock: Clock, stranger: Owner) -> None:
    store = MemoryStore()
    heartbeat = Heartbeat(store, stranger, time_to_live=50)
    with heartbeat:
        watch = Watch(store, clock)
        assert watch.is_alive(stranger)
        clock.now += 10_000  # the watcher was stopped
        heartbeat._beat()
        assert watch.is_alive(stranger)


def test_clocks_of_other_machines_do_not_matter(clock: Clock) -> None:
    """What a heartbeat says holds no time of day at all."""
    assert {field.name for field in dataclasses.fields(Beat)} == {"owner", "number", "time_to_live", "ended"}


def test_one_that_ended_is_known_to_have_ended_at_once(clock: Clock, stranger: Owner) -> None:
    store = MemoryStore()
    with Heartbeat(store, stranger):
        pass
    assert not Watch(store, clock).is_alive(stranger)


def test_one_without_a_heartbeat_has_the_usual_time(clock: Clock, stranger: Owner) -> None:
    watch = Watch(MemoryStore(), clock)
    assert watch.is_alive(stranger)
    clock.now += TIME_TO_LIVE + 1
    assert not watch.is_alive(stranger)


def test_a_process_of_this_machine_that_is_gone_is_known_to_be_gone(clock: Clock) -> None:
    code = "from toolkit.catalog.format.owner import Owner; import dataclasses, json; print(json.dumps(vars(Owner())))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    import json

    owner = Owner(**json.loads(said))
    assert owner.is_gone
    assert not Watch(MemoryStore(), clock).is_alive(owner)
    assert not Owner().is_gone
    assert Owner(pid=os.getpid(), began=1).is_gone  # another process had the number before
    assert not dataclasses.replace(owner, place=ELSEWHERE).is_gone  # nothing can be known


def test_a_heartbeat_beats_by_itself(store: Store, stranger: Owner) -> None:
    with Heartbeat(store, stranger, time_to_live=0.25):
        first = read_beat(store, stranger.name)
        deadline = time.monotonic() + 10
        while read_beat(store, stranger.name) == first and time.monotonic() < deadline:
            time.sleep(0.01)
        later = read_beat(store, stranger.name)
    assert first is not None
    assert later is not None
    assert later.number > first.number
    last = read_beat(store, stranger.name)
    assert last is not None
    assert last.ended
    assert list_owners(store) == [stranger.name]


def test_a_heartbeat_that_cannot_be_written_at_first_is_an_error(stranger: Owner) -> None:
    class Full(MemoryStore):
        async def set(self, *args: object, **kwargs: object) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), Heartbeat(Full(), stranger):
        pass


def test_the_end_can_be_said_for_another(store: Store, stranger: Owner, clock: Clock) -> None:
    beat = Beat(stranger, 3, 20.0)
    end_for(store, beat)
    assert not Watch(store, clock).is_alive(stranger)
