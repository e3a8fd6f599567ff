"""glibc's allocator, told to keep the memory of big activations instead of handing it back after every operation.

Engines are started with the same settings in their environment (`toolkit.engines.environment`), where they hold from
the first allocation on; this is for processes that were started by someone else, such as a notebook's kernel.
"""

import ctypes
import functools
import os

_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": (-3, 2**30),  # what is larger has pages of its own, which are handed back at once
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),  # so much may lie free at the end of the heap
    "MALLOC_TOP_PAD_": (-2, 2**28),  # by so much more than needed the heap grows
}
"""Environment variable, parameter of mallopt, and bytes: mallopt takes an int of 32 bits."""
_OLDER_MMAP_THRESHOLD = 2**25
"""The most that glibc took before 2.35."""


@functools.cache
def keep_memory() -> bool:
    """Set what the environment does not, once and for the whole process.

    Returns
    -------
    bool
        Whether the allocator has all settings; one that is not glibc's is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt if os.confstr("CS_GNU_LIBC_VERSION") else None
    except (AttributeError, OSError, TypeError, ValueError):  # another system or library: none has such names
        mallopt = None
    if mallopt is None:
        return False
    accepted = True
    for variable, (parameter, size) in _SETTINGS.items():
        if variable not in os.environ:
            taken = mallopt(parameter, size) == 1
            if not taken and variable == "MALLOC_MMAP_THRESHOLD_":
                taken = mallopt(parameter, _OLDER_MMAP_THRESHOLD) == 1
            accepted = accepted and taken
    return accepted
