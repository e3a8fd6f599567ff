"""Servers that are away: when a run pauses, when it goes on, and when it ends without their images."""

import pytest

from toolkit.runs.reach import Reach, server_of

AWAY, THERE = "sftp://away/1.jpg", "sftp://there/1.jpg"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reach(clock: Clock) -> Reach:
    return Reach(patience=600.0, probe_seconds=1.0, clock=clock)


def test_a_server_is_scheme_and_host() -> None:
    assert server_of("sftp://me@host:22/a/b.jpg") == "sftp://me@host:22"
    assert server_of("s3://bucket/a") == "s3://bucket"


def test_it_pauses_while_nothing_is_reached_and_goes_on_afterwards(reach: Reach, clock: Clock) -> None:
    reach.note((), AWAY, "away does not answer", since=90.0)
    assert reach.paused
    assert not reach.may_probe
    clock.now += 1.0
    assert reach.may_probe
    reach.note([AWAY], "", "", since=100.5)
    assert not reach.paused


def test_it_does_not_pause_while_others_are_reached(reach: Reach, clock: Clock) -> None:
    reach.note([THERE], "", "", since=90.0)
    reach.note((), AWAY, "away does not answer", since=95.0)  # begun before the other was reached
    assert not reach.paused


def test_the_only_server_is_waited_for_however_long_it_takes(reach: Reach, clock: Clock) -> None:
    reach.note([AWAY], "", "", since=90.0)
    clock.now += 1
    reach.note((), AWAY, "away does not answer", since=100.5)
    clock.now += 1e6
    assert reach.given_up() == ""


def test_one_of_several_is_waited_for_until_patience_ends(reach: Reach, clock: Clock) -> None:
    reach.note((), AWAY, "away does not answer", since=90.0)
    clock.now += 5
    reach.note([THERE], "", "", since=99.0)
    assert reach.given_up() == ""
    clock.now += 590
    reach.note((), AWAY, "away still does not answer", since=110.0)  # the first time counts
    assert reach.given_up() == ""
    clock.now += 10
    assert reach.given_up() == "away still does not answer"


def test_one_that_came_back_is_not_given_up(reach: Reach, clock: Clock) -> None:
    reach.note((), AWAY, "away does not answer", since=90.0)
    clock.now += 1000
    reach.note([THERE, AWAY], "", "", since=1050.0)
    assert reach.given_up() == ""


def test_nothing_is_given_up_where_nothing_is_away(reach: Reach) -> None:
    assert reach.given_up() == ""
