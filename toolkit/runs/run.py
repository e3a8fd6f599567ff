"""Segment a catalog: the call, and the handle it returns."""

import functools
import socket
import threading
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from zarr.storage import MemoryStore

from toolkit.catalog import Catalog, Owner, RunSettings, Session
from toolkit.catalog.owners import TIME_TO_LIVE
from toolkit.display import LiveDisplay
from toolkit.engines import Cluster, Executor, InProcessExecutor, NoEnginesError
from toolkit.models import Model, load_model
from toolkit.runs.delivery import Deliveries
from toolkit.runs.driver import Driver, DriverOptions
from toolkit.runs.events import Event, Observer, RunEnded
from toolkit.runs.progress import Progress, ProgressCounter
from toolkit.runs.tasks import LabelsBy, Work
from toolkit.runs.worker import segment_batch, segmenter_of
from toolkit.segmentation import NUMERICS_VERSION, Execution, Precision, Protocol
from toolkit.segmentation.execution import device_of
from toolkit.sources import ReadLimits


class RunError(RuntimeError):
    """A run stopped before its end; what was finished is in the catalog, and the same call goes on from there."""


class Run:
    """A run in progress, or one that ended. `segment` makes these.

    The work goes on in a thread. In Jupyter the object displays its progress and keeps that display true.

    Attributes
    ----------
    id : str
        The run's id in the catalog.
    """

    def __init__(self, run_id: str, executor: Executor, observers: Sequence[Observer]) -> None:
        self.id = run_id
        self._executor = executor
        self._counter = ProgressCounter(run_id)
        self._observers = list(observers)
        self._displays: list[LiveDisplay] = []
        self._cancelled = threading.Event()
        self._error: BaseException | None = None
        # Not Thread.join: when that is interrupted, Python 3.11 takes the thread for ended.
        self._ended = threading.Event()

    @property
    def progress(self) -> Progress:
        """How far the run is: state, total, done, failed, pending, images_per_second, …"""
        progress = self._counter.progress()
        cancelling = self._cancelled.is_set() and not progress.ended
        return replace(progress, state="cancelling") if cancelling else progress

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end, showing the progress. An interrupt cancels the run, cleanly.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        RunError
            An error stopped the run; its cause is attached.
        TimeoutError
            The run goes on after ``timeout`` seconds. It is not cancelled by that.
        KeyboardInterrupt
            After what was in progress has been finished and written.
        """
        if not self._displays:
            self._add_display()
        try:
            ended = self._ended.wait(timeout)
        except KeyboardInterrupt:
            self.cancel()
            self._ended.wait()
            raise
        if not ended:
            raise TimeoutError(f"run {self.id} goes on after {timeout:g} seconds: {self.progress}")
        if self._error is not None:
            raise RunError(
                f"run {self.id} stopped: {self._error}\nWhat was finished is in the catalog; "
                "mend the cause and make the same call again to go on."
            ) from self._error

    def cancel(self) -> None:
        """Begin nothing new. What is in progress is finished and written; `wait` tells when that has happened."""
        self._cancelled.set()
        self._refresh()

    def start(self, driver: Driver) -> None:
        """Set a driver to work."""
        threading.Thread(target=self._drive, args=(driver,), name=f"run-{self.id}").start()
        # A script may end without wait(). Thread pools close before the threads that use them have ended, unless
        # somebody waits first; what is registered last is called first.
        threading._register_atexit(_wait_at_exit, weakref.ref(self))  # type: ignore[attr-defined]

    def emit(self, event: Event) -> None:
        """Tell everyone; an observer that raises is told nothing more, and the run goes on."""
        self._counter(event)
        for observer in list(self._observers):
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - hours of work must not end for a broken observer
                self._observers.remove(observer)
                warnings.warn(f"observer {observer!r} raised {error!r} and is not called any more", stacklevel=1)
        self._refresh()

    @property
    def ended(self) -> bool:
        """Whether nothing goes on any more."""
        return self._ended.is_set()

    @property
    def cancelled(self) -> threading.Event:
        """Set once the run was asked to stop."""
        return self._cancelled

    def _drive(self, driver: Driver) -> None:
        try:
            driver.run()
        except BaseException as error:  # noqa: BLE001 - raised again by wait()
            self._error = error
            if not self._displays:
                warnings.warn(f"run {self.id} stopped: {error!r}; its wait() tells more", stacklevel=1)
            self.emit(RunEnded("stopped", (str(error) or repr(error)).splitlines()[0]))
        else:
            self.emit(RunEnded("cancelled" if self._cancelled.is_set() else "finished"))
        finally:
            self._executor.close()
            self._ended.set()

    def _add_display(self) -> None:
        self._displays.append(LiveDisplay())
        self._refresh()

    def _refresh(self) -> None:
        progress = self.progress
        for display in list(self._displays):
            try:
                display.show(progress)
                if progress.ended:
                    display.finish()
            except OSError:  # whoever was watching the terminal has closed it
                self._displays.remove(display)

    def _ipython_display_(self) -> None:
        self._add_display()

    def __repr__(self) -> str:
        return f"<{self.progress}>"


def _wait_at_exit(reference: "weakref.ref[Run]") -> None:
    run = reference()
    if run is not None and not run.ended:
        run.wait()


def segment(
    catalog: Catalog,
    model: Model | str,
    protocol: Protocol | None = None,
    *,
    cluster: Cluster | None = None,
    retry: Literal["failed"] | None = None,
    labels: bool = True,
    labels_by: LabelsBy = "auto",
    soft_composition: bool = False,
    precision: Precision = "float32",
    compile: bool = False,
    batch_size: int | None = None,
    limits: ReadLimits | None = None,
    flush_seconds: float = 5.0,
    image_seconds: float | None = 600.0,
    time_to_live: float = TIME_TO_LIVE,
    observers: Sequence[Observer] = (),
) -> Run:
    """Segment the images of a catalog that this model and protocol have not segmented yet.

    Returns at once; the work goes on in the background and every finished image is in the catalog within seconds. The
    same call after a crash, a cancellation or new images goes on where the last one ended. The same call from another
    notebook or machine at the same time shares the work: each image is segmented by one of them, and what one leaves
    when it dies is taken over by the others.

    Parameters
    ----------
    catalog : Catalog
        The images, and where results go.
    model : Model or str
        From `load_model`, or what that takes.
    protocol : Protocol, optional
        Scales, tiles and merging; ``Protocol()`` by default.
    cluster : Cluster, optional
        The engines that do the work; this process if left out.
    retry : "failed", optional
        Work on the images that failed before, and on no others.
    labels : bool
        Whether label maps are kept, beside the compositions.
    labels_by : "auto", "engines" or "driver"
        Who writes them into the catalog. An engine that sees the catalog writes them itself; from one that does not, as
        on a machine with no shared file system, they come compressed to this process, which writes them. ``"engines"``
        and ``"driver"`` have it one way for all.
    soft_composition : bool
        Whether the mean class probability of each image is kept too; belongs to the run's settings.
    precision : str
        Arithmetic inside the network: ``"float32"``, ``"bfloat16"``, and on GPUs ``"tf32"`` and ``"float16"``; belongs
        to the run's settings.
    compile : bool
        Whether engines compile the network (``torch.compile``); belongs to the run's settings.
    batch_size : int, optional
        Tiles per call of the network; by default each engine finds the best.
    limits : ReadLimits, optional
        Caps on bytes and pixels of an image; larger ones fail as ``too_large``.
    flush_seconds : float
        Finished work is on disk after that many seconds.
    image_seconds : float, optional
        An engine that gets no further for so long, be it with a file or with one call of the network, ends itself; an
        image with which that happens three times fails as ``timeout``. None: engines are waited for. Without a cluster
        nothing is ended.
    time_to_live : float
        Seconds without a sign of life (this process stopped, or cut off from the catalog) after which other drivers
        may take over what this one works on.
    observers : sequence of callables
        Called with every event of the run (`toolkit.runs.events`), in its thread.

    Returns
    -------
    Run
        Its handle; displays itself in Jupyter.

    Raises
    ------
    TypeError, ValueError
        An argument is not what it must be; nothing was begun.
    NoEnginesError
        The cluster has no engines.
    """
    if not isinstance(catalog, Catalog):
        raise TypeError(f"catalog must be a Catalog, not {catalog!r}; open it with Catalog.open(path)")
    model = load_model(model) if isinstance(model, str | Path) else model
    protocol = Protocol() if protocol is None else protocol
    limits = ReadLimits() if limits is None else limits
    check_model(model, protocol)
    _check_cluster(cluster, model, catalog)
    _check_options(retry, limits, observers, labels_by)
    _check_seconds("flush_seconds", flush_seconds, least=0.01, most=3600.0)
    _check_seconds("time_to_live", time_to_live, least=0.5, most=86400.0)
    if image_seconds is not None:
        _check_seconds("image_seconds", image_seconds, least=0.1, most=604800.0)
    if not isinstance(soft_composition, bool):
        raise TypeError(f"soft_composition must be True or False, not {soft_composition!r}")
    execution = Execution(precision=precision, compile=compile, batch_size=batch_size)
    work = Work(model.source, model.digest, protocol, limits, execution, soft_composition)
    settings = settings_of(work, model)
    if not len(catalog):
        raise ValueError(f"{catalog!r} has no images; add some with catalog.add(images)")
    segmenter = None if cluster else segmenter_of(work, model)
    session = Session.here(_devices(cluster, model))
    run_id = catalog.start_run(settings, session.origin)
    executor = cluster.executor() if cluster else InProcessExecutor()
    run = Run(run_id, executor, observers)
    # In this process the model at hand serves; engines load it by its source and compare digests.
    function = functools.partial(segment_batch, segmenter=segmenter) if segmenter else segment_batch
    options = DriverOptions(
        retry=retry == "failed",
        keep_labels=labels,
        labels_by=labels_by if cluster else "engines",
        flush_seconds=flush_seconds,
        image_seconds=image_seconds if cluster else None,
        time_to_live=time_to_live,
    )
    owner = Owner()
    catalog.start_session(run_id, owner, session)
    deliveries = Deliveries(executor, model) if cluster else None
    run.start(Driver(catalog, run_id, work, executor, function, options, run.emit, run.cancelled, owner, deliveries))
    return run


def _devices(cluster: Cluster | None, model: Model) -> list[str]:
    if cluster is None:
        return [f"{socket.gethostname()} {device_of(model)}"]
    table = cluster.resources()
    return [f"{host} {device}" for host, device in zip(table["host"], table["device"], strict=True)]


def settings_of(work: Work, model: Model) -> RunSettings:
    """What a run of this work is known by in a catalog."""
    return RunSettings(
        model=model.name,
        model_digest=model.digest,
        class_names=model.class_names,
        protocol=work.protocol.to_dict(),
        options=_options(work),
        numerics_version=NUMERICS_VERSION,
        palette=model.palette,
    )


def _options(work: Work) -> dict[str, bool | str]:
    """What of a run's work besides model and protocol decides its results, where it is not as usual."""
    options: dict[str, bool | str] = {}
    if work.execution.precision != "float32":
        options["precision"] = work.execution.precision
    if work.execution.compile:
        options["compile"] = True
    if work.soft_composition:
        options["soft_composition"] = True
    return options


