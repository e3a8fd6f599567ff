"""What a person sees who interrupts: one line, and neither a traceback nor a lost result."""

import subprocess
import sys

import pytest

INTERRUPTED = (
    "import os, signal, threading, time\n"
    # What was started in the background, as these tests may be, is deaf to it.
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from tests.test_operation import Walk\n"
    "walk = Walk()\n"
)
WAIT = "walk.wait()\n"
AWAIT = "import asyncio\nasync def main():\n    await walk\nasyncio.run(main())\n"

ONCE = (
    "def interrupt():\n"
    "    assert walk.waiting.acquire(timeout=60)\n"
    "    while not walk._displayed:  # by whoever waits\n"
    "        time.sleep(0.01)\n"
    "    os.kill(os.getpid(), signal.SIGINT)\n"
    "    assert walk.cancelled.wait(60)\n"
    "    walk.release()\n"
    "walk.begin()\n"
    "threading.Thread(target=interrupt).start()\n"
)
TWICE = (
    "def interrupt():\n"
    "    assert walk.waiting.acquire(timeout=60)\n"
    "    while not walk._displayed:  # by whoever waits\n"
    "        time.sleep(0.01)\n"
    "    os.kill(os.getpid(), signal.SIGINT)\n"
    "    assert walk.cancelled.wait(60)\n"
    "    time.sleep(0.3)\n"
    "    os.kill(os.getpid(), signal.SIGINT)\n"
    "    assert walk.stopped.wait(60)\n"
    "    walk.release()\n"
    "walk.begin()\n"
    "threading.Thread(target=interrupt).start()\n"
)


def run(*parts: str) -> "subprocess.CompletedProcess[str]":
    script = INTERRUPTED + "".join(parts)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("wait", [WAIT, AWAIT])
@pytest.mark.parametrize("interrupts", [ONCE, TWICE])
def test_of_what_is_waited_for_is_said_in_a_line(wait: str, interrupts: str) -> None:
    ended = run(interrupts, wait)
    assert ended.stderr.splitlines()[-1] == "interrupted: 1 steps, cancelled"
    assert "Traceback" not in ended.stderr
    assert "never retrieved" not in ended.stderr
    assert ended.returncode == -2  # as Python ends what SIGINT ended; 130 for a shell


@pytest.mark.parametrize("wait", [WAIT, AWAIT])
def test_says_that_a_second_one_stops_at_once(wait: str) -> None:
    assert "0 steps, cancelling; interrupt again to stop now" in run(ONCE, wait).stderr


@pytest.mark.parametrize("interrupts", [ONCE, TWICE])
def test_of_a_script_that_does_not_wait_is_its_exit_status(interrupts: str) -> None:
    ended = run(interrupts)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert "cancelled" in ended.stderr


def test_what_the_script_itself_raises_is_shown_as_ever() -> None:
    ended = run(ONCE, "try:\n    walk.wait()\nexcept KeyboardInterrupt:\n    pass\nraise KeyError('mine')\n")
    assert "Traceback" in ended.stderr
    assert "KeyError: 'mine'" in ended.stderr
