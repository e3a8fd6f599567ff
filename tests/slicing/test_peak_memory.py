"""Memory at the peak: what was taken and given back in the meantime counts, what was there before does not."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from toolkit.slicing import peak_memory as module
from toolkit.slicing.peak_memory import peak_memory

CPU = torch.device("cpu")
MEBIBYTE = 2**20
SLACK = 12 * MEBIBYTE

Looked = Callable[[], None]


def take(mebibytes: int, looked: Looked = lambda: None) -> None:
    """Hold some memory until it was looked at."""
    block = np.ones(mebibytes * MEBIBYTE, np.uint8)
    looked()
    assert block[-1] == 1


def take_in_pieces(mebibytes: int, looked: Looked) -> None:
    """The same in pieces so small that the C library keeps them when they are freed."""
    pieces = [np.ones(MEBIBYTE // 16, np.uint8) for _ in range(16 * mebibytes)]
    looked()
    assert pieces[-1][-1] == 1


@pytest.fixture(params=["kernel", "sampled"])
def measure(request: pytest.FixtureRequest) -> str:
    """By the kernel's mark, and as where there is none."""
    return str(request.param)


@pytest.fixture
def looked(measure: str, monkeypatch: pytest.MonkeyPatch) -> Looked:
    """Waits until memory was looked at once more; the kernel always does."""
    if measure == "kernel":
        return lambda: None
    looks = threading.Semaphore(0)

    class Process(psutil.Process):
        def memory_info(self) -> Any:
            info = super().memory_info()
            looks.release()
            return info

    def wait() -> None:
        while looks.acquire(blocking=False):
            pass
        for _ in range(2):  # the first may have begun before
            assert looks.acquire(timeout=60)

    monkeypatch.setattr(module, "restart_peak", lambda: False)
    monkeypatch.setattr(psutil, "Process", Process)
    return wait


@pytest.mark.parametrize("work", [take, take_in_pieces])
def test_what_is_taken_is_counted_each_time(work: Callable[[int, Looked], None], looked: Looked) -> None:
    for _ in range(2):
        found = peak_memory(lambda: work(64, looked), CPU).n_bytes
        assert 64 * MEBIBYTE - SLACK < found < 64 * MEBIBYTE + SLACK


def test_an_earlier_peak_is_not_counted(looked: Looked) -> None:
    take(128)
    assert peak_memory(lambda: take(16, looked), CPU).n_bytes < 16 * MEBIBYTE + SLACK


def test_what_is_there_before_is_not_counted(looked: Looked) -> None:
    held = np.ones(64 * MEBIBYTE, np.uint8)
    assert peak_memory(lambda: take(16, looked), CPU).n_bytes < 16 * MEBIBYTE + SLACK
    assert held[-1] == 1


@pytest.mark.usefixtures("looked")
def test_it_says_how_it_was_measured(measure: str) -> None:
    assert ("every 2 ms" in peak_memory(lambda: None, CPU).measure) == (measure == "sampled")


@pytest.mark.usefixtures("looked")
def test_errors_pass_through() -> None:
    def fail() -> None:
        raise ArithmeticError("not finite")

    with pytest.raises(ArithmeticError, match="not finite"):
        peak_memory(fail, CPU)
