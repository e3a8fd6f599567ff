"""Progress: what is counted, and how it is told."""

from dataclasses import replace

import pytest

from toolkit.runs import (
    BatchEnded,
    EngineLost,
    Flushed,
    LeftPending,
    Paused,
    Progress,
    ProgressCounter,
    Resumed,
    RunEnded,
    RunStarted,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counter(clock: Clock) -> ProgressCounter:
    """Of a run that began to hand out work 7 seconds after it was made."""
    counter = ProgressCounter("cafe", clock)
    clock.now += 7
    counter(RunStarted("cafe", total=100, done=20, failed=10, todo=70, n_engines=2))
    return counter


def test_before_the_start_nothing_is_known() -> None:
    progress = ProgressCounter("cafe", Clock()).progress()
    assert (progress.state, progress.total, progress.processed) == ("running", 0, 0)
    assert progress.images_per_second == 0
    assert progress.seconds_left is None


def test_what_was_there_before_is_counted_but_not_as_processed(counter: ProgressCounter) -> None:
    progress = counter.progress()
    assert (progress.done, progress.failed, progress.pending, progress.processed) == (20, 10, 70, 0)
    assert progress.n_engines == 2
    assert progress.seconds_left is None


def test_batches_add_up(counter: ProgressCounter, clock: Clock) -> None:
    clock.now += 10
    counter(BatchEnded("host:1", done=30, failed=2))
    counter(BatchEnded("host:2", done=8, failed=0))
    counter(Flushed(0.1))
    progress = counter.progress()
    assert (progress.done, progress.failed, progress.pending, progress.processed) == (58, 12, 30, 40)
    assert progress.seconds == 10
    assert progress.images_per_second == 4
    assert progress.seconds_left == 7.5


def test_lost_engines_are_counted(counter: ProgressCounter) -> None:
    counter(EngineLost("1", 5))
    counter(EngineLost("2", 3))
    progress = counter.progress()
    assert progress.engines_lost == 2
    assert "2 engines lost" in str(progress)


def test_the_clock_stops_at_the_end(counter: ProgressCounter, clock: Clock) -> None:
    clock.now += 10
    counter(RunEnded("stopped", "the disk is full"))
    clock.now += 1000
    progress = counter.progress()
    assert (progress.state, progress.reason, progress.seconds) == ("stopped", "the disk is full", 10)
    assert str(progress).endswith("; the disk is full")


def test_a_server_that_is_away_is_named_until_it_is_back(counter: ProgressCounter) -> None:
    counter(Paused("sftp://away does not answer"))
    assert "paused: sftp://away does not answer" in str(counter.progress())
    counter(Resumed())
    assert "paused" not in str(counter.progress())


def test_what_a_run_ends_without_is_said(counter: ProgressCounter) -> None:
    counter(LeftPending(1_200, "sftp://away does not answer"))
    counter(RunEnded("finished"))
    assert "1,200 images left pending, for the same call later: sftp://away does not answer" in str(counter.progress())


def test_a_retry_counts_what_failed_before_as_work(clock: Clock) -> None:
    counter = ProgressCounter("cafe", clock)
    counter(RunStarted("cafe", total=100, done=70, failed=10, todo=10, n_engines=1, retry=True))
    clock.now += 10
    counter(BatchEnded("host:1", done=4, failed=1))
    progress = counter.progress()
    assert (progress.done, progress.failed, progress.pending) == (74, 6, 20)
    assert (progress.todo, progress.seconds_left) == (5, 10)  # pending images are not this call's


PROGRESS = Progress("cafe", "running", 12_345, 6_000, 45, 6_300, 3_000, 600.0, 2)


def test_a_line_while_it_runs() -> None:
    assert str(PROGRESS) == (
        "run cafe running: 6,000 of 12,345 images done, 45 failed; 3,000 processed in 10 min 00 s (5.00/s); "
        "21 min 00 s left"
    )


def test_a_line_at_the_end() -> None:
    finished = replace(PROGRESS, state="finished", done=12_300, processed=12_300, seconds=7260.4)
    assert str(finished) == (
        "run cafe finished: 12,300 of 12,345 images done, 45 failed; 12,300 processed in 2 h 01 min (1.69/s); "
        "errors() or `segscape status` says why, retry='failed' tries them again"
    )


def test_a_line_when_there_was_nothing_to_do() -> None:
    finished = Progress("cafe", "finished", 10, 10, 0, 0, 0, 0.01, 1)
    assert str(finished) == (
        "run cafe finished: 10 of 10 images done, 0 failed; nothing was left to do: no image was segmented"
    )


def test_html_holds_the_line_and_a_bar() -> None:
    html = PROGRESS._repr_html_()
    assert str(PROGRESS) in html
    assert 'role="progressbar"' in html
    assert 'aria-valuemax="12345"' in html
    assert 'aria-valuenow="6045"' in html
    assert "width:48.60%" in html
    assert "width:0.36%" in html


def test_html_is_safe_whatever_stopped_the_run() -> None:
    html = replace(PROGRESS, state="stopped", reason="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_empty_catalog_has_a_bar_too() -> None:
    assert "width:0.00%" in Progress("cafe", "running", 0, 0, 0, 0, 0, 0.0, 0)._repr_html_()
