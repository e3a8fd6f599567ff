"""Tasks that go on until a test lets them end, so that no test depends on how long something takes."""

import ctypes
import os
import sys
import time
import uuid
from pathlib import Path

GO = "go"
_SECONDS = 0.01


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
