"""Processes of this machine: which they are, whether they live, what they take, and their end."""

import contextlib
import signal
import time
from collections.abc import Collection
from pathlib import Path

import psutil

_POLL_SECONDS = 0.05
_UNSETTLED_BYTES = 2**20


def place() -> str:
    """What tells whether two process ids may be compared: the boot of the machine, and the container; "" if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""  # not Linux


def began(pid: int) -> int | None:
    """When a process was started, in ticks since boot, which nobody's setting of the clock moves; None if it is gone.

    A later process of the same id has another. Also None where that cannot be known, see `place`.
    """
    try:
        # The name in parentheses may hold anything; after it come the state (field 3) … and the start time (field 22).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and that nobody has collected does not."""
    # An orphan stays a zombie where the first process of a container collects none; psutil would wait for it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes: Collection[psutil.Process], seconds: float) -> None:
    """Ask processes to end, and make those end that have not done so after some seconds."""
    left = list(processes)
    for send in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(send)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (left := list(filter(is_alive, left))):
            time.sleep(_POLL_SECONDS)


def restart_peak() -> bool:
    """Have the kernel note from now on how much memory this process takes at most; False where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return peak_resident_bytes() - psutil.Process().memory_info().rss < _UNSETTLED_BYTES
    except (OSError, KeyError):
        return False


def peak_resident_bytes() -> int:
    """The most resident memory of this process since it began or `restart_peak`, on Linux."""
    lines = (line.partition(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int({key: value for key, _, value in lines}["VmHWM"].split()[0]) * 1024
