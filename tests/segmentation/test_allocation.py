"""The allocator keeps big blocks of memory, unless the environment says otherwise."""

import os
import platform
import subprocess
import sys

import pytest

from toolkit.segmentation import allocation
from toolkit.segmentation.allocation import keep_memory

PROGRAM = """
import resource, runpy
keep_memory = runpy.run_path({module!r})["keep_memory"]  # torch takes its time
if {keeping}:
    assert keep_memory()
for _ in range(20):
    block = bytearray(2**25)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")


def page_faults(*, keeping: bool, **environment: str) -> int:
    """Of a process that takes 32 MiB and gives them back, twenty times."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    program = [sys.executable, "-c", PROGRAM.format(keeping=keeping, module=allocation.__file__)]
    return int(subprocess.run(program, env=others | environment, check=True, capture_output=True).stdout)


@needs_glibc
def test_memory_that_is_given_back_stays_with_the_process() -> None:
    assert page_faults(keeping=True) < page_faults(keeping=False) - 10 * 2**25 // os.sysconf("SC_PAGE_SIZE")


@needs_glibc
def test_what_the_environment_sets_stays() -> None:
    given = {"MALLOC_MMAP_THRESHOLD_": str(2**20), "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
    assert page_faults(keeping=True, **given) > 10 * 2**25 // os.sysconf("SC_PAGE_SIZE")


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: None)
    keep_memory.cache_clear()
    try:
        assert not keep_memory()
    finally:
        keep_memory.cache_clear()
