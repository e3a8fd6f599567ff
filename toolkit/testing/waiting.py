"""Waiting for what will be so, and tasks that wait for a test; so that none depends on how long something takes."""

import ctypes
import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

GO = "go"
_SECONDS = 0.01
_Found = TypeVar("_Found")

PATIENCE = 300.0
"""Seconds after which something that should have come has not; no machine is so slow."""


def begin_and_wait(folder: str) -> int:
    """Say in a folder that a task has begun, and go on when the folder has a file ``go``; the number of the process."""
    Path(folder, f"begun-{uuid.uuid4().hex}").touch()
    while not Path(folder, GO).exists():
        time.sleep(_SECONDS)
    return os.getpid()


def begin_and_hold(folder: str) -> None:
    """The same, while no other thread of Python gets to run."""
    Path(folder, f"begun-{uuid.uuid4().hex}").touch()
    access, go, before = ctypes.PyDLL(None).access, str(Path(folder, GO)).encode(), sys.getswitchinterval()
    sys.setswitchinterval(3600)
    while access(go, os.F_OK) != 0:  # unlike Python's own functions this keeps the lock
        pass
    sys.setswitchinterval(before)


def n_begun(folder: Path) -> int:
    """How many tasks have begun."""
    return len(list(folder.glob("begun-*")))


def wait_until(condition: Callable[[], _Found], seconds: float = PATIENCE) -> _Found:
    """Ask again and again, until the answer is true.

    Returns
    -------
    object
        That answer.

    Raises
    ------
    TimeoutError
        It is still not so after some seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"still not so after {seconds:g} s")
        time.sleep(0.02)
    return found
