"""A cluster of engines: started here or by someone else, watched, and stopped without leaving anything behind."""

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from toolkit.arguments import seconds, whole_number
from toolkit.engines.client import connect
from toolkit.engines.executors import Executor, IPyParallelExecutor
from toolkit.engines.keeping import Keeper
from toolkit.engines.launched_cluster import LaunchedCluster
from toolkit.engines.profiles import find_profile, runtime_directory
from toolkit.engines.resources import EngineResources, as_html, as_table
from toolkit.engines.started_engines import StartedEngines

if TYPE_CHECKING:
    import pandas as pd

_IDENTIFY_SECONDS = 2.0
_RESOURCES_SECONDS = 1.0
_LEAST_SECONDS = 0.1

# How long work waits for engines when none is left: a dead engine is reported after 5 s, and a moment later another
# takes its place, unless that stands in a scheduler's queue, or its machine is down.
_SECONDS_WITHOUT_ENGINES = 7.0
_SECONDS_FOR_REPLACEMENT = 120.0
_SECONDS_FOR_MACHINES = 7 * 86_400.0


def check_start(profile: str | os.PathLike[str], n: int | None) -> None:
    """Check what `Cluster.start` is given, before anything is started or written.

    Raises
    ------
    TypeError, ValueError
        There is no such profile, or ``n`` is no number of engines.
    """
    if n is not None:
        _checked(n)
    find_profile(profile)


def _checked(n: object) -> int:
    try:
        return whole_number("n", n, least=1)
    except ValueError as error:
        raise type(error)(f"{error}; it is the number of engines, a notebook's parameter `engines`") from None


