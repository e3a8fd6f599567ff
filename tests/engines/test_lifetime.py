"""Engines never outlive the process that started them."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable

import psutil
import pytest

from toolkit.engines import lifetime

Survivors = Callable[[Iterable[psutil.Process], float], list[psutil.Process]]

_START_A_CLUSTER = """
import psutil, time
from toolkit.engines import Cluster
cluster = Cluster.start("local", n=1)
cluster.executor().submit(time.sleep, 600)
while "sleep" not in set(cluster.resources()["doing"]):
    pass
print(*[process.pid for process in psutil.Process().children(recursive=True)], flush=True)
time.sleep(600)
"""


def test_a_killed_driver_takes_controller_and_engines_along(survivors: Survivors) -> None:
    driver = subprocess.Popen([sys.executable, "-c", _START_A_CLUSTER], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    processes = [psutil.Process(int(pid)) for pid in driver.stdout.readline().split()]
    assert len(processes) > 2
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=60)
    assert survivors(processes, 60) == []


def test_a_driver_that_ends_without_stopping_leaves_nothing(survivors: Survivors) -> None:
    script = _START_A_CLUSTER.replace("time.sleep(600)\n", "")
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stderr == ""
    assert survivors([psutil.Process(pid) for pid in map(int, ended.stdout.split()) if psutil.pid_exists(pid)], 0) == []


def test_a_process_that_nobody_bound_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(lifetime.PARENT_PID, raising=False)
    before = threading.active_count()
    lifetime.exit_with_parent()
    assert threading.active_count() == before


def test_a_process_on_another_machine_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lifetime.PARENT_PID, "1")
    monkeypatch.setenv(lifetime.PARENT_HOST, "another-machine")
    before = threading.active_count()
    lifetime.exit_with_parent()
    assert threading.active_count() == before


def test_a_pid_that_was_given_to_another_process_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1, 100, 200])  # of this process, of the one that is watched, and of the later one
    monkeypatch.setattr(lifetime, "began", lambda pid: next(times))
    assert not lifetime._watcher(1)()


def test_importing_the_engines_stays_cheap() -> None:
    script = "import sys, toolkit.engines; print([m for m in ('torch', 'pandas', 'ipyparallel') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
