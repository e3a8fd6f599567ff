"""Memory at the peak: what was taken and given back in the meantime counts, what was there before does not."""

import time

import numpy as np
import pytest
import torch

from toolkit.slicing import peak_memory as module
from toolkit.slicing.peak_memory import peak_memory

CPU = torch.device("cpu")
MEBIBYTE = 2**20
SLACK = 12 * MEBIBYTE


def take(mebibytes: int) -> None:
    """Hold some memory for a moment."""
    block = np.ones(mebibytes * MEBIBYTE, np.uint8)
    time.sleep(0.05)  # for the sampler to look
    assert block[-1] == 1


def take_in_pieces(mebibytes: int) -> None:
    """The same in pieces so small that the C library keeps them when they are freed."""
    pieces = [np.ones(MEBIBYTE // 16, np.uint8) for _ in range(16 * mebibytes)]
    time.sleep(0.05)
    assert pieces[-1][-1] == 1


@pytest.fixture(params=["kernel", "sampled"])
def measure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By the kernel's mark, and as where there is none."""
    if request.param == "sampled":
        monkeypatch.setattr(module, "restart_peak", lambda: False)
    return str(request.param)


@pytest.mark.usefixtures("measure")
@pytest.mark.parametrize("work", [take, take_in_pieces])
def test_what_is_taken_is_counted_each_time(work: object) -> None:
    for _ in range(2):
        found = peak_memory(lambda: work(64), CPU).n_bytes  # type: ignore[operator]
        assert 64 * MEBIBYTE - SLACK < found < 64 * MEBIBYTE + SLACK


@pytest.mark.usefixtures("measure")
def test_an_earlier_peak_is_not_counted() -> None:
    take(128)
    assert peak_memory(lambda: take(16), CPU).n_bytes < 16 * MEBIBYTE + SLACK


@pytest.mark.usefixtures("measure")
def test_what_is_there_before_is_not_counted() -> None:
    held = np.ones(64 * MEBIBYTE, np.uint8)
    assert peak_memory(lambda: take(16), CPU).n_bytes < 16 * MEBIBYTE + SLACK
    assert held[-1] == 1


def test_it_says_how_it_was_measured(measure: str) -> None:
    assert ("every 2 ms" in peak_memory(lambda: None, CPU).measure) == (measure == "sampled")


@pytest.mark.usefixtures("measure")
def test_errors_pass_through() -> None:
    def fail() -> None:
        raise ArithmeticError("not finite")

    with pytest.raises(ArithmeticError, match="not finite"):
        peak_memory(fail, CPU)
