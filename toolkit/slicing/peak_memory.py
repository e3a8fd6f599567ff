"""How much memory a piece of work takes at its peak, beyond what was in use before."""

import ctypes
import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

_SAMPLING_SECONDS = 0.002
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_HIGH_WATER_MARK = "5"
_UNSETTLED_BYTES = 2**20
_YOUNG = 1
"""The generations of objects in which what a run leaves behind is found; looking through all takes its time."""


@dataclass(frozen=True)
class PeakMemory:
    """What a piece of work took."""

    n_bytes: int
    """Bytes at the peak, beyond those in use before."""
    measure: str
    """Whose bytes they are and how they were measured, in words."""


def peak_memory(work: Callable[[], object], device: torch.device) -> PeakMemory:
    """Do something, and measure the memory that it takes at its peak.

    Parameters
    ----------
    work : callable
        Does it. Do it once before, so that what is set up once is not counted.
    device : torch.device
        Whose memory: that of a GPU, or that of this process.

    Returns
    -------
    PeakMemory
        On a GPU, what tensors took, as torch counts it. On a CPU the growth of this process's resident memory, after
        the allocator gave back what it held: by the kernel's own high-water mark where there is one (Linux), else by
        looking every 2 ms. What other threads of the process take in the meantime counts too.
    """
    gc.collect(_YOUNG)
    if device.type == "cuda":
        return _on_gpu(work, device)
    _give_back_free_memory()
    if _reset_high_water_mark():
        before = _status_bytes("VmRSS")
        work()
        return PeakMemory(
            max(_status_bytes("VmHWM") - before, 0),
            "growth of the process's resident memory, by the kernel's high-water mark",
        )
    return _sampled(work)


def _on_gpu(work: Callable[[], object], device: torch.device) -> PeakMemory:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return PeakMemory(torch.cuda.max_memory_allocated(device) - before, "GPU memory taken by tensors, as torch counts")


def _give_back_free_memory() -> None:
    """Have the C library return what was freed, so that it is not used again unseen; only glibc can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


def _reset_high_water_mark() -> bool:
    """Whether the kernel keeps a high-water mark that now starts anew."""
    try:
        _CLEAR_REFS.write_text(_RESET_HIGH_WATER_MARK)
        return _status_bytes("VmHWM") - _status_bytes("VmRSS") < _UNSETTLED_BYTES
    except (OSError, KeyError):
        return False


def _status_bytes(name: str) -> int:
    lines = (line.partition(":") for line in _STATUS.read_text().splitlines())
    return int({key: value for key, _, value in lines}[name].split()[0]) * 1024


def _sampled(work: Callable[[], object]) -> PeakMemory:
    import psutil

    process = psutil.Process()
    before = peak = process.memory_info().rss
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(_SAMPLING_SECONDS):
            peak = max(peak, process.memory_info().rss)

    sampler = threading.Thread(target=sample, name="memory", daemon=True)
    sampler.start()
    try:
        work()
    finally:
        ended.set()
        sampler.join()
    measure = f"growth of the process's resident memory, looked at every {_SAMPLING_SECONDS * 1000:g} ms"
    return PeakMemory(max(peak, process.memory_info().rss) - before, measure)
