"""The processes of one cluster that this process starts and stops: a controller and its engines."""

import atexit
import contextlib
import logging
import os
import signal
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import psutil

from toolkit.engines.environment import usable_cores
from toolkit.engines.lifetime import parent_environment

_POLL_SECONDS = 0.1
_SECONDS_TO_COME = 60.0
_SECONDS_IN_QUEUE = 86_400.0

# Engines that die faster than this die of something that new ones would die of too.
_MOST_REPLACED = 30
_REPLACED_SECONDS = 60.0

# An idle engine ends within half a second of SIGTERM; one that runs a task would first finish it.
_SECONDS_TO_END = 1.0


class LaunchedCluster:
    """A controller and ``n`` engines, and an ipyparallel client connected to them.

    Parameters
    ----------
    profile_dir
        A profile directory that can be written.
    n
        How many engines to start; None takes the number of the profile's settings, or one per usable core.
    timeout
        How long, in seconds, the controller and all engines, or the first of a scheduler's, may take; None: a minute,
        and a day for a scheduler.
    replace
        Whether engines that die are replaced; those of a scheduler are its own to replace.

    Raises
    ------
    TimeoutError
        Not everything had come after ``timeout`` seconds.
    RuntimeError
        The controller or the engines ended while starting.
    """

    def __init__(self, profile_dir: Path, n: int | None, timeout: float | None, *, replace: bool = True) -> None:
        self._owner = os.getpid()
        self._replacing: threading.Thread | None = None
        self._profile_dir = profile_dir
        self._cluster = _configured_cluster(profile_dir)
        self._timeout = timeout or (_SECONDS_TO_COME if self._are_here else _SECONDS_IN_QUEUE)
        self._deadline = time.monotonic() + self._timeout
        self._log_file = profile_dir / "log" / f"cluster-{self._cluster.cluster_id}.log"
        self._logger = _log_to(self._log_file, self._cluster)
        self._engine_list = (
            profile_dir / "log" / f"engines{self._cluster.cluster_id}.json"
        )  # the controller's, left behind
        self._seen: list[psutil.Process] = []
        self._replaced: deque[float] = deque(maxlen=_MOST_REPLACED)
        self._stopping = threading.Event()
        self.n = n or self._cluster.n or usable_cores()
        self.cluster_id = str(self._cluster.cluster_id)
        self.client: Any = None
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:  # an interrupt from the keyboard too must not leave processes behind
            self.stop(keep_log=True)
            raise
        if replace and self._are_here:
            self._replacing = threading.Thread(target=self._replace, name="engine-replacement", daemon=True)
            self._replacing.start()

    @property
    def replaces(self) -> bool:
        """Whether an engine that died just now will be replaced: asked for, and not given up; or by the scheduler."""
        return not self._are_here or (self._replacing is not None and self._replacing.is_alive())

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
        self._stopping.set()
        if self._replacing is not None:
            self._replacing.join()
        if self.client is not None:
            self.client.close(linger=0)
        _end(list({*self._seen, *self._processes()}))
        if keep_log:
            self._log_output()
        self._cluster.stop_cluster_sync()
        for left in _files_of_controller(self._profile_dir, self.cluster_id):
            left.unlink(missing_ok=True)
        for handler in self._logger.handlers[:]:
            self._logger.removeHandler(handler)
            handler.close()
        if not keep_log:
            self._log_file.unlink(missing_ok=True)

    @property
    def _are_here(self) -> bool:
        """Whether the engines are processes of this machine, rather than jobs of a scheduler."""
        from ipyparallel.cluster.launcher import BatchSystemLauncher

        return not issubclass(self._cluster.engine_launcher_class, BatchSystemLauncher)

    def _start(self) -> None:
        from ipyparallel.cluster.launcher import LocalEngineSetLauncher

        from toolkit.engines.launchers import LocalEngines

        cluster = self._cluster
        if cluster.engine_launcher_class is LocalEngineSetLauncher:
            cluster.engine_launcher_class = LocalEngines
        cluster.start_controller_sync(environment=_environment(cluster.controller_launcher_class, cluster))
        # The controller is here, and does not stand in a queue.
        cluster.controller.connection_info_timeout = self._timeout if self._are_here else _SECONDS_TO_COME
        try:
            cluster.start_engines_sync(self.n, environment=_environment(cluster.engine_launcher_class, cluster))
            self.client = cluster.connect_client_sync(timeout=max(1.0, self._deadline - time.monotonic()))
        except (TimeoutError, RuntimeError) as error:
            raise type(error)(
                f"the controller did not come up within {self._timeout:g} s: {error}{self._see_log()}"
            ) from error
        self._wait_for_engines()

    def _replace(self) -> None:
        """Start a new engine for each that died, until they die faster than anything useful could be done."""
        while not self._stopping.wait(_POLL_SECONDS):
            engines = self._engine_processes()
            dead = [process for process in engines if not _is_alive(process)]
            n_missing = self.n - (len(engines) - len(dead))
            if n_missing <= 0 or not _is_alive(self._cluster.controller.process):
                continue
            now = time.monotonic()
            if len(self._replaced) == _MOST_REPLACED and now - self._replaced[0] < _REPLACED_SECONDS:
                self._logger.warning(
                    "%d engines died within %g s; no more are started", _MOST_REPLACED, _REPLACED_SECONDS
                )
                return
            self._replaced.extend([now] * n_missing)
            try:
                environment = _environment(self._cluster.engine_launcher_class, self._cluster)
                self._cluster.start_engines_sync(n_missing, environment=environment)
            except Exception:
                self._logger.exception("an engine could not be replaced; no more are started")
                return
            self._seen = list({*self._seen, *self._processes()})

    def _engine_processes(self) -> list[psutil.Process]:
        sets = [launcher for engine_set in self._cluster.engines.values() for launcher in _members(engine_set)]
        return [process for launcher in sets if (process := getattr(launcher, "process", None)) is not None]

    def _wait_for_engines(self) -> None:
        wanted = self.n if self._are_here else 1  # a scheduler starts the others when it has room for them
        while len(self.client.ids) < wanted:
            came = f"{len(self.client.ids)} of {self.n} engines came up"
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"only {came} within {self._timeout:g} s{self._see_log()}")
            if not all(map(_is_alive, self._launched())):
                raise RuntimeError(f"only {came}, and a process of the cluster ended while starting{self._see_log()}")
            time.sleep(_POLL_SECONDS)
        # The schedulers of a controller that was killed live on, and could not be found through it later.
        self._seen = self._processes()

    def _see_log(self) -> str:
        return f"; what the processes wrote is in {self._log_file}"

    def _launched(self) -> list[psutil.Process]:
        """Controller and engines, where they are processes of this machine."""
        controller = getattr(self._cluster.controller, "process", None)
        return [*([] if controller is None else [controller]), *self._engine_processes()]

    def _processes(self) -> list[psutil.Process]:
        launched = self._launched()
        for process in list(launched):
            with contextlib.suppress(psutil.NoSuchProcess):
                launched += process.children(recursive=True)
        return launched

    def _log_output(self) -> None:
        launchers = [self._cluster.controller, *self._cluster.engines.values()]
        for launcher in filter(None, launchers):
            self._logger.warning("%s", launcher.get_output())


