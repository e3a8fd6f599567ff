"""Segment a catalog: what is asked for, checked, and set to work."""

import functools
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from zarr.storage import MemoryStore

from toolkit import arguments
from toolkit.catalog import Catalog, Owner, Session
from toolkit.catalog.owners import TIME_TO_LIVE
from toolkit.engines import Cluster, InProcessExecutor, NoEnginesError
from toolkit.engines.hosting import Deliveries, Host
from toolkit.engines.inside.retirement import Retirement
from toolkit.models import Model, load_model
from toolkit.runs.driver import Driver, DriverOptions
from toolkit.runs.events import Observer
from toolkit.runs.run import Run
from toolkit.runs.settings import (
    AreaWords,
    ProjectionWords,
    check_column,
    check_model,
    settings_of,
    warn_of_newer_masks,
)
from toolkit.runs.tasks import LabelsBy, Work
from toolkit.runs.worker import segment_batch, segmenter_of
from toolkit.segmentation import Area, Execution, Precision, Projection, Protocol
from toolkit.segmentation.execution import device_of
from toolkit.sources import ReadLimits


def segment(
    catalog: Catalog | str | os.PathLike[str],
    model: Model | str | Path,
    protocol: Protocol | None = None,
    *,
    cluster: Cluster | None = None,
    retry: Literal["failed"] | None = None,
    labels: bool = True,
    labels_by: LabelsBy = "auto",
    soft_composition: bool = False,
    area: AreaWords = None,
    projection: ProjectionWords = None,
    precision: Precision = "float32",
    compile: bool = False,
    batch_size: int | None = None,
    limits: ReadLimits | None = None,
    flush_seconds: float = 5.0,
    image_seconds: float | None = 600.0,
    server_seconds: float = 600.0,
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
    catalog : Catalog, str or path
        The images, and where results go; a path or URL is opened.
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
    area : Area, str, path or mapping, optional
        Which pixels of the images count, in any words that `Area.of` takes: ``{"bottom": 0.1}`` (without the car's
        bonnet), ``"circle"`` (fisheye pictures), the file of a mask, ``{"mask_column": "mask"}`` (a mask per image,
        whose path a covariate holds), ``"opaque"`` (what is not transparent). Compositions and confidence are of that,
        label maps of the whole picture; belongs to the run's settings. An image none of whose pixels counts fails.
    projection : "equirectangular", mapping or Projection, optional
        The images are 360° panoramas: pixels count by the solid angle that they cover, and pictures go on over their
        left and right borders; belongs to the run's settings. An image that is no such panorama (see `Projection.of`)
        fails.
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
    server_seconds : float
        A server of images that cannot be reached is waited for. If others are reached meanwhile, and nothing but its
        images is left, that ends after so many seconds: its images stay pending, for the same call later.
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
    CatalogError
        There is no catalog at the path.
    NoEnginesError
        The cluster has no engines.
    """
    catalog = Catalog.open(catalog) if isinstance(catalog, str | os.PathLike) else catalog
    if not isinstance(catalog, Catalog):
        raise TypeError(f"catalog must be a Catalog, not {catalog!r}; open it with Catalog.open(path)")
    model = load_model(model) if isinstance(model, str | Path) else model
    protocol = Protocol() if protocol is None else protocol
    limits = ReadLimits() if limits is None else limits
    check_model(model, protocol)
    _check_cluster(cluster, model, catalog)
    _check_options(limits, observers)
    arguments.choice("retry", retry, (None, "failed"))
    arguments.choice("labels_by", labels_by, get_args(LabelsBy))
    arguments.flag("soft_composition", soft_composition)
    arguments.seconds("flush_seconds", flush_seconds, least=0.01, most=3600)
    arguments.seconds("server_seconds", server_seconds, least=0)
    arguments.seconds("time_to_live", time_to_live, least=0.5, most=86_400)
    if image_seconds is not None:
        arguments.seconds("image_seconds", image_seconds, least=0.1, most=604_800)
    execution = Execution(precision=precision, compile=compile, batch_size=batch_size)
    area, projection = Area.of(area), Projection.of(projection)
    work = Work(model.source, model.digest, protocol, limits, execution, soft_composition, area, projection)
    settings = settings_of(work, model)
    if not len(catalog):
        raise ValueError(f"{catalog!r} has no images; add some with catalog.add(images)")
    if area is not None and area.mask_column:
        check_column(catalog, area.mask_column)
    # What is given up in this process ends after the call of the network that it is at.
    giving_up = Retirement(grace_seconds=0.0)
    here = Host(giving_up)
    segmenter = None if cluster else segmenter_of(work, model, here)
    session = Session.here(_devices(cluster, model))
    run_id = catalog.start_run(settings, session.origin)
    if area is not None and area.mask_column:
        warn_of_newer_masks(catalog, run_id, area.mask_column)
    executor = cluster.executor() if cluster else InProcessExecutor()
    run = Run(run_id, observers)
    # In this process the model at hand serves; engines load it by its source and compare digests.
    function = functools.partial(segment_batch, segmenter=segmenter, host=here) if segmenter else segment_batch
    options = DriverOptions(
        retry=retry == "failed",
        keep_labels=labels,
        labels_by=labels_by if cluster else "engines",
        flush_seconds=flush_seconds,
        image_seconds=image_seconds if cluster else None,
        server_seconds=server_seconds,
        time_to_live=time_to_live,
        engines_wanted=(lambda: cluster.n_wanted) if cluster else (lambda: 0),
        give_up=giving_up.ask,
    )
    owner = Owner()
    catalog.start_session(run_id, owner, session)
    deliveries = Deliveries(executor, model) if cluster else None
    driver = Driver(catalog, run, work, executor, function, options, owner, deliveries)
    run.start(driver.run, close=executor.close)
    return run


def _devices(cluster: Cluster | None, model: Model) -> list[str]:
    if cluster is None:
        return [f"{socket.gethostname()} {device_of(model)}"]
    table = cluster.resources()
    return [f"{host} {device}" for host, device in zip(table["host"], table["device"], strict=True)]


def _check_cluster(cluster: object, model: Model, catalog: Catalog) -> None:
    if cluster is None:
        return
    if not isinstance(cluster, Cluster):
        raise TypeError(
            f"cluster must be a Cluster or None, not {cluster!r}; start one with Cluster.start('local', n=2)"
        )
    if not cluster.n_engines:
        raise NoEnginesError(
            "the cluster has no engines: it was stopped, or all of them have ended; start one with "
            "Cluster.start('local', n=2), and wait for the run before its `with` block ends"
        )
    if not model.source:
        raise ValueError(f"model {model.name!r} was built by hand, so engines cannot load it; save it as a bundle")
    if isinstance(catalog.store, MemoryStore):
        raise ValueError(  # noqa: TRY004  it is a store, but at a place of no use here
            "catalog lies in this process's memory, where engines cannot write; use a directory"
        )


def _check_options(limits: object, observers: object) -> None:
    if not isinstance(limits, ReadLimits):
        raise TypeError(f"limits must be ReadLimits(max_pixels=…, max_bytes=…), not {limits!r}")
    if not isinstance(observers, Sequence) or not all(map(callable, observers)):
        raise TypeError(f"observers must be a sequence of callables, not {observers!r}")
