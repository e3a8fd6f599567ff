"""Progress: what is counted, and how it is told."""

from dataclasses import replace

import pytest

from toolkit.runs import (
    AtWork,
    BatchEnded,
    EngineLost,
    EnginesChanged,
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


PROGRESS = Progress("cafe", "running", 12_345, 6_000, 45, 6_300, 3_000, 600.0, 2, images_per_second=5.0)


def test_a_line_while_it_runs() -> None:
    assert str(PROGRESS) == "run cafe: 6,000 of 12,345 done, 45 failed, 5.00/s, 21 min 00 s left"


LARGE = replace(
    PROGRESS,
    run_id="f3a206312b2718fe",
    total=150_000,
    done=149_000,
    failed=123,
    todo=877,
    images_per_second=0.0123,
    engines_lost=3,
)


@pytest.mark.parametrize("width", [79, 60, 40, 30])
def test_rate_and_time_left_are_in_a_line_of_any_terminal(width: int) -> None:
    line = LARGE.fitted(width)
    assert len(line) <= width
    assert "0.74/min" in line
    assert "19 h 48 min left" in line
    assert ("149,000 of 150,000 done" in line) == (width > 70)


def test_what_is_waited_for_comes_before_rate_and_time_left() -> None:
    waiting = replace(LARGE, n_engines=0, engines_wanted=4)
    assert waiting.fitted(79).endswith("waiting for engines: 0 of 4 are up")


@pytest.mark.parametrize(
    ("n_engines", "wanted", "words"),
    [
        (0, 4, "waiting for engines: 0 of 4 are up"),
        (0, 0, "waiting for engines: none are up"),
        (1, 4, "1 of 4 engines"),
    ],
)
def test_engines_that_are_not_up_are_said(n_engines: int, wanted: int, words: str) -> None:
    assert words in str(replace(PROGRESS, n_engines=n_engines, engines_wanted=wanted))


def test_nothing_is_said_of_engines_that_are_all_up() -> None:
    assert "engine" not in str(replace(PROGRESS, n_engines=4, engines_wanted=4))


def test_what_each_engine_is_doing_is_shown_in_notebooks() -> None:
    doing = (
        ("0 on <host>", "/photos/a.jpg"),
        ("1 on <host>", ""),
        *[(f"{number} on x", "") for number in range(2, 40)],
    )
    shown = replace(PROGRESS, doing=doing)._repr_html_()
    assert "engine 0 on &lt;host&gt;: /photos/a.jpg" in shown
    assert "engine 1 on &lt;host&gt;: idle" in shown
    assert "… and 24 more" in shown


class TestTimeLeft:
    def test_does_not_climb_while_no_image_comes_back(self, counter: ProgressCounter, clock: Clock) -> None:
        counter(AtWork(2))
        clock.now += 10
        counter(BatchEnded("host:1", done=1, failed=0))
        before = counter.progress().seconds_left
        assert before == pytest.approx(690)
        for _ in range(100):
            clock.now += 7
            left = counter.progress().seconds_left
            assert left is not None
            assert left <= before
            before = left
        assert before == pytest.approx(670)  # those that engines have are late; the others take as long as before

    def test_counts_down(self, counter: ProgressCounter, clock: Clock) -> None:
        clock.now += 10
        counter(BatchEnded("host:1", done=1, failed=0))
        clock.now += 4
        assert counter.progress().seconds_left == pytest.approx(686)
        assert counter.progress().images_per_second == pytest.approx(0.1)

    def test_is_not_said_before_an_image_is_through(self, counter: ProgressCounter, clock: Clock) -> None:
        clock.now += 10
        assert "no image is through yet" in str(counter.progress())
        assert "left" not in str(counter.progress())

    def test_is_never_said_to_be_none(self) -> None:
        assert "1 s left" in str(replace(PROGRESS, todo=1, images_per_second=100.0))
        assert "left" not in str(replace(PROGRESS, todo=0))

    def test_is_by_the_rate_since_the_number_of_engines_changed(self, counter: ProgressCounter, clock: Clock) -> None:
        clock.now += 100
        counter(BatchEnded("host:1", done=10, failed=0))
        counter(EnginesChanged(20))
        assert counter.progress().seconds_left == pytest.approx(600)
        clock.now += 10
        counter(BatchEnded("host:1", done=10, failed=0))
        assert counter.progress().seconds_left == pytest.approx(50)

    def test_is_not_longer_for_a_pause(self, counter: ProgressCounter, clock: Clock) -> None:
        clock.now += 10
        counter(BatchEnded("host:1", done=10, failed=0))
        counter(Paused("away"))
        clock.now += 10_000
        counter(Resumed())
        clock.now += 10
        counter(BatchEnded("host:1", done=10, failed=0))
        assert counter.progress().seconds_left == pytest.approx(50)


class TestCancelling:
    def test_what_is_finished_is_said_and_how_long_it_takes(self) -> None:
        progress = replace(PROGRESS, state="cancelling", at_work=2, images_per_second=0.1)
        assert "finishing 2 images, about 20 s" in str(progress)

    def test_the_time_is_not_said_while_it_is_not_known(self) -> None:
        progress = replace(PROGRESS, state="cancelling", at_work=1, images_per_second=0.0)
        assert str(progress).endswith("finishing 1 image")


def test_a_line_at_the_end() -> None:
    finished = replace(PROGRESS, state="finished", done=12_300, processed=12_300, seconds=7260.4)
    assert str(finished) == (
        "run cafe finished: 12,300 of 12,345 images done, 45 failed; 12,300 processed in 2 h 01 min (1.69/s); "
        "errors() or `segscape status` says why; retry='failed', or in the shell `-p retry_failed true`, tries them "
        "again"
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
