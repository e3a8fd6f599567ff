"""Task sizes that follow from measured speeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.runs.speeds import TASKS_PER_ENGINE, Share, Speeds


def speeds(*seconds_per_image: float) -> Speeds:
    known = Speeds()
    for number, seconds in enumerate(seconds_per_image):
        known.note(f"host:{number}", seconds)
    return known


def test_the_first_task_of_a_run_is_one_image() -> None:
    assert Speeds().share(2.5, n_left=1000, n_engines=4) == Share(1, 2.5)


def test_a_task_has_what_the_fastest_engine_can_do_in_its_time() -> None:
    assert speeds(0.1, 5.0).share(2.5, n_left=10_000, n_engines=2) == Share(25, 2.5)


def test_towards_the_end_tasks_take_less_time_so_that_all_engines_finish_together() -> None:
    # 10 + 0.2 images per second: 51 images are 5 s of work, for two engines with two tasks each.
    share = speeds(0.1, 5.0).share(2.5, n_left=51, n_engines=2)
    assert share.seconds == pytest.approx(51 / 10.2 / TASKS_PER_ENGINE)
    share = speeds(0.1, 5.0).share(2.5, n_left=5, n_engines=2)
    assert (share.n_images, share.seconds) == (2, pytest.approx(0.245, abs=0.001))


def test_an_engine_that_speeds_up_is_believed_step_by_step() -> None:
    known = speeds(1.0)
    known.note("host:0", 0.5)  # the first took the time of loading the model along
    assert known.share(3.0, n_left=1000, n_engines=1) == Share(4, 3.0)


def test_only_as_many_engines_count_as_there_are() -> None:
    assert speeds(0.01, 1.0, 1.0).share(2.0, n_left=1000, n_engines=2) == Share(2, 2.0)


@given(st.lists(st.floats(1e-7, 1e5), max_size=20), st.floats(0.005, 1800), st.integers(0, 10**9), st.integers(1, 5000))
def test_whatever_the_speeds_a_task_has_some_images_and_no_more_time_than_it_may(
    measured: list[float], seconds: float, n_left: int, n_engines: int
) -> None:
    share = speeds(*measured).share(seconds, n_left, n_engines)
    assert 1 <= share.n_images <= 256
    assert 0 <= share.seconds <= seconds
