"""Keeping as many engines as were asked for: those that die are replaced, those too many leave."""

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from toolkit.engines.client import is_closed
from toolkit.engines.deciding import SECONDS_AFTER_ERROR, SECONDS_TO_JOIN, Decision, Sight, State, decide
from toolkit.engines.resources import EngineResources
from toolkit.engines.started_engines import StartedEngines

_POLL_SECONDS = 0.2
_ASK_SECONDS = 0.5
_SECONDS_TO_STOP = 60.0


class Keeper:
    """A thread that keeps the number of engines: it looks, has `decide` decide, and does that.

    Parameters
    ----------
    client
        A connected ``ipyparallel.Client``.
    resources, engines
        Say which engine is which process, and start engines.
    n, coming
        How many engines there are to be, and how many were started already and have not joined.
    replace
        Whether engines that die are replaced.
    joined
        Whether there are engines that somebody else started, perhaps on this machine.
    clock
        The time, in seconds.
    """

    def __init__(
        self,
        client: Any,
        resources: EngineResources,
        engines: StartedEngines,
        n: int,
        *,
        coming: int = 0,
        replace: bool = False,
        joined: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._resources, self._engines, self._clock = client, resources, engines, clock
        self._logger = engines.logger
        self._by_process = engines.are_here and not joined
        self._lock = threading.Lock()  # of the state; never held while something may take long
        ids = frozenset(client.ids)
        foreign = ids if joined else frozenset[int]()
        self._state = State(n, replace, ids=ids, foreign=foreign, coming=(self._join_before(),) * coming)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)

    def start(self) -> "Keeper":
        """Look after the engines from now on."""
        self._thread.start()
        return self

    @property
    def n(self) -> int:
        """How many engines there are to be."""
        return self._state.n

    @property
    def may_take_hours(self) -> bool:
        """Whether engines may come late: a scheduler has no room, a machine is down for the night."""
        return not self._engines.are_here

    @property
    def replaces(self) -> bool:
        """Whether an engine is to come if none is left now: asked for, and not given up."""
        state = self._state
        return (state.replaces or state.filling or bool(state.coming)) and not state.gave_up and self._thread.is_alive()

    def scale(self, n: int) -> None:
        """From now on there are to be so many."""
        with self._lock:
            self._state = self._state.scaled(n)

    def stop(self) -> None:
        """Look after engines no more; returns once nothing is being started, or that takes too long."""
        self._stopping.set()
        self._thread.join(_SECONDS_TO_STOP)

    def _keep(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self.look()
            except Exception:
                if is_closed(self._client):
                    return
                self._logger.exception("looking after engines failed; it goes on")
                self._stopping.wait(SECONDS_AFTER_ERROR)

    def look(self) -> None:
        """See what is there, and do what is to be done."""
        sight = self._see()
        with self._lock:
            decision = decide(self._state, sight, self._clock())
            self._state = decision.state
        self._do(decision)

    def _see(self) -> Sight:
        ids = frozenset(self._client.ids)
        strangers = ids - self._resources.identities().keys()
        if strangers:
            self._resources.ask(_ASK_SECONDS, strangers)
        known, here = self._resources.identities(), socket.gethostname()
        return Sight(
            ids,
            pids={engine: row["pid"] for engine, row in known.items() if row["host"] == here},
            places={engine: row.get("place", "") for engine, row in known.items()},
            processes=frozenset(process.pid for process in self._engines.living()) if self._by_process else None,
            occupied=frozenset(self._engines.places()),
            jobs=self._engines.count_jobs() if self._engines.are_queued and self._state.coming else None,
        )

    def _do(self, decision: Decision) -> None:
        for words in decision.words:
            self._logger.warning("%s", words)
        for name, engines in (("SIGTERM", decision.retire), ("SIGKILL", decision.end)):
            for engine in engines:
                self._signal(engine, name)
        for process in decision.kill:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if decision.free:
            self._engines.end_at(decision.free)
        if decision.start:
            self._start(decision.start)

    def _signal(self, engine: int, name: str) -> None:
        from ipyparallel.error import KernelError

        self._logger.info("engine %d gets %s", engine, name)
        with contextlib.suppress(IndexError, KernelError):  # it left meanwhile, perhaps as the last
            self._client.send_signal(name, targets=engine, block=False)

    def _start(self, n: int) -> None:
        try:
            started = self._engines.start_engines(n, among=self._state.n)
        except Exception:
            self._logger.exception("no engine could be started; it is tried again in %g s", SECONDS_AFTER_ERROR)
            started = 0
        join_before = None if self._by_process else self._join_before()
        with self._lock:
            self._state = self._state.after_start(n, started, self._clock(), join_before)

    def _join_before(self) -> float:
        """Until when an engine that is started now may join; a scheduler's queue may be long."""
        return math.inf if self._engines.are_queued else self._clock() + SECONDS_TO_JOIN