def _configured_cluster(profile_dir: Path) -> Any:
    import ipyparallel

    # No parent: a notebook's own configuration is not the cluster's. No exit handler of ipyparallel: it prints. No
    # delay between controller and engines: engines are told where the controller listens once it does.
    cluster = ipyparallel.Cluster(
        profile_dir=str(profile_dir), parent=None, log=logging.Logger("cluster"), shutdown_atexit=False, delay=0
    )
    cluster.log.addHandler(logging.NullHandler())
    return cluster


def _log_to(path: Path, cluster: Any) -> logging.Logger:
    """Send what ipyparallel has to say to a file; in a notebook it would go to the cell's output."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger: logging.Logger = cluster.log
    logger.setLevel(logging.INFO)  # at DEBUG the launchers copy every process's output to stderr
    logger.addHandler(handler)
    return logger


def _environment(launcher_class: Any, cluster: Any) -> dict[str, str]:
    configured = launcher_class(parent=cluster, log=cluster.log, profile_dir=cluster.profile_dir).environment
    return {**configured, **parent_environment()}


def _members(engine_set: Any) -> list[Any]:
    return list(getattr(engine_set, "launchers", {}).values()) or [engine_set]


def _files_of_controller(profile_dir: Path, cluster_id: str) -> list[Path]:
    """What a controller leaves behind: the first always, the others when it is killed before it has cleaned up."""
    connections = [f"security/ipcontroller-{cluster_id}-{side}.json" for side in ("client", "engine")]
    return [profile_dir / name for name in (f"log/engines{cluster_id}.json", *connections)]


def _end(processes: list[psutil.Process]) -> None:
    for send in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(send)
        deadline = time.monotonic() + _SECONDS_TO_END
        while time.monotonic() < deadline and (processes := list(filter(_is_alive, processes))):
            time.sleep(_POLL_SECONDS)


def _is_alive(process: psutil.Process) -> bool:
    # An orphan stays a zombie where the first process of a container collects none; psutil would wait for it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
