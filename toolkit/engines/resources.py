"""What engines are and what they use of their machines, asked without waiting for those that are busy."""

import contextlib
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class EngineIdentity:
    """What does not change while an engine lives."""

    host: str
    """Name of its machine."""
    pid: int
    """Its process on that machine."""
    started: float
    """When it was started, in seconds since the epoch."""
    device: str
    """Where its network runs: ``"cpu"`` or, e.g., ``"cuda:0 NVIDIA A40"``."""


@dataclass(frozen=True)
class EngineUsage:
    """What an engine uses now."""

    cpu_percent: float
    """Percent of one core; more than 100 with several threads."""
    memory: int
    """Resident memory, in bytes."""
    threads: int
    """How many threads it has."""


def identify_engine() -> EngineIdentity:
    """Describe the process that this runs in; called on engines."""
    process = psutil.Process()
    return EngineIdentity(socket.gethostname(), process.pid, process.create_time(), _device())


def measure_engine() -> EngineUsage:
    """Measure the process that this runs in; called on engines of other machines, and takes 50 ms."""
    return _measure(psutil.Process(), interval=_SAMPLE_SECONDS)


def _device() -> str:
    # Importing torch takes seconds and hundreds of megabytes: only where there is a GPU that it might find.
    if "torch" not in sys.modules and not any(Path("/dev").glob("nvidia[0-9]*")):
        return "cpu"
    try:
        import torch
    except ImportError:
        return "cpu"
    return f"cuda:0 {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else "cpu"


def _measure(process: psutil.Process, interval: float | None = None) -> EngineUsage:
    cpu_percent = process.cpu_percent(interval)
    with process.oneshot():
        return EngineUsage(cpu_percent, process.memory_info().rss, process.num_threads())


class EngineResources:
    """The table of a cluster's engines.

    An engine is asked who it is when it is first seen, normally before it has work; the answer is kept. Engines of this
    machine are then measured from here, whatever they do. Engines of other machines must answer themselves, so one
    that is busy for longer than the time-out has no numbers in that table.

    Parameters
    ----------
    client
        A connected ``ipyparallel.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._identities: dict[int, Any] = {}  # an answer that may still be on its way, by engine
        self._measurements: dict[int, Any] = {}
        self._processes: dict[int, psutil.Process] = {}

    def identify(self, timeout: float) -> None:
        """Ask the engines that are new who they are, and wait at most ``timeout`` seconds for all answers."""
        with self._lock:
            self._ask(
                self._identities,
                identify_engine,
                [engine for engine in self._client.ids if engine not in self._identities],
            )
            _wait(self._identities, time.monotonic() + timeout)

    def table(self, timeout: float) -> "pd.DataFrame":
        """One row per engine, after at most about ``timeout`` seconds; see `Cluster.resources`."""
        self.identify(timeout)
        with self._lock:
            return as_table([self._row(engine) for engine in self._measured(time.monotonic() + timeout)])

    def _measured(self, deadline: float) -> list[int]:
        engines = list(self._client.ids)
        for engine in engines:
            if engine not in self._processes:
                self._find_process(engine)
        elsewhere = [engine for engine in engines if engine not in self._processes]
        # An engine that has not answered yet is not asked again: questions would pile up behind its task.
        answered = {engine for engine, answer in self._measurements.items() if answer.ready()}
        self._ask(
            self._measurements, measure_engine, [e for e in elsewhere if e in answered or e not in self._measurements]
        )
        _wait({engine: self._measurements[engine] for engine in elsewhere}, deadline)
        return engines

    def _ask(self, answers: dict[int, Any], question: Any, engines: list[int]) -> None:
        for engine in engines:
            with contextlib.suppress(IndexError):  # it left meanwhile
                answers[engine] = self._client[engine].apply_async(question)

    def _find_process(self, engine: int) -> None:
        identity = _answer(self._identities.get(engine))
        if identity is None or identity.host != socket.gethostname():
            return
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(identity.pid)
            # Containers may share a host's name without sharing its processes.
            if abs(process.create_time() - identity.started) < 1.0:
                process.cpu_percent()  # the first call only sets the mark from which the next one counts
                self._processes[engine] = process

    def _usage(self, engine: int) -> EngineUsage | None:
        if engine not in self._processes:
            usage: EngineUsage | None = _answer(self._measurements.get(engine))
            return usage
        try:
            return _measure(self._processes[engine])
        except psutil.Error:  # it died a moment ago
            return None

    def _row(self, engine: int) -> dict[str, Any]:
        identity: EngineIdentity | None = _answer(self._identities.get(engine))
        usage = self._usage(engine)
        return {
            "engine": engine,
            "host": identity and identity.host,
            "pid": identity and identity.pid,
            "device": identity and identity.device,
            "cpu_percent": usage and usage.cpu_percent,
            "memory": usage and usage.memory,
            "threads": usage and usage.threads,
            "since": identity and identity.started,
        }


def _wait(answers: dict[int, Any], deadline: float) -> None:
    for answer in answers.values():
        answer.wait(max(0.0, deadline - time.monotonic()))


def _answer(answer: Any) -> Any:
    """Return what an engine answered, or None if it has not, or cannot any more."""
    return answer.result() if answer is not None and answer.ready() and answer.successful() else None


def as_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """One row per engine, with the columns and types that `Cluster.resources` promises even where all is missing."""
    import pandas as pd

    columns = ["engine", "host", "pid", "device", "cpu_percent", "memory", "threads", "since"]
    table = pd.DataFrame(rows, columns=columns)
    table["since"] = pd.to_datetime(table["since"].astype("float64"), unit="s", utc=True).dt.round("ms")
    whole_numbers = dict.fromkeys(["engine", "pid", "memory", "threads"], "Int64")
    return table.astype({**whole_numbers, "cpu_percent": "float64", "host": "string", "device": "string"})