def check_model(model: object, protocol: object) -> None:
    """Refuse what is no model or no protocol, or a model that results could not be told by."""
    if not isinstance(model, Model):
        raise TypeError(f"model must be a Model or the name of one, not {model!r}")
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol, not {protocol!r}")
    if not model.digest:
        raise ValueError(
            f"model {model.name!r} has no digest, so its results could not be told from another's; set one"
        )


def _check_cluster(cluster: object, model: Model, catalog: Catalog) -> None:
    if cluster is None:
        return
    if not isinstance(cluster, Cluster):
        raise TypeError(
            f"cluster must be a Cluster or None, not {cluster!r}; start one with Cluster.start('local', n=2)"
        )
    if not cluster.n_engines:
        raise NoEnginesError("the cluster has no engines")
    if not model.source:
        raise ValueError(f"model {model.name!r} was built by hand, so engines cannot load it; save it as a bundle")
    if isinstance(catalog.store, MemoryStore):
        raise ValueError(  # noqa: TRY004  it is a store, but at a place of no use here
            "catalog lies in this process's memory, where engines cannot write; use a directory"
        )


def _check_options(retry: object, limits: object, observers: object, labels_by: object) -> None:
    if retry not in (None, "failed"):
        raise ValueError(f"retry must be None or 'failed', not {retry!r}")
    if labels_by not in get_args(LabelsBy):
        raise ValueError(f"labels_by must be one of {get_args(LabelsBy)}, not {labels_by!r}")
    if not isinstance(limits, ReadLimits):
        raise TypeError(f"limits must be ReadLimits(max_pixels=…, max_bytes=…), not {limits!r}")
    if not isinstance(observers, Sequence) or not all(map(callable, observers)):
        raise TypeError(f"observers must be a sequence of callables, not {observers!r}")


def _check_seconds(name: str, value: object, *, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must lie in [{least:g}, {most:g}], not {value!r}")
