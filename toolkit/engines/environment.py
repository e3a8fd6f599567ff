"""The environment variables that an engine must be started with, because they are read before its first line runs."""

import os

import psutil

_GIB = 1024**3
_MIB = 1024**2


def usable_cores() -> int:
    """How many physical cores this process may use, at least 1."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return max(1, min(physical, allowed))


def engine_environment(n_engines: int) -> dict[str, str]:
    """Environment of each of ``n_engines`` engines that share this machine.

    Parameters
    ----------
    n_engines
        How many engines share the cores.

    Returns
    -------
    dict
        The numbers of threads of OpenMP, MKL and OpenBLAS, so that engines do not fight for cores; and thresholds
        (bytes) that keep glibc's allocator from handing big activations back to the kernel after every operation,
        which otherwise makes larger batches slower than small ones on a CPU.
    """
    return {**thread_environment(usable_cores() // n_engines), **allocator_environment()}


def thread_environment(n: int) -> dict[str, str]:
    """Environment of an engine that has ``n`` cores; at least one."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(max(1, n)))


def allocator_environment() -> dict[str, str]:
    """Environment in which glibc keeps the memory of big activations."""
    return {
        "MALLOC_MMAP_THRESHOLD_": str(8 * _GIB),
        "MALLOC_TRIM_THRESHOLD_": str(8 * _GIB),
        "MALLOC_TOP_PAD_": str(256 * _MIB),
    }
