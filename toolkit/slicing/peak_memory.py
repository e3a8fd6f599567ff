"""How much memory a piece of work takes at its peak, beyond what was in use before."""

import ctypes
import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch

from toolkit.processes import peak_resident_bytes, restart_peak

_SAMPLING_SECONDS = 0.002
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
    """Do something, and measure the memory that it takes at its peak, beyond what was in use before.

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
    before = psutil.Process().memory_info().rss
    if not restart_peak():
        return _sampled(work, before)
    work()
    how = "growth of the process's resident memory, by the kernel's high-water mark"
    return PeakMemory(max(peak_resident_bytes() - before, 0), how)


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


def _sampled(work: Callable[[], object], before: int) -> PeakMemory:
    process = psutil.Process()
    peak = before
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
