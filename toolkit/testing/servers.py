"""A server of this machine alone: its programs are found, started, waited for and ended, each by whoever started it."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from toolkit.testing.waiting import wait_until

_PR_SET_PDEATHSIG = 1


class UnavailableError(RuntimeError):
    """What a server needs is not on this machine. Tests that want it are skipped, or fail in CI (tests/conftest.py)."""


def find_program(name: str, remedy: str) -> str:
    """Where a program is: beside this interpreter, on the path, or among those of the administrator.

    Raises
    ------
    UnavailableError
        It is not installed; the message names the remedy.
    """
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise UnavailableError(f"there is no program {name!r}; {remedy}")
    return found


def free_ports(n: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


class Server:
    """A context in which a server answers. Subclasses start its programs in `start`.

    Parameters
    ----------
    folder : pathlib.Path
        Where its settings, data and log lie; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[psutil.Popen] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it, also once more after a `kill`, where and with what it was before; returns once it answers."""
        raise NotImplementedError

    def kill(self) -> None:
        """As a loss of power would (SIGKILL): the server, and whatever it has started."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for program in self._started:
            program.wait()
        self._started.clear()

    def close(self) -> None:
        """End it."""
        self.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, *command: str, environment: dict[str, str] | None = None) -> None:
        """Start a program that stays in the foreground; it ends with this process, whatever happens to that."""
        with (self._folder / "server.log").open("ab") as log:
            self._started.append(
                psutil.Popen(
                    command,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=_end_with_parent,
                )
            )

    def _wait_until(self, answers: Callable[[], object]) -> None:
        """Wait until the server answers; an error shows the log if a program of it has ended instead."""

        def answers_or_has_ended() -> object:
            for program in self._started:
                if program.poll() is not None:
                    log = (self._folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"{program.args[0]} ended by itself: {log[-2000:]}")
            return answers()

        wait_until(answers_or_has_ended)

    def _processes(self) -> list[psutil.Process]:
        """The programs that were started, the last first, and all that they have started."""
        found: list[psutil.Process] = []
        for program in reversed(self._started):
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [program, *program.children(recursive=True)]
        return found


def _end_with_parent() -> None:
    """Linux kills the process if the thread that started it was killed and could not end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
