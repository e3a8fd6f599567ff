"""Controllers and engines end with the process that started them, even when it is killed and cannot stop them."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

from toolkit.processes import began

PARENT_PID = "SEGSCAPE_PARENT_PID"
PARENT_HOST = "SEGSCAPE_PARENT_HOST"

_THREAD_NAME = "exit-with-parent"
_SECONDS_TO_CLEAN_UP = 1.5


def parent_environment() -> dict[str, str]:
    """Environment variables that bind a process to this one."""
    return {PARENT_PID: str(os.getpid()), PARENT_HOST: socket.gethostname()}


def exit_with_parent(poll_seconds: float = 1.0) -> None:
    """End this process soon after the one that ``SEGSCAPE_PARENT_PID`` names is gone.

    Called by a profile's ``ipcontroller_config.py`` and ``ipengine_config.py``, inside those processes. Does nothing
    where the variable is not set, as under a plain ``ipcluster start``, or where it was set on another machine.

    Parameters
    ----------
    poll_seconds
        How often to look, in seconds.
    """
    pid = os.environ.get(PARENT_PID, "")
    elsewhere = os.environ.get(PARENT_HOST, socket.gethostname()) != socket.gethostname()
    watched = any(thread.name == _THREAD_NAME for thread in threading.enumerate())
    if not pid or elsewhere or watched:
        return
    is_alive = _watcher(int(pid))
    threading.Thread(target=_watch, args=(is_alive, poll_seconds), name=_THREAD_NAME, daemon=True).start()


def _watch(is_alive: Callable[[], bool], poll_seconds: float) -> None:
    while is_alive():
        time.sleep(poll_seconds)
    _end()


def _watcher(pid: int) -> Callable[[], bool]:
    if began(os.getpid()) is not None:  # this system tells
        begun = began(pid)
        return lambda: begun is not None and began(pid) == begun
    if os.getppid() == pid:  # a child whose parent dies is given another parent
        return lambda: os.getppid() == pid
    return lambda: True


def _end() -> None:
    """Ask this process group to end, as a controller that may clean up would; then make it."""
    # ipyparallel starts each controller and engine as the leader of a group of its own: schedulers and whatever else
    # they started are in it, and nothing else is. Without a group of our own, only this process may be signalled.
    leads = hasattr(os, "killpg") and os.getpgrp() == os.getpid()
    send = partial(os.killpg, os.getpgrp()) if leads else partial(os.kill, os.getpid())
    send(signal.SIGTERM)
    time.sleep(_SECONDS_TO_CLEAN_UP)
    if leads:
        send(signal.SIGKILL)
    os._exit(1)
