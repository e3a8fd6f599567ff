"""A cluster that this process starts and stops: a controller and its engines."""

import atexit
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolkit.display import LiveDisplay, Words
from toolkit.engines.environment import usable_cores
from toolkit.engines.started_engines import StartedEngines
from toolkit.processes import is_alive

_POLL_SECONDS = 0.1
_SECONDS_TO_COME = 60.0
_SECONDS_IN_QUEUE = 86_400.0
_SECONDS_IN_SILENCE = 5.0
_MOST_PER_CORE = 2


class LaunchedCluster:
    """A controller and ``n`` engines, and an ipyparallel client connected to them.

    Parameters
    ----------
    profile_dir
        A profile directory that can be written.
    n
        How many engines to start; None takes the number of the profile's settings, or one per usable core.
    timeout
        How long, in seconds, the controller and all engines, or the first of those on other machines, may take; None: a
        minute, and a day for a scheduler.
    clock
        The time, in seconds.

    Raises
    ------
    TimeoutError
        Not everything had come after ``timeout`` seconds.
    RuntimeError
        The controller or the engines ended while starting.
    """

    def __init__(
        self,
        profile_dir: Path,
        n: int | None,
        timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owner = os.getpid()
        self.engines = StartedEngines(profile_dir)
        self.engines.check_program()
        self._timeout = timeout or (_SECONDS_IN_QUEUE if self.engines.are_queued else _SECONDS_TO_COME)
        self._clock = clock
        self._deadline = clock() + self._timeout
        cluster = self.engines.cluster
        self.n = n or cluster.n or usable_cores()
        self._warn_of_too_many()
        self.n_started = 0
        self.cluster_id = self.engines.cluster_id
        self.client: Any = None
        atexit.register(self.stop)
        try:
            self._start(cluster)
            self._wait_for_engines(cluster)
        except BaseException:  # an interrupt from the keyboard too must not leave processes behind
            self.stop(keep_log=True)
            raise

    def stop(self, keep_log: bool = False) -> None:
        """End all processes and remove their files; engines that run a task are killed. May be called twice.

        Parameters
        ----------
        keep_log
            Leave the log, with the last output of every process in it.
        """
        atexit.unregister(self.stop)
        if os.getpid() != self._owner:  # a fork inherits the exit handler, not the cluster
            return
        if self.client is not None:
            self.client.close(linger=0)
        self.engines.stop(keep_log)
        for left in _files_of_controller(self.engines.profile_dir, self.cluster_id):
            left.unlink(missing_ok=True)

    def _warn_of_too_many(self) -> None:
        from toolkit.engines.launchers.local import GpuEngines

        shares_cores = self.engines.are_here and not issubclass(self.engines.cluster.engine_launcher_class, GpuEngines)
        if shares_cores and self.n > _MOST_PER_CORE * usable_cores():
            warnings.warn(
                f"{self.n} engines share {usable_cores()} cores of this machine: more than one per core are no faster, "
                "and each takes the memory of a model and its images",
                stacklevel=4,
            )

    def _start(self, cluster: Any) -> None:
        cluster.start_controller_sync(environment=self.engines.environment(cluster.controller_launcher_class))
        # The controller is here, and does not stand in a queue.
        cluster.controller.connection_info_timeout = min(self._timeout, _SECONDS_TO_COME)
        try:
            self.n_started = self.engines.start_engines(self.n, among=self.n)
            self.client = cluster.connect_client_sync(timeout=max(1.0, self._deadline - self._clock()))
        except (TimeoutError, RuntimeError) as error:
            came = all(Path(file).exists() for file in cluster.controller.connection_files.values())
            problem = "no engine came up" if came else f"the controller did not come up within {self._timeout:g} s"
            raise type(error)(f"{problem}: {error}{self._see_log()}") from error

    def _wait_for_engines(self, cluster: Any) -> None:
        wanted = self.n if self.engines.are_here else 1  # the others come when there is room for them, or a network
        shown = LiveDisplay()
        try:
            self._wait_for(wanted, cluster, shown)
        finally:
            shown.finish()
        self.engines.remember()

    def _wait_for(self, wanted: int, cluster: Any, shown: LiveDisplay) -> None:
        begin = self._clock()
        while len(self.client.ids) < wanted:
            if self._clock() - begin > _SECONDS_IN_SILENCE:
                shown.show(Words(f"waiting for engines: {len(self.client.ids)} of {self.n} are up"))
            came = f"{len(self.client.ids)} of {self.n} engines came up"
            if self._clock() > self._deadline:
                raise TimeoutError(f"only {came} within {self._timeout:g} s{self._see_log()}")
            if not all(map(is_alive, [cluster.controller.process, *self.engines.started()])):
                raise RuntimeError(f"only {came}, and a process of the cluster ended while starting{self._see_log()}")
            if self.engines.are_queued and self.engines.count_jobs() == 0:
                raise RuntimeError(f"only {came}, and no job is in the scheduler's queue any more{self._see_log()}")
            time.sleep(_POLL_SECONDS)

    def _see_log(self) -> str:
        return f"; what the processes wrote is in {self.engines.log_file}"


def _files_of_controller(profile_dir: Path, cluster_id: str) -> list[Path]:
    """What a controller leaves behind: the first always, the others when it is killed before it has cleaned up."""
    connections = [f"security/ipcontroller-{cluster_id}-{side}.json" for side in ("client", "engine")]
    return [profile_dir / name for name in (f"log/engines{cluster_id}.json", *connections)]
