"""Tasks run on the engines of an ipyparallel cluster, through its load-balanced scheduler."""

import contextlib
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from toolkit.engines.client import ask_controller, ask_engine, identities, is_closed
from toolkit.engines.executors.interface import Engine, EngineLostError, EngineTaskError, NoEnginesError, Result, Task
from toolkit.engines.executors.outstanding import Outstanding
from toolkit.engines.inside.activity import activity
from toolkit.engines.inside.gate import OPEN
from toolkit.engines.resources import EngineResources

_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 1.0

# The scheduler reports the task of a dead engine after 5 s. Waiting longer than that lets such a task fail with the
# name of its engine even when it was the last one.
_NO_ENGINES_SECONDS = 7.0

_PINGS_PER_SILENCE = 4


def _run_on_engine(payload: bytes) -> bytes:
    """Call a pickled (function, task) and pickle the result, or the `EngineTaskError` that describes what it raised.

    ipyparallel's own serialisation is not used for results, because its client unpickles in its I/O thread: a result
    that cannot be read there is logged and its future never resolves.
    """
    try:
        function, task = pickle.loads(payload)
        activity.set(getattr(function, "__name__", ""))
        return pickle.dumps(function(task), protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException as raised:  # noqa: BLE001  whatever ends the task is the driver's to record
        return pickle.dumps(EngineTaskError.of(raised))
    finally:
        activity.set("")


def _pickle_call(function: Callable[[Any], Any], task: Any) -> bytes:
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__":
        raise TypeError(
            f"function {name} is defined in a notebook or script, where engines cannot import it; put it into a module"
        )
    try:
        return pickle.dumps((function, task), protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"function {name} and its task cannot be sent to an engine ({error}); "
            "the function must stand at the top level of a module, and the task must be plain data"
        ) from error


class IPyParallelExecutor:
    """An `Executor` over the engines of a connected ipyparallel client.

    Parameters
    ----------
    client
        An ``ipyparallel.Client``; it stays open when the executor is closed.
    patience
        Says for how many seconds without any engine work waits for one, at least 7.
    resources
        Which engine is which, where that is known already.
    silence
        For how many seconds the controller may not answer. It does so in milliseconds, and within seconds on a machine
        that swaps; ipyparallel itself never notices its death.
    history
        How many messages the client may remember.

    Notes
    -----
    A task of an engine that dies fails with `EngineLostError` about 5 s later; about 35 s if it is stopped or its whole
    machine vanishes, which only missing heartbeats tell. When the last engine has been gone for `patience`, or the
    controller silent for `silence`, everything outstanding fails with `NoEnginesError`, and so does what is submitted
    until an engine is back. A task is never retried here: who knows what it did should decide.
    """

    def __init__(
        self,
        client: Any,
        patience: Callable[[], float] = lambda: _NO_ENGINES_SECONDS,
        resources: EngineResources | None = None,
        *,
        silence: float = 20.0,
        history: int = 10_000,
    ) -> None:
        self._client = client
        self._patience = patience
        self._silence = silence
        self._history = history
        self._resources = resources or EngineResources(client)
        # The scheduler's own retries hang when a task fails on every engine.
        self._view = client.load_balanced_view(retries=0)
        self._submitting = threading.Lock()  # a view's bookkeeping is not thread-safe
        self._outstanding = Outstanding()
        self._engine_ids: dict[str, int] = {}  # of all engines ever seen: a dead one is known only by its identity
        self._engines_seen = time.monotonic()
        self._ping: Any = None
        self._ping_sent = time.monotonic()
        self._closed = threading.Event()
        self._remember_engines()
        threading.Thread(target=self._watch, name="engine-watch", daemon=True).start()

    @property
    def n_engines(self) -> int:
        """How many engines are registered now; 0 once the executor is closed or its cluster is out of reach."""
        return 0 if self._closed.is_set() or self._hub_lost() else len(self._client.ids)

    def engines(self) -> list[Engine]:
        """Those that answer; see `Executor.engines`."""
        known = self._resources.answers(_ANSWER_SECONDS) if self.n_engines else {}
        return [
            Engine(engine, said["host"], said["doing"], said.get("waits_for", "")) for engine, said in known.items()
        ]

    def submit(self, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        """Run ``function(task)`` on an engine; see `Executor.submit`."""
        return self._submit(lambda: self._view, _pickle_call(function, task))

    def submit_to(self, engine: int, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        """Run ``function(task)`` on one engine; see `Executor.submit_to`."""
        from ipyparallel.error import NoEnginesRegistered

        try:
            return self._submit(lambda: self._client[engine], _pickle_call(function, task))
        except (IndexError, NoEnginesRegistered):
            raise EngineLostError(engine) from None

    def _submit(self, view: Callable[[], Any], payload: bytes) -> "Future[Any]":
        future = self._outstanding.new()
        if self._closed.is_set():  # looked at only now: what is outstanding before close() is cancelled by it
            future.cancel()
            raise RuntimeError("this executor is closed")
        reason = self._why_no_engines()
        if reason:
            self._fail(future, NoEnginesError(reason))
            return future
        try:
            with self._submitting:
                answer = view().apply_async(_run_on_engine, payload)
                self._forget_history()
        except OSError:  # the client was closed between the check and the call
            self._fail(future, NoEnginesError("the connection to the cluster is closed"))
        except BaseException:  # such as an engine that is there no more
            future.cancel()
            raise
        else:
            answer.add_done_callback(lambda answer: self._resolve(future, answer))
        return future

    def withdraw(self, future: "Future[Any]") -> bool:
        """Never: nobody here knows which tasks an engine has begun; see `Executor.withdraw`."""
        return False

    def open_gate(self, engine: int, group: str, begin: bool) -> None:
        """See `Executor.open_gate`."""
        ask_engine(self._client, engine, OPEN, {"group": group, "begin": begin})

    def close(self) -> None:
        """Cancel what is outstanding; engines finish the task that they have begun, and its result is dropped."""
        self._closed.set()
        self._outstanding.cancel_all()

    def _resolve(self, future: "Future[Any]", answer: Any) -> None:
        if not self._outstanding.claim(future):
            return
        try:
            result = self._read(answer)
        except Exception as error:  # noqa: BLE001  recorded in the future, which must be resolved whatever came back
            known = isinstance(error, (EngineTaskError, EngineLostError))
            future.set_exception(error if known else EngineTaskError.of(error))
        else:
            future.set_result(result)

    def _read(self, answer: Any) -> Any:
        from ipyparallel.error import RemoteError

        try:
            result = pickle.loads(answer.result())
        except RemoteError as error:
            if error.ename == "EngineError":  # what the scheduler answers in the name of a dead engine
                identity = str(answer.metadata.engine_uuid)
                raise EngineLostError(self._engine_ids.get(identity, identity)) from None
            raise EngineTaskError(error.ename, error.evalue, error.traceback or "") from None
        if isinstance(result, EngineTaskError):
            raise result
        return result

    def _forget_history(self) -> None:
        # Client and view note the id of every message ever sent, which in a run of weeks is the driver's memory.
        for history in (self._view.history, self._client.history):
            if len(history) > self._history:
                history.clear()

    def _fail(self, future: "Future[Any]", error: Exception) -> None:
        if self._outstanding.claim(future):
            future.set_exception(error)

    def _watch(self) -> None:
        while not self._closed.wait(_POLL_SECONDS):
            self._remember_engines()
            self._ping_hub()
            reason = self._why_no_engines()
            if reason:
                for future in self._outstanding.claim_all():
                    future.set_exception(NoEnginesError(reason))

    def _remember_engines(self) -> None:
        engines = identities(self._client)
        self._engine_ids.update(engines)
        if engines:
            self._engines_seen = time.monotonic()

    def _ping_hub(self) -> None:
        unanswered = self._ping is not None and not self._ping.done()
        due = time.monotonic() - self._ping_sent > self._silence / _PINGS_PER_SILENCE
        if due and not unanswered and len(self._outstanding):
            self._ping_sent = time.monotonic()
            with contextlib.suppress(OSError):  # the client was closed, which _why_no_engines reports
                self._ping = ask_controller(self._client)

    def _hub_lost(self) -> bool:
        ping = self._ping
        silent = ping is not None and not ping.done() and time.monotonic() - self._ping_sent > self._silence
        return silent or is_closed(self._client)

    def _why_no_engines(self) -> str:
        if is_closed(self._client):
            return "the connection to the cluster is closed"
        if self._hub_lost():
            return f"the cluster's controller has not answered for {self._silence:g} s"
        if not self._client.ids and time.monotonic() - self._engines_seen > self._patience():
            return "all engines have died"
        return ""
