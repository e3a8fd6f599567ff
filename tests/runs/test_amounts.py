"""Times and sizes as people say them."""

import pytest

from toolkit.runs.amounts import about, duration, size, span

MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.2, 3.4, "1.2 to 3 s"),
        (30, 90, "30 to 90 s"),
        (230, 540, "4 to 9 min"),
        (10 * MINUTE, 10.2 * MINUTE, "about 10 min"),
        (9 * HOUR, 12 * HOUR, "9 to 12 hours"),
        (2 * DAY, 2.01 * DAY, "about 2 days"),
        (200 * DAY, 400 * DAY, "200 to 400 days"),
    ],
)
def test_a_span(low: float, high: float, words: str) -> None:
    assert span(low, high) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min 00 s"),
        (245, "4 min 05 s"),
        (2 * HOUR + 61, "2 h 01 min"),
        (50 * HOUR, "2 days 2 h"),
    ],
)
def test_a_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (12, "12 bytes"),
        (1_340_000_000, "1.3 GB"),
        (999_400, "999 kB"),
        (999_600, "1.0 MB"),
        (99_000_000, "99 MB"),
        (2.5e15, "2,500 TB"),
    ],
)
def test_bytes(n_bytes: float, words: str) -> None:
    assert size(n_bytes) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0.2512, "0.25"), (3.4499, "3.4"), (12.4, "12"), (1234, "1,200"), (0, "0"), (9.97, "10")]
)
def test_about(number: float, words: str) -> None:
    assert about(number) == words
