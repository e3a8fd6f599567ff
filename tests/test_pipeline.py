"""Reading ahead and writing behind: in order, bounded, with each error where it belongs."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count

import pytest

from toolkit.pipeline import WriteBehind, read_ahead

PATIENCE = 20.0
"""Seconds after which something that must happen is taken not to happen."""


class Counted:
    """An endless source that knows how many items were taken from it."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        for item in count():
            self.taken += 1
            yield item


def threads_named(prefix: str) -> list[threading.Thread]:
    """The threads that run now and belong to a pool."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]


def wait_for(event: threading.Event) -> None:
    """Fail if the event does not come."""
    assert event.wait(PATIENCE)


@pytest.mark.parametrize("n_items", [0, 1, 2, 3, 20])
@pytest.mark.parametrize("ahead", [0, 1, 2, 30])
@pytest.mark.parametrize("threads", [1, 3])
def test_items_come_in_order_with_what_was_read(n_items: int, ahead: int, threads: int) -> None:
    read = [
        (item, future.result())
        for item, future in read_ahead(range(n_items), lambda item: -item, threads=threads, ahead=ahead)
    ]
    assert read == [(item, -item) for item in range(n_items)]


def test_order_holds_where_later_items_are_read_first() -> None:
    second_read = threading.Event()

    def read(item: int) -> int:
        if item == 0:
            wait_for(second_read)
        if item == 1:
            second_read.set()
        return item

    assert [future.result() for _, future in read_ahead(range(4), read, threads=2, ahead=2)] == [0, 1, 2, 3]


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_no_more_than_ahead_items_are_taken_before_they_are_asked_for(ahead: int) -> None:
    source = Counted()
    reading = read_ahead(source, lambda item: item, threads=2, ahead=ahead)
    for item, future in reading:
        future.result()
        assert source.taken == item + 1 + ahead
        if item == 10:
            break
    reading.close()  # type: ignore[attr-defined]


def test_the_next_items_are_read_while_the_caller_works_on_one() -> None:
    started = [threading.Event() for _ in range(3)]
    reading = read_ahead(range(3), lambda item: started[item].set(), threads=1, ahead=2)
    next(reading)
    wait_for(started[1])
    wait_for(started[2])
    assert len(list(reading)) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_items_are_read_at_once_as_there_are_threads(threads: int) -> None:
    together = threading.Barrier(threads)
    lock = threading.Lock()
    now = most = 0

    def read(item: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(PATIENCE)  # broken, and so an error, unless that many read at once
        with lock:
            now -= 1

    for _, future in read_ahead(range(4 * threads), read, threads=threads, ahead=8):
        future.result()
    assert most == threads


def test_an_error_arrives_at_its_item_only() -> None:
    def read(item: int) -> int:
        if item % 3 == 1:
            raise OSError(f"item {item}")
        return item

    def outcome(future: Future[int]) -> int | str:
        try:
            return future.result()
        except OSError as error:
            return str(error)

    outcomes = [outcome(future) for _, future in read_ahead(range(6), read)]
    assert outcomes == [0, "item 1", 2, 3, "item 4", 5]


def test_nothing_is_read_before_the_first_item_is_asked_for() -> None:
    source = Counted()
    read_ahead(source, lambda item: item)
    assert source.taken == 0


def test_readers_stop_when_the_caller_stops() -> None:
    source = Counted()
    before = set(threads_named("read"))
    reading = read_ahead(source, lambda item: item, threads=2, ahead=3)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert source.taken == 4
    assert set(threads_named("read")) <= before


def test_readers_stop_when_the_source_of_items_fails() -> None:
    before = set(threads_named("read"))

    def items() -> Iterator[int]:
        yield 0
        raise LookupError("no more items")

    with pytest.raises(LookupError, match="no more items"):
        list(read_ahead(items(), lambda item: item))
    assert set(threads_named("read")) <= before


def test_results_come_in_order() -> None:
    written = []

    def write(item: int) -> int:
        written.append(item)
        return -item

    with WriteBehind(write) as behind:
        for item in range(20):
            behind.submit(item)
        assert behind.results() == [-item for item in range(20)]
    assert written == list(range(20))


def test_nothing_written_gives_no_results() -> None:
    with WriteBehind(lambda item: item) as behind:
        assert behind.results() == []


def test_items_are_written_in_one_other_thread() -> None:
    with WriteBehind(lambda _: threading.get_ident()) as behind:
        for item in range(5):
            behind.submit(item)
        (ident,) = set(behind.results())
    assert ident != threading.get_ident()


@pytest.mark.parametrize("waiting", [1, 2, 5])
def test_submit_waits_when_too_many_items_are_not_yet_written(waiting: int) -> None:
    gate, submitted = threading.Event(), threading.Event()
    with WriteBehind(lambda _: wait_for(gate), behind=waiting) as behind:
        try:
            for item in range(waiting):
                behind.submit(item)  # returns though nothing has been written

            def submit_one_more() -> None:
                behind.submit(waiting)
                submitted.set()

            submitter = threading.Thread(target=submit_one_more)
            submitter.start()
            assert not submitted.wait(0.1)
        finally:
            gate.set()
        wait_for(submitted)
        submitter.join(PATIENCE)


def test_everything_is_written_when_the_block_ends() -> None:
    written = []
    with WriteBehind(written.append, behind=10) as behind:
        for item in range(10):
            behind.submit(item)
    assert written == list(range(10))
    assert behind.results() == [None] * 10


def _fail_at_1(item: int) -> int:
    if item == 1:
        raise OSError("disk full")
    return item


def _write_three(behind: WriteBehind[int, int], *, ask: bool = False, fail: bool = False) -> None:
    """Write three items, of which the second fails, in a block that ends in one way or another."""
    with behind:
        for item in range(3):
            behind.submit(item)
        if fail:
            raise LookupError("mine")
        if ask:
            behind.results()


def test_a_failed_write_surfaces_in_a_later_submit() -> None:
    submitted = []

    def write_on() -> None:
        with WriteBehind(_fail_at_1, behind=1) as behind:
            for item in range(9):
                behind.submit(item)
                submitted.append(item)

    with pytest.raises(OSError, match="disk full"):
        write_on()
    assert submitted == [0, 1]


def test_a_failed_write_surfaces_in_the_results() -> None:
    with pytest.raises(OSError, match="disk full"):
        _write_three(WriteBehind(_fail_at_1, behind=9), ask=True)


def test_a_failed_write_surfaces_though_nobody_asks_for_the_results() -> None:
    with pytest.raises(OSError, match="disk full"):
        _write_three(WriteBehind(_fail_at_1, behind=9))


def test_an_error_of_the_caller_is_not_replaced_by_one_of_the_writer() -> None:
    with pytest.raises(LookupError, match="mine"):
        _write_three(WriteBehind(_fail_at_1, behind=9), fail=True)


def test_the_writer_stops_when_the_block_ends() -> None:
    before = set(threads_named("write"))
    with WriteBehind(lambda item: item) as behind:
        behind.submit(0)
    assert set(threads_named("write")) <= before
