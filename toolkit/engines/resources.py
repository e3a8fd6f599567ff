"""What engines are, do and use of their machines, asked without waiting for those that do not answer."""

import contextlib
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from toolkit.engines.client import ask_engine, forget
from toolkit.engines.inside import begin
from toolkit.engines.inside.status import REQUEST

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = {
    "engine": "Int64",
    "host": "string",
    "pid": "Int64",
    "device": "string",
    "cpu_percent": "float64",
    "memory": "Int64",
    "gpu_memory": "Int64",
    "gpu_load": "float64",
    "doing": "string",
    "images": "Int64",
    "images_per_second": "float64",
    "threads": "Int64",
    "since": "float64",
}
_LASTING = ("host", "pid", "device", "since")
_HIDDEN = ("threads",)
_NO_ANSWER = "does not answer"
_SECONDS_OF_PATIENCE = 60.0
_SECONDS_TO_LEARN = 2.0


class EngineResources:
    """The table of a cluster's engines.

    They answer in a thread of their own, on the control channel, whatever their task is. One that does not answer in
    time (stopped, cut off, or in native code that lets no other thread run) is not asked again until it has, and keeps
    its name in the table.

    Parameters
    ----------
    client
        A connected ``ipyparallel.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._questions: dict[int, tuple[Any, float]] = {}  # by engine: the last one, answered or not, and when
        self._answers: dict[int, dict[str, Any]] = {}
        self._taught: set[int] = set()

    def ask(self, timeout: float, engines: Iterable[int] | None = None) -> None:
        """Ask engines, all by default, and wait at most ``timeout`` seconds for their answers."""
        with self._lock:
            engines = list(self._client.ids if engines is None else engines)
            asked = [self._question(engine) for engine in engines]
            deadline = time.monotonic() + timeout
            for engine, question in zip(engines, asked, strict=True):
                if question is None:
                    continue
                question.wait(max(0.0, deadline - time.monotonic()))
                if question.done():
                    self._answers[engine] = question.result()["content"]
                elif engine not in self._answers:  # one whose profile knows nothing of us will never answer
                    self._teach(engine)

    def identities(self) -> dict[int, dict[str, Any]]:
        """What the engines have said of themselves last, by engine; also of those that have left."""
        with self._lock:
            return dict(self._answers)

    def answers(self, timeout: float) -> dict[int, dict[str, Any]]:
        """What those engines say that answer within ``timeout`` seconds."""
        self.ask(timeout)
        with self._lock:
            return {engine: self._answers[engine] for engine in sorted(self._client.ids) if self._has_answered(engine)}

    def table(self, timeout: float) -> "pd.DataFrame":
        """One row per engine, after at most about ``timeout`` seconds; see `Cluster.resources`."""
        self.ask(timeout)
        with self._lock:
            return as_table([self._row(engine) for engine in list(self._client.ids)])

    def _question(self, engine: int) -> Any:
        """The question that the engine is to answer: a new one, unless it owes an answer, and not for long."""
        question, since = self._questions.get(engine, (None, 0.0))
        patience = _SECONDS_OF_PATIENCE if engine in self._answers else _SECONDS_TO_LEARN
        if question is not None and not question.done():
            if time.monotonic() - since < patience:
                return question
            forget(self._client, question)
        question = ask_engine(self._client, engine, REQUEST)
        if question is not None:
            self._questions[engine] = question, time.monotonic()
        return question

    def _teach(self, engine: int) -> None:
        """Have an engine answer from now on; once it has done what it is at."""
        if engine not in self._taught:
            self._taught.add(engine)
            with contextlib.suppress(IndexError, OSError):
                self._client[engine].apply_async(begin)

    def _has_answered(self, engine: int) -> bool:
        """Whether it has answered the last question that it was asked."""
        question, _ = self._questions.get(engine, (None, 0.0))
        return question is not None and question.done() and engine in self._answers

    def _row(self, engine: int) -> dict[str, Any]:
        answer = self._answers.get(engine, {})
        if not self._has_answered(engine):
            answer = {name: answer.get(name) for name in _LASTING} | {"doing": _NO_ANSWER}
        return {"engine": engine} | {name: answer.get(name) for name in _COLUMNS if name != "engine"}


def as_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """One row per engine, with the columns and types that `Cluster.resources` promises even where all is missing."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    table["since"] = pd.to_datetime(table["since"], unit="s", utc=True).dt.round("ms")
    return table


def as_html(table: "pd.DataFrame") -> str:
    """The table as a person reads it."""
    mebibytes = {name: (table[name] / 2**20).round() for name in ("memory", "gpu_memory")}
    shown = table.assign(**mebibytes).drop(columns=list(_HIDDEN))
    if shown["gpu_memory"].isna().all():
        shown = shown.drop(columns=["gpu_memory", "gpu_load"])
    units = {"memory": " MiB", "gpu_memory": " MiB", "cpu_percent": "", "gpu_load": " %"}
    names = {name: name.replace("_percent", " %").replace("_", " ") + units.get(name, "") for name in shown.columns}
    html: str = shown.rename(columns=names).to_html(index=False, na_rep="–")
    return html
