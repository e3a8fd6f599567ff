"""One cluster of two engines that the tests share; a test that harms engines starts its own."""

import time
from collections.abc import Callable, Iterable, Iterator

import psutil
import pytest

from toolkit.engines import Cluster
from toolkit.processes import is_alive


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster.start("local", n=2) as cluster:
        yield cluster


@pytest.fixture
def survivors() -> Callable[[Iterable[psutil.Process], float], list[psutil.Process]]:
    """A function: which of these processes still run after so many seconds."""
    return _survivors


def _survivors(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (alive := list(filter(is_alive, processes))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive
