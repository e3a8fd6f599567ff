"""The sides of a comparison as processes of their own, each with the environment that it would have in use."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.segmentation.work import Work

ROOT = Path(__file__).parents[2]
# What engines are started with (toolkit.engines.environment): glibc keeps big activations instead of giving them back.
_KEEPING_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(8 * 2**30),
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}


class SideProcess:
    """A worker process.

    Parameters
    ----------
    side : str
        Which side it is.
    work : Work
        What is segmented with.
    keeping_memory : bool
        Whether its allocator is set as that of engines.
    threads : int
        Threads of torch.
    **options
        For the side.
    """

    def __init__(self, side: str, work: Work, *, keeping_memory: bool, threads: int, **options: Any) -> None:
        environment = os.environ | (_KEEPING_MEMORY if keeping_memory else {})
        environment["OMP_NUM_THREADS"] = str(threads)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.segmentation.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self._send({"side": side, "work": work.to_json(), "threads": threads, "options": options})

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Have something done, and wait for the answer."""
        self._send({"do": do, **order})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of a side ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> "SideProcess":
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