class Cluster:
    """Engines that run tasks; made by `Cluster.start` or `Cluster.connect`, and a context manager.

    Examples
    --------
    >>> with Cluster.start("local", n=2) as cluster:  # doctest: +SKIP
    ...     executor = cluster.executor()
    ...     executor.submit(abs, -3).result()
    3

    Leaving the ``with`` block stops a cluster that was started here and disconnects from one that was not.
    """

    def __init__(
        self,
        client: Any,
        description: str,
        cluster_id: str,
        *,
        launched: LaunchedCluster | None = None,
        profile_dir: Path | None = None,
        replace: bool = False,
    ) -> None:
        self._client = client
        self._description = description
        self._launched = launched
        self._joined: StartedEngines | None = None
        self._profile_dir = profile_dir
        self._stopped = False
        self._executors: list[Executor] = []
        self._resources = EngineResources(client)
        self._keeper: Keeper | None = None
        self.cluster_id = cluster_id
        self._resources.ask(_IDENTIFY_SECONDS)
        if launched is not None:
            coming = max(0, launched.n_started - self.n_engines)
            self._keeper = Keeper(
                client, self._resources, launched.engines, launched.n, coming=coming, replace=replace
            ).start()

    @classmethod
    def start(
        cls,
        profile: str | os.PathLike[str] = "local",
        n: int | None = None,
        *,
        timeout: float | None = None,
        replace: bool = True,
    ) -> "Cluster":
        """Start a controller and engines, and connect to them.

        They end with this process, even if it is killed.

        Parameters
        ----------
        profile
            The name of a profile that came with the toolkit (a folder of ``clusters/``), or the path of an ipyparallel
            profile directory.
        n
            How many engines; default: the profile's number, or else one per physical core that this process may use.
        timeout
            How long, in seconds, to wait until all engines are there, or the first of those that a scheduler starts; by
            default a minute, and a day for a scheduler.
        replace
            Whether an engine that dies is replaced by a new one, or a job that ended by another.

        Raises
        ------
        TypeError, ValueError
            An argument is not what it must be; the message says what is allowed.
        NoEnginesError
            The program that starts engines, such as ``sbatch``, is not here.
        TimeoutError
            Something did not come in time; the message says what, and where the logs are.
        RuntimeError
            A process ended while starting; the message says where the logs are.
        """
        if timeout is not None:
            seconds("timeout", timeout, least=_LEAST_SECONDS)
        check_start(profile, n)
        profile_dir = runtime_directory(profile)
        launched = LaunchedCluster(profile_dir, n, timeout)
        description = f"profile {profile_dir.name!r}, started here"
        return cls(launched.client, description, launched.cluster_id, launched=launched, replace=replace)

    @classmethod
    def connect(
        cls,
        profile: str | None = None,
        *,
        profile_dir: str | os.PathLike[str] | None = None,
        cluster_id: str = "",
        connection_file: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
    ) -> "Cluster":
        """Connect to a cluster that someone else started, e.g. with ``ipcluster start --profile-dir=clusters/local``.

        Parameters
        ----------
        profile
            The name of a profile that came with the toolkit; default: ``"local"``.
        profile_dir
            Instead of ``profile``: the path of an ipyparallel profile directory.
        cluster_id
            Which of several clusters of a profile; ``ipcluster start`` gives none, `Cluster.start` makes one up and
            holds it in its attribute ``cluster_id``.
        connection_file
            Instead of all those: the path of the controller's ``ipcontroller-client.json``.
        timeout
            How long, in seconds, to wait for the controller and the first engine.

        Raises
        ------
        TypeError, ValueError
            An argument is not what it must be; the message says what is allowed.
        TimeoutError
            No controller answered in time, or it had no engine.
        """
        seconds("timeout", timeout, least=_LEAST_SECONDS)
        if sum(given is not None for given in (profile, profile_dir, connection_file)) > 1:
            raise ValueError("give only one of profile, profile_dir and connection_file")
        folder: Path | None = None
        if connection_file is None:
            folder = Path(profile_dir) if profile_dir is not None else runtime_directory(profile or "local")
            connection_file = folder / "security" / f"ipcontroller{'-' if cluster_id else ''}{cluster_id}-client.json"
        path = Path(connection_file).absolute()
        client = connect(path, timeout)
        return cls(client, f"connected by {path}", cluster_id, profile_dir=folder)

    @property
    def n_engines(self) -> int:
        """How many engines are registered now; 0 after `stop`."""
        return len(self.ids)

    @property
    def n_wanted(self) -> int:
        """How many engines there are to be: those that were asked for, or of a cluster that someone else keeps, those
        there are."""
        return self.n_engines if self._keeper is None or self._stopped else self._keeper.n

    @property
    def ids(self) -> list[int]:
        """The ids of the engines that are registered now. The id of an engine that died is not used again."""
        return [] if self._stopped else list(self._client.ids)

    def executor(self) -> Executor:
        """Return an executor that runs tasks on these engines; it is closed when the cluster stops.

        Raises
        ------
        RuntimeError
            The cluster was stopped.
        """
        self._check_not_stopped()
        executor = IPyParallelExecutor(self._client, self._patience, self._resources)
        self._executors.append(executor)
        return executor

    def scale(self, n: int) -> None:
        """Have ``n`` engines from now on. Returns at once; work may go on meanwhile.

        Engines that are missing are started as the profile says, and get work as soon as they have joined; where those
        that die are not replaced, until there have been so many at once. Engines too
        many leave, the newest first: they finish the image that they are at (or give it up, if it takes more than 10 s)
        and hand back the others. Of a cluster that someone else started the profile must be known (`connect` by
        ``profile`` or ``profile_dir``); engines started here end with this process.

        Parameters
        ----------
        n
            How many engines; at least 1.

        Raises
        ------
        TypeError, ValueError
            ``n`` is no positive number.
        RuntimeError
            The cluster was stopped, or it is not known how its engines are started.
        """
        n = _checked(n)
        self._check_not_stopped()
        if self._keeper is None:
            if self._profile_dir is None:
                raise RuntimeError(
                    "how to start engines of this cluster is not known; connect to it by profile or profile_dir, or "
                    "start more with `ipcluster engines --profile-dir=… -n …`"
                )
            self._joined = StartedEngines(self._profile_dir, self.cluster_id)
            self._keeper = Keeper(self._client, self._resources, self._joined, self.n_engines, joined=True).start()
        self._keeper.scale(n)

    def resources(self) -> "pd.DataFrame":
        """What the engines are, do and use now; they answer at once, also while they are at work.

        Returns
        -------
        pandas.DataFrame
            One row per engine: ``engine`` (its id), ``host``, ``pid``, ``device`` (``"cpu"`` or ``"cuda:0 NAME"``),
            ``cpu_percent`` (of one core, since it was last asked), ``memory`` (resident, bytes), ``gpu_memory`` (bytes
            in use on its GPU) and ``gpu_load`` (percent), ``doing`` (the image that it is at; empty: nothing),
            ``images`` (finished so far), ``images_per_second`` (in the last half minute), ``threads`` and ``since``
            (when its process was started, UTC).

        Notes
        -----
        An engine that does not answer within a second, because it is stopped or cut off, has no numbers, and
        ``doing`` says so. The controller gives up an engine that is silent for 30 s.
        """
        if self._stopped:
            return as_table([])
        return self._resources.table(_RESOURCES_SECONDS)

    def stop(self) -> None:
        """Stop the engines and the controller if they were started here, else only disconnect. May be called twice."""
        if self._stopped:
            return
        self._stopped = True
        for executor in self._executors:
            executor.close()
        if self._keeper is not None:
            self._keeper.stop()
        if self._joined is not None:
            self._joined.stop()
        if self._launched is not None:
            self._launched.stop()
        else:
            self._client.close(linger=0)

    def _patience(self) -> float:
        """For how many seconds without engines work waits for one."""
        if self._keeper is None or not self._keeper.replaces:
            return _SECONDS_WITHOUT_ENGINES
        return _SECONDS_FOR_MACHINES if self._keeper.may_take_hours else _SECONDS_FOR_REPLACEMENT

    def _check_not_stopped(self) -> None:
        if self._stopped:
            raise RuntimeError("this cluster was stopped; start or connect to another")

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else f"{self.n_engines} engine{'' if self.n_engines == 1 else 's'}"
        return f"<Cluster: {state}; {self._description}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])}</p>{as_html(self.resources())}"
