"""Engines that this process starts and stops, by the launcher that a profile names."""

import contextlib
import logging
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil

from toolkit.engines.environment import engine_environment
from toolkit.engines.executors.interface import NoEnginesError
from toolkit.engines.lifetime import parent_environment
from toolkit.processes import end, is_alive

SECONDS_BETWEEN_QUESTIONS = 30.0
"""A scheduler is not asked for its jobs more often, nor sooner after it was given some."""

# An idle engine ends within half a second of SIGTERM; one that runs a task would first finish its image.
_SECONDS_TO_END = 1.0


class StartedEngines:
    """Engines of one profile, started a few at a time.

    Parameters
    ----------
    profile_dir
        A profile directory that can be written.
    cluster_id
        Which controller they join: that of a cluster which runs already. None: one that is started here, with a new id.

    Raises
    ------
    ValueError
        The profile's settings cannot be used; the message says why.
    NoEnginesError
        The program that starts engines, such as ``sbatch``, is not here.
    """

    def __init__(self, profile_dir: Path, cluster_id: str | None = None) -> None:
        from ipyparallel.cluster.launcher import LocalEngineSetLauncher

        from toolkit.engines.launchers.local import LocalEngines

        _check_settings(profile_dir)
        self.profile_dir = profile_dir
        self.cluster = _configured_cluster(profile_dir, cluster_id)
        if self.cluster.engine_launcher_class is LocalEngineSetLauncher:
            self.cluster.engine_launcher_class = LocalEngines
        self.log_file = profile_dir / "log" / f"cluster-{self.cluster.cluster_id}.log"
        self.logger = _log_to(self.log_file, self.cluster)
        self.cluster_id = str(self.cluster.cluster_id)
        self._remembered: set[psutil.Process] = set()
        self._asked: float = -math.inf
        self._n_jobs: int | None = None

    @property
    def are_here(self) -> bool:
        """Whether the engines are processes of this machine, rather than of others or jobs of a scheduler."""
        from ipyparallel.cluster.launcher import LocalEngineSetLauncher, SSHLauncher

        launcher = self.cluster.engine_launcher_class
        return issubclass(launcher, LocalEngineSetLauncher) and not issubclass(launcher, SSHLauncher)

    @property
    def are_queued(self) -> bool:
        """Whether the engines are jobs of a scheduler, which may let them wait for hours."""
        from ipyparallel.cluster.launcher import BatchSystemLauncher

        return issubclass(self.cluster.engine_launcher_class, BatchSystemLauncher)

    def count_jobs(self) -> int | None:
        """How many of the engines that were started are jobs that run or stand in the queue, as the scheduler said
        lately; None: it did not."""
        from toolkit.engines.launchers.jobs import count_engines

        if time.monotonic() - self._asked >= SECONDS_BETWEEN_QUESTIONS:
            self._asked, self._n_jobs = time.monotonic(), None
            try:
                engines = count_engines(self.cluster.engine_launcher_class)
                self._n_jobs = sum(min(int(each.n), engines[each.job_id]) for each in self.cluster.engines.values())
            except (OSError, KeyError, subprocess.SubprocessError) as error:
                self.logger.warning("the scheduler does not say which jobs there are: %r", error)
        return self._n_jobs

    def start_engines(self, n: int, among: int) -> int:
        """Start ``n`` more engines; returns when they are processes, or stand in a scheduler's queue.

        Parameters
        ----------
        n
            How many.
        among
            How many there will be, with those; where they share this machine's cores.

        Returns
        -------
        int
            How many were started: fewer, where some of several machines cannot be reached.

        Raises
        ------
        Exception
            Whatever kept all of them from being started.
        """
        shared = engine_environment(among) if self.are_here else {}
        environment = shared | self.environment(self.cluster.engine_launcher_class)
        self._forget_the_dead()
        known = set(self.cluster.engines)
        try:
            name = self.cluster.start_engines_sync(n, environment=environment)
        except BaseException:
            for failed in set(self.cluster.engines) - known:  # ipyparallel keeps it
                del self.cluster.engines[failed]
            raise
        self.remember()
        self._asked, self._n_jobs = time.monotonic(), None  # what the scheduler said does not hold any more
        return int(getattr(self.cluster.engines[name], "n", n))

    def environment(self, launcher_class: Any) -> dict[str, str]:
        """Environment of what a launcher starts: that of the profile, and what binds it to this process."""
        cluster = self.cluster
        configured = launcher_class(parent=cluster, log=cluster.log, profile_dir=cluster.profile_dir).environment
        return {**configured, **parent_environment(), "IPYTHON_SUPPRESS_CONFIG_ERRORS": "0"}

    def check_program(self) -> None:
        """Say what is missing before anything is started.

        Raises
        ------
        NoEnginesError
            The program that starts engines, such as ``sbatch``, is not here.
        """
        cluster = self.cluster
        launcher = cluster.engine_launcher_class(parent=cluster, log=cluster.log, profile_dir=cluster.profile_dir)
        command = getattr(launcher, "submit_command", None) or getattr(launcher, "ssh_cmd", None)
        path = launcher.environment.get("PATH", os.environ.get("PATH"))
        if command and shutil.which(command[0], path=path) is None:
            raise NoEnginesError(
                f"profile {self.profile_dir.name!r} starts engines with `{command[0]}`, which is not on the PATH "
                "of this machine: run this where it is, say on a login node, perhaps after `module load …`; "
                "or choose another profile, such as 'local' for engines on this machine"
            )

    def living(self) -> list[psutil.Process]:
        """The engines that were started as processes of this machine and live."""
        return list(filter(is_alive, self.started()))

    def started(self) -> list[psutil.Process]:
        """Every engine that was started as a process of this machine, alive or dead."""
        sets = [launcher for engine_set in self.cluster.engines.values() for launcher in _members(engine_set)]
        return [process for launcher in sets if (process := getattr(launcher, "process", None)) is not None]

    def _forget_the_dead(self) -> None:
        """In weeks of replacing they would be many."""
        self._remembered = set(filter(is_alive, self._remembered))
        for name, engine_set in list(self.cluster.engines.items()):
            launchers = getattr(engine_set, "launchers", None)
            if launchers is None:
                continue
            for identifier, launcher in list(launchers.items()):
                process = getattr(launcher, "process", None)
                if process is not None and not is_alive(process):
                    del launchers[identifier]
            if not launchers:
                del self.cluster.engines[name]

    def _left_behind(self) -> list[psutil.Process]:
        """What a controller or engine has started in the moment in which it was ended: it is in its process group."""
        groups, found = {process.pid for process in self._remembered | set(self.started())}, []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                ours = os.getpgid(process.pid) in groups and process.environ().get("IPP_CLUSTER_ID") == self.cluster_id
                if ours and is_alive(process):
                    found.append(process)
        return found

    def places(self) -> set[str]:
        """The names of the places on other machines in which engines were started."""
        return {place for each in self.cluster.engines.values() for place in getattr(each, "launchers", {})}

    def end_at(self, places: Collection[str]) -> None:
        """End what may be left of engines of other machines, by the names of their places, which are free then."""
        for engine_set in list(self.cluster.engines.values()):
            for place in getattr(engine_set, "launchers", {}).keys() & places:
                try:
                    engine_set.launchers.pop(place).signal(signal.SIGKILL)
                except Exception as error:  # noqa: BLE001  it has ended, or its machine is out of reach
                    self.logger.info("nothing was ended at %s: %r", place, error)

    def remember(self) -> None:
        """Note all processes of this machine that are to end with the cluster, as long as they can be found: the
        schedulers of a controller that was killed live on."""
        controller = getattr(self.cluster.controller, "process", None)
        for process in [*([] if controller is None else [controller]), *self.started()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._remembered |= {process, *process.children(recursive=True)}

    def stop(self, keep_log: bool = False) -> None:
        """End all that was started here.

        Parameters
        ----------
        keep_log
            Leave the log, with the last output of every process in it.
        """
        self.remember()
        end(self._remembered, _SECONDS_TO_END)
        end(self._left_behind(), _SECONDS_TO_END)
        if keep_log:
            for launcher in filter(None, [self.cluster.controller, *self.cluster.engines.values()]):
                self.logger.warning("%s", launcher.get_output())
        try:
            self.cluster.stop_cluster_sync()
        except Exception:  # such as a machine that is out of reach: its engines end by themselves
            self.logger.exception("not all engines could be stopped")
        for handler in self.logger.handlers[:]:
            self.logger.removeHandler(handler)
            handler.close()
        if not keep_log:
            self.log_file.unlink(missing_ok=True)


def _check_settings(profile_dir: Path) -> None:
    """ipyparallel would go on without settings that raise an error, and start something else than was meant."""
    from traitlets.config.loader import PyFileConfigLoader

    file = profile_dir / "ipcluster_config.py"
    if not file.exists():
        return
    try:
        PyFileConfigLoader(file.name, path=str(profile_dir)).load_config()
    except Exception as error:
        raise ValueError(f"the settings in {file} cannot be used: {error}") from error


def _configured_cluster(profile_dir: Path, cluster_id: str | None) -> Any:
    import ipyparallel

    # No parent: a notebook's own configuration is not the cluster's. No exit handler of ipyparallel: it prints. No
    # delay between controller and engines: engines are told where the controller listens once it does.
    options: dict[str, Any] = {"parent": None, "log": logging.Logger("cluster"), "shutdown_atexit": False, "delay": 0}
    if cluster_id is not None:  # beside the file by which its owner knows it
        options |= {
            "cluster_id": cluster_id,
            "cluster_file": str(profile_dir / "log" / f"joined-{time.time_ns()}.json"),
        }
    cluster = ipyparallel.Cluster(profile_dir=str(profile_dir), **options)
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


def _members(engine_set: Any) -> list[Any]:
    return list(getattr(engine_set, "launchers", {}).values()) or [engine_set]
