"""A dry run: how long segmenting a catalog will take and how much it will store, from a few of its images."""

import math
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from toolkit import arguments
from toolkit.catalog import PENDING, Catalog
from toolkit.catalog.format.layout import RESULT_FIELDS
from toolkit.catalog.format.records import RunSettings, list_runs
from toolkit.catalog.format.tables import read_uris
from toolkit.display import LiveDisplay, Words
from toolkit.engines import Cluster
from toolkit.models import Model, load_model
from toolkit.runs.estimates import Estimate
from toolkit.runs.measuring import Costs, Sharing
from toolkit.runs.sampling import Sample
from toolkit.runs.settings import AreaWords, ProjectionWords, check_model, settings_of
from toolkit.runs.tasks import Work
from toolkit.segmentation import Area, Execution, Precision, Projection, Protocol
from toolkit.segmentation.execution import device_of
from toolkit.sources import ReadLimits

_SECONDS_PER_HOUR = 3600
_BYTES_OF_ENGINE = len(socket.gethostname()) + 8  # and ":1234567"


def estimate(
    catalog: Catalog,
    model: Model | str,
    protocol: Protocol | None = None,
    *,
    engines: int | Cluster = 1,
    seconds: float = 30.0,
    sample: int = 20,
    precision: Precision = "float32",
    compile: bool = False,
    soft_composition: bool = False,
    area: AreaWords = None,
    projection: ProjectionWords = None,
    limits: ReadLimits | None = None,
    labels: bool = True,
    seed: int = 0,
    show: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Say what `segment` with the same arguments will take, from a few images and tiles, in half a minute. Writes
    nothing.

    A call of the network is timed on tiles of the sizes that the images will be cut into, and merging on part of an
    image, while as many threads work as there would be engines here; what an image takes follows from its size. Images
    of the sample for which there is time then are segmented as a whole, which corrects that. Loading the model and what
    is compiled once are not counted, nor is reading: engines read ahead while the device computes.

    Parameters
    ----------
    catalog : Catalog
        The images.
    model : Model or str
        From `load_model`, or what that takes; measured on the device where it is.
    protocol : Protocol, optional
        Scales, tiles and merging; ``Protocol()`` by default.
    engines : int or Cluster
        How many engines there will be on this machine, or the engines themselves.
    seconds : float
        How long it may take to find out. It takes longer only if a single call of the network does, or if something is
        compiled.
    sample : int
        How many pending images are drawn and read, if there is time for that.
    precision, compile, soft_composition, area, projection, limits
        As for `segment`; images that such a run has finished are not pending.
    labels : bool
        Whether label maps will be kept.
    seed : int
        Of the draw.
    show : bool
        Whether what is going on is shown meanwhile.
    clock : callable
        Seconds.

    Returns
    -------
    Estimate
        Images, pixels, tiles, hours and bytes.

    Raises
    ------
    TypeError, ValueError
        An argument is not what it must be; or no image of the sample could be read.
    ConnectionError, PermissionError
        The server of the images does not answer, or lets nobody in.

    Examples
    --------
    >>> print(estimate(cat, "deeplabv3-mobilenetv2-voc", engines=4))  # doctest: +SKIP
    """
    if not isinstance(catalog, Catalog):
        raise TypeError(f"catalog must be a Catalog, not {catalog!r}; open it with Catalog.open(path)")
    n_engines = engines.n_engines if isinstance(engines, Cluster) else arguments.whole_number("engines", engines)
    arguments.whole_number("engines", n_engines, least=1)
    seconds = arguments.seconds("seconds", seconds, least=1, most=86_400)
    sample = arguments.whole_number("sample", sample, least=1)
    limits = ReadLimits() if limits is None else limits
    model = load_model(model) if isinstance(model, str | Path) else model
    protocol = Protocol() if protocol is None else protocol
    check_model(model, protocol)
    execution = Execution(precision=precision, compile=compile)
    area, projection = Area.of(area), Projection.of(projection)
    work = Work(model.source, model.digest, protocol, limits, execution, soft_composition, area, projection)
    rows = _pending(catalog, settings_of(work, model))
    drawn = np.random.default_rng(seed).choice(rows, min(sample, rows.size), replace=False)
    sharing = Sharing.of(n_engines, int(rows.size), device_of(model))
    begin = clock()
    found = Estimate(
        model=model.name,
        protocol=_in_words(protocol),
        device=_device_name(model),
        images=len(catalog),
        pending=int(rows.size),
        sampled=0,
        failures=(),
        megapixels=0.0,
        tiles=0,
        seconds_per_image=0.0,
        hours=0.0,
        hours_interval=(math.nan, math.nan),
        bytes_results=int(rows.size) * _bytes_per_image(model.n_classes),
        bytes_labels=0,
        engines=n_engines,
        at_once=sharing.at_once,
        threads=sharing.threads,
        elsewhere=_elsewhere(engines, model) if isinstance(engines, Cluster) else "",
    )
    if not rows.size:
        return found
    with _Shown(show, begin, seconds, clock) as shown, sharing.applied():
        trial = Sample(Costs(model, work, sharing, clock), begin, seconds, clock, shown)
        trial.read(_uris(catalog, drawn), limits)
        trial.measure()
        label_bytes = trial.label_bytes_per_pixel() if labels else 0.0
        return trial.extrapolated(found, label_bytes)


class _Shown:
    """What is going on, in place, while it goes on."""

    def __init__(self, show: bool, begin: float, seconds: float, clock: Callable[[], float]) -> None:
        self._display = LiveDisplay() if show else None
        self._begin, self._seconds, self._clock = begin, seconds, clock

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.finish()

    def __call__(self, words: str) -> None:
        if self._display is not None:
            passed = self._clock() - self._begin
            self._display.show(Words(f"estimating, {passed:.0f} of {self._seconds:.0f} s: {words}"))


def _pending(catalog: Catalog, settings: RunSettings) -> np.ndarray:
    """Rows of the images that a run has still to segment."""
    if settings.run_id not in list_runs(catalog.store):
        return np.arange(len(catalog))
    return np.flatnonzero(catalog.run_results(settings.run_id).status_of_all() == PENDING)


def _uris(catalog: Catalog, rows: np.ndarray) -> list[str]:
    """URIs of some images, in order."""
    tables = catalog.image_tables()
    places = [place for row in rows.tolist() for place in tables.walk(slice(row, row + 1))]
    return [str(uri) for table, part in places for uri in read_uris(catalog.store, table, part)]


def _bytes_per_image(n_classes: int) -> int:
    """Bytes of an image in the arrays that every run has."""
    return sum(
        (_BYTES_OF_ENGINE if field.dtype is str else np.dtype(field.dtype).itemsize)
        * (n_classes if field.per_class else 1)
        for field in RESULT_FIELDS
        if not field.optional
    )


def _in_words(protocol: Protocol) -> str:
    scales = ", ".join(f"{scale:g}" for scale in protocol.scales)
    return f"at scale{'s' * (len(protocol.scales) > 1)} {scales}{', mirrored too' * protocol.flip}"


def _device_name(model: Model) -> str:
    device = device_of(model)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _elsewhere(cluster: Cluster, model: Model) -> str:
    """The devices of engines that are not like what is measured here."""
    table = cluster.resources()
    here, kind = socket.gethostname(), device_of(model).type
    others = table[(table["host"] != here) | ~table["device"].str.startswith(kind)]
    pairs = zip(others["host"], others["device"], strict=True)
    return ", ".join(sorted({f"{host} ({device})" for host, device in pairs}))
