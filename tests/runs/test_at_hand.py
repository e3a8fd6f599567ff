"""The order of the work that no engine has."""

import pytest

from toolkit.catalog import LabelFolder
from toolkit.runs.at_hand import WorkAtHand
from toolkit.runs.tasks import Task


def task(*uris: str, block: int = 0) -> Task:
    labels = LabelFolder(None, "run", 0, block, 0)  # type: ignore[arg-type]
    return Task(None, tuple(range(len(uris))), uris, labels, first_part=10, seconds=1.0)  # type: ignore[arg-type]


class Claims:
    """Blocks of which each is claimed once."""

    def __init__(self, *tasks: Task) -> None:
        self.left = list(tasks)

    def __call__(self) -> Task | None:
        return self.left.pop(0) if self.left else None


def uris(taken: Task | None) -> tuple[str, ...]:
    return () if taken is None else taken.uris


def test_what_was_tried_comes_first_then_the_rest_then_another_block() -> None:
    work = WorkAtHand(Claims(task("claimed"), task("later")))
    work.put_last(task("rest"))
    work.put_first(task("tried"))
    assert [uris(work.take()) for _ in range(5)] == [("tried",), ("rest",), ("claimed",), ("later",), ()]
    assert not work


def test_a_split_keeps_rows_uris_and_parts_together() -> None:
    first, others = task("a", "b", "c").split(1)
    assert others is not None
    assert (first.rows, first.uris, first.first_part) == ((0,), ("a",), 10)
    assert (others.rows, others.uris, others.first_part) == ((1, 2), ("b", "c"), 11)
    assert task("a").split(1) == (task("a"), None)


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_image_out_of_reach_keeps_no_other_waiting_and_is_tried_now_and_then(clock: Clock) -> None:
    work = WorkAtHand(Claims(task("sftp://up/3"), task("sftp://up/4")), clock, try_seconds=10.0)
    work.set_aside(task("sftp://down/1", "sftp://up/2"))
    assert [uris(work.take()) for _ in range(2)] == [("sftp://up/2",), ("sftp://up/3",)]
    clock.now += 60
    assert uris(work.take()) == ("sftp://down/1",)
    work.set_aside(task("sftp://down/1"))
    assert uris(work.take()) == ("sftp://up/4",)
    assert work.take() is None
    assert work
    assert uris(work.take_out_of_reach()) == ("sftp://down/1",)  # there is nothing else
    assert not work


def test_images_that_nobody_waits_for_any_more_are_forgotten(clock: Clock) -> None:
    work = WorkAtHand(Claims(), clock)
    work.set_aside(task("sftp://down/1"))
    work.set_aside(task("sftp://down/2"))
    assert work.drop_out_of_reach() == 2
    assert not work


def test_once_a_server_is_reached_all_that_waits_for_it_is_next(clock: Clock) -> None:
    work = WorkAtHand(Claims(), clock, try_seconds=10.0)
    for name in ("sftp://down/1", "sftp://down/2", "https://other/3"):
        work.set_aside(task(name))
    work.put_last(task("sftp://down/9"))
    clock.now += 60
    assert uris(work.take()) == ("sftp://down/1",)
    work.note_reached(["sftp://down/1"])
    assert [uris(work.take()) for _ in range(2)] == [("sftp://down/2",), ("sftp://down/9",)]
    assert uris(work.take_out_of_reach()) == ("https://other/3",)


def test_the_work_of_a_block_that_was_lost_is_forgotten() -> None:
    work = WorkAtHand(Claims())
    work.put_last(task("a", block=1))
    work.put_last(task("b", block=2))
    work.set_aside(task("c", block=1))
    work.drop((0, 1, 0))
    assert uris(work.take()) == ("b",)
    assert not work
