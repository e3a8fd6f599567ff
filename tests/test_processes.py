"""Processes: which lives, which is the same, and how they end."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from toolkit import processes

WAIT = "import time; time.sleep(600)"
IGNORE = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {WAIT}"


@pytest.fixture
def sleeper() -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", WAIT], text=True)


def test_a_process_began_at_one_time_until_it_is_gone(sleeper: "subprocess.Popen[str]") -> None:
    began = processes.began(sleeper.pid)
    assert began is not None
    assert began == processes.began(sleeper.pid) >= (processes.began(os.getpid()) or 0)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert processes.began(sleeper.pid) is None  # though nobody has collected it
    assert not processes.is_alive(psutil.Process(sleeper.pid))
    sleeper.wait()
    assert processes.began(sleeper.pid) is None


def test_the_place_is_that_of_all_processes_here() -> None:
    there = subprocess.run(
        [sys.executable, "-c", "from toolkit import processes; print(processes.place())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert processes.place() == there.stdout.strip() != ""


def test_those_that_do_not_end_when_asked_are_made_to(sleeper: "subprocess.Popen[str]") -> None:
    stubborn = subprocess.Popen([sys.executable, "-c", IGNORE], stdout=subprocess.PIPE, text=True)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    with stubborn.stdout:
        processes.end([psutil.Process(sleeper.pid), psutil.Process(stubborn.pid)], seconds=1.0)
    assert (sleeper.wait(), stubborn.wait()) == (-signal.SIGTERM, -signal.SIGKILL)


def test_one_that_has_ended_already_is_no_trouble(sleeper: "subprocess.Popen[str]") -> None:
    process = psutil.Process(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    processes.end([process], seconds=1.0)
