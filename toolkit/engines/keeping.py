"""Keeping as many engines as were asked for: those that die are replaced, those too many leave."""

import contextlib
import math
import socket
import threading
import time
from collections import deque
from typing import Any

import psutil

from toolkit.engines.engine_sets import EngineSets
from toolkit.engines.inside.retirement import GRACE_SECONDS
from toolkit.engines.resources import EngineResources

_POLL_SECONDS = 0.2
_ASK_SECONDS = 0.5

# Engines that die faster than this die of something that new ones would die of too.
_MOST_REPLACED = 30
_REPLACED_SECONDS = 60.0
_SECONDS_AFTER_ERROR = 30.0
_SECONDS_TO_JOIN = 180.0
_SECONDS_TO_STOP = 60.0

_SECONDS_TO_RETIRE = GRACE_SECONDS + 20.0  # and an image or so that it was at when the work cannot be given up
_SECONDS_TO_REJOIN = 5.0


class Keeper:
    """A thread that keeps the number of engines.

    Parameters
    ----------
    client
        A connected ``ipyparallel.Client``.
    resources : EngineResources
        Which engine is which process.
    engines : EngineSets
        Starts engines.
    n : int
        How many there are to be.
    coming : int
        How many were started already and have not joined.
    replace : bool
        Whether engines that die are replaced.
    joined : bool
        Whether there are engines that somebody else started, perhaps on this machine.
    """

    def __init__(
        self,
        client: Any,
        resources: EngineResources,
        engines: EngineSets,
        n: int,
        *,
        coming: int = 0,
        replace: bool = False,
        joined: bool = False,
    ) -> None:
        self._client = client
        self._resources = resources
        self._engines = engines
        self._replace = replace
        self._logger = engines.logger
        self._by_process = engines.are_here and not joined
        self._lock = threading.Lock()  # of what `scale` changes; never held while something may take long
        self._n = n
        self._short = 0
        """How many are to be started though none died."""
        self._seen: set[int] = set(client.ids)
        self._coming = deque([self._deadline()] * coming)
        """Until when each of those of another machine that were started, and have not joined, is waited for."""
        self._forgotten: set[int] = set()
        self._retiring: dict[int, float] = {}
        self._joined: set[psutil.Process] = set()
        self._astray: dict[psutil.Process, float] = {}
        self._replaced: deque[float] = deque(maxlen=_MOST_REPLACED)
        self._not_before = 0.0
        self._gave_up = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)
        self._thread.start()

    @property
    def may_take_hours(self) -> bool:
        """Whether engines may come late: a scheduler has no room, a machine is down for the night."""
        return not self._engines.are_here

    @property
    def replaces(self) -> bool:
        """Whether an engine that died just now will be replaced: asked for, and not given up."""
        return (self._replace or bool(self._coming)) and not self._gave_up and self._thread.is_alive()

    def scale(self, n: int) -> None:
        """From now on there are to be so many."""
        with self._lock:
            self._short = max(0, n - self._n) + (self._short if n > self._n else 0)
            self._n = n
            self._gave_up = False
            self._not_before = 0.0
            self._replaced.clear()

    def stop(self) -> None:
        """Look after engines no more; returns once nothing is being started, or that takes too long."""
        self._stopping.set()
        self._thread.join(_SECONDS_TO_STOP)

    def _keep(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self._look()
            except Exception:
                if self._client._closed:
                    return
                self._logger.exception("looking after engines failed; it goes on")
                self._stopping.wait(_SECONDS_AFTER_ERROR)

    def _look(self) -> None:
        ids = set(self._client.ids)
        for _ in range(min(len(ids - self._seen), len(self._coming))):
            self._coming.popleft()
        self._seen |= ids
        strangers = ids - self._resources.identities().keys()
        if strangers:
            self._resources.ask(_ASK_SECONDS, strangers)
        self._retire(ids)
        if not self._by_process:
            self._forget(self._seen - ids)
            self._give_up_late(ids)
            present = len(ids - self._retiring.keys()) + len(self._coming)
        else:
            leaving = self._pids(ids & self._retiring.keys())
            processes = self._without_astray(self._engines.living(), ids)
            present = sum(process.pid not in leaving for process in processes)
        self._fill(self._n - present)

    def _deadline(self) -> float:
        """Until when an engine that is started now may join; a scheduler's queue may be long."""
        return math.inf if self._engines.are_queued else time.monotonic() + _SECONDS_TO_JOIN

    def _give_up_late(self, ids: set[int]) -> None:
        """Engines that were started on other machines and did not join will not: free their places."""
        late = [deadline for deadline in self._coming if deadline < time.monotonic()]
        if not late:
            return
        for _ in late:
            self._coming.popleft()
        known = self._resources.identities()
        joined = {known[engine]["place"] for engine in ids if engine in known}
        if len(joined) == len(ids):
            self._logger.warning("%d engines that were started did not join within %g s", len(late), _SECONDS_TO_JOIN)
            self._engines.end_at(self._engines.places() - joined)

    def _retire(self, ids: set[int]) -> None:
        """Send those too many home, the newest first; end those that do not go."""
        self._retiring = {engine: since for engine, since in self._retiring.items() if engine in ids}
        staying = sorted(ids - self._retiring.keys())
        for engine in staying[self._n :]:
            self._retiring[engine] = time.monotonic()
            self._signal(engine, "SIGTERM")
        for engine, since in self._retiring.items():
            if time.monotonic() - since > _SECONDS_TO_RETIRE:
                self._signal(engine, "SIGKILL")

    def _signal(self, engine: int, name: str) -> None:
        from ipyparallel.error import KernelError

        self._logger.info("engine %d gets %s", engine, name)
        with contextlib.suppress(IndexError, KernelError):  # it left meanwhile, perhaps as the last
            self._client.send_signal(name, targets=engine, block=False)

    def _without_astray(self, processes: list[psutil.Process], ids: set[int]) -> list[psutil.Process]:
        """The engines without those that the controller has given up, as after SIGSTOP, which are ended: they would get
        no work any more."""
        members, now = self._pids(ids), time.monotonic()
        self._joined = {process for process in processes if process in self._joined or process.pid in members}
        astray = {process for process in self._joined if process.pid not in members}
        self._astray = {process: self._astray.get(process, now) for process in astray}
        for process, since in self._astray.items():
            if now - since > _SECONDS_TO_REJOIN:
                self._logger.warning("engine process %d was given up by the controller; it is ended", process.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        return [process for process in processes if process not in astray]

    def _forget(self, left: set[int]) -> None:
        """Free the places of engines of other machines that have left, or that the controller has given up."""
        known = self._resources.identities()
        gone = {engine for engine in left - self._forgotten if engine in known}
        self._forgotten |= gone
        places = {known[engine].get("place", "") for engine in gone} - {""}
        if places:
            self._engines.end_at(places)

    def _pids(self, engines: set[int]) -> set[int]:
        """The processes of this machine that are these engines."""
        known = self._resources.identities()
        here = [
            known[engine] for engine in engines if engine in known and known[engine]["host"] == socket.gethostname()
        ]
        return {engine["pid"] for engine in here}

    def _fill(self, n_missing: int) -> None:
        with self._lock:
            new = min(n_missing, self._short)
            replaced = n_missing - new if self._replace else 0
            now = time.monotonic()
            if new + replaced <= 0 or self._gave_up or now < self._not_before:
                return
            if replaced and len(self._replaced) == _MOST_REPLACED and now - self._replaced[0] < _REPLACED_SECONDS:
                self._gave_up = True
                words = "%d engines died within %g s; no more are started until Cluster.scale is called"
                self._logger.warning(words, _MOST_REPLACED, _REPLACED_SECONDS)
                return
        try:
            started = self._engines.start_engines(new + replaced, among=self._n)
        except Exception:
            self._logger.exception("no engine could be started; it is tried again in %g s", _SECONDS_AFTER_ERROR)
            started = 0
        self._coming.extend([self._deadline()] * started)
        with self._lock:
            if started < new + replaced:
                self._not_before = now + _SECONDS_AFTER_ERROR
            self._short = max(0, self._short - started)
            self._replaced.extend([now] * min(replaced, started))
