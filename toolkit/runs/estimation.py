"""A dry run: how long segmenting a catalog will take and how much it will store, from a few of its images."""

import math
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from humanize import naturalsize
from zarr.storage import MemoryStore

from toolkit import arguments
from toolkit.catalog import PENDING, Catalog, LabelFolder
from toolkit.catalog.format.layout import RESULT_FIELDS
from toolkit.catalog.format.records import RunSettings, list_runs
from toolkit.catalog.format.tables import read_uris
from toolkit.catalog.store.objects import get, keys
from toolkit.models import Model, load_model
from toolkit.runs.settings import AreaWords, ProjectionWords, check_model, settings_of
from toolkit.runs.tasks import Work
from toolkit.segmentation import (
    Area,
    Execution,
    PictureError,
    Precision,
    Projection,
    Protocol,
    Segmenter,
    columns_around,
    is_out_of_memory,
    plan,
)
from toolkit.segmentation.execution import device_of
from toolkit.sources import ReadLimits, SourceError, read_image

_SECONDS_PER_HOUR = 3600
_BYTES_OF_ENGINE = len(socket.gethostname()) + 8  # and ":1234567"


@dataclass(frozen=True)
class Estimate:
    """What segmenting a catalog will take. `estimate` makes these; printed, it is a few plain sentences.

    All totals take every pending image to be like those of the sample that could be segmented.
    """

    model: str
    """Name of the model."""
    protocol: str
    """How it looks at an image, in a few words."""
    device: str
    """Where the sample was segmented, and what the hours are hours of."""
    images: int
    """Images in the catalog."""
    pending: int
    """Images that a run of this model and protocol has still to segment."""
    sampled: int
    """Images that were drawn for the sample, at random among the pending ones."""
    failures: tuple[str, ...]
    """What happened to those of the sample that could not be read or segmented, one sentence each."""
    megapixels: float
    """Pixels of the pending images together, 10⁶."""
    tiles: int
    """Crops of the pending images that the network will see, mirrored ones counted."""
    seconds_per_image: float
    """Mean over the sample of the time that an image took on the device, without reading and writing, seconds."""
    hours: float
    """Time of one such device for all pending images, hours; n devices take about an n-th of it."""
    hours_interval: tuple[float, float]
    """Mean minus and plus two standard errors of that, hours; NaN where fewer than two images were segmented."""
    bytes_results: int
    """Most bytes that compositions and all else that is kept per image take, before compression."""
    bytes_labels: int
    """Bytes of the label maps, as the sample's compress; 0 if none are kept."""
    seconds: tuple[float, ...] = field(default=(), repr=False)
    """What each image of the sample took, seconds."""

    def __str__(self) -> str:
        if not self.pending:
            return f"nothing is pending: {self.model} {self.protocol} has been through all {self.images:,} images"
        low, high = self.hours_interval
        spread = "" if math.isnan(low) else f" ({_duration(low)} to {_duration(high)})"
        lines = [
            f"{self.pending:,} of {self.images:,} images are pending for {self.model} {self.protocol}",
            f"they have about {self.megapixels:,.1f} megapixels, {self.tiles:,} tiles for the network",
            f"on {self.device} an image takes {self.seconds_per_image:.3g} s, all take {_duration(self.hours)}{spread}",
            f"results take at most {_size(self.bytes_results)}, "
            + (f"label maps about {_size(self.bytes_labels)}" if self.bytes_labels else "label maps are not kept"),
            f"measured with {_count(self.sampled - len(self.failures), 'image')} of {self.sampled} that were drawn",
        ]
        if self.failures:
            lines.append(f"{_count(len(self.failures), 'image')} of the sample failed, counted as if like the others:")
            lines += [f"  {message}" for message in self.failures]
        return "\n".join(lines)


def estimate(
    catalog: Catalog,
    model: Model | str,
    protocol: Protocol | None = None,
    *,
    sample: int = 5,
    precision: Precision = "float32",
    compile: bool = False,
    soft_composition: bool = False,
    area: AreaWords = None,
    projection: ProjectionWords = None,
    limits: ReadLimits | None = None,
    labels: bool = True,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Say what `segment` with the same arguments will take, by segmenting a few images here. Writes nothing.

    The sample is segmented image by image; a run lets batches span images and may be somewhat faster. Reading is not
    counted: engines read ahead while the device computes.

    Parameters
    ----------
    catalog : Catalog
        The images.
    model : Model or str
        From `load_model`, or what that takes; measured on the device where it is.
    protocol : Protocol, optional
        Scales, tiles and merging; ``Protocol()`` by default.
    sample : int
        How many pending images are drawn and segmented; one of them twice, the first time to warm up.
    precision, compile, soft_composition, area, projection, limits
        As for `segment`; images that such a run has finished are not pending.
    labels : bool
        Whether label maps will be kept.
    seed : int
        Of the draw.
    clock : callable
        Seconds.

    Returns
    -------
    Estimate
        Images, pixels, tiles, hours and bytes.

    Raises
    ------
    TypeError, ValueError
        An argument is not what it must be; or no image of the sample could be segmented.

    Examples
    --------
    >>> print(estimate(cat, "deeplabv3-mobilenetv2-voc"))  # doctest: +SKIP
    """
    if not isinstance(catalog, Catalog):
        raise TypeError(f"catalog must be a Catalog, not {catalog!r}; open it with Catalog.open(path)")
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
    measured = _Sample(model, work, labels, clock)
    for uri in _uris(catalog, np.sort(drawn)):
        measured.add(uri)
    if drawn.size and not measured.seconds:
        raise ValueError(
            f"none of the {drawn.size} sampled images could be segmented, so nothing can be said: "
            f"{measured.failures[0]}; mend the images, or raise sample={sample}"
        )
    n = int(rows.size)
    low, high = _interval(measured.seconds)
    return Estimate(
        model=model.name,
        protocol=_in_words(protocol),
        device=_device_name(model),
        images=len(catalog),
        pending=n,
        sampled=int(drawn.size),
        failures=tuple(measured.failures),
        megapixels=n * _mean([height * width for height, width in measured.sizes]) / 1e6,
        tiles=round(n * _mean(measured.tiles)),
        seconds_per_image=_mean(measured.seconds),
        hours=n * _mean(measured.seconds) / _SECONDS_PER_HOUR,
        hours_interval=(n * low / _SECONDS_PER_HOUR, n * high / _SECONDS_PER_HOUR),
        bytes_results=n * _bytes_per_image(model.n_classes),
        bytes_labels=round(n * measured.label_bytes_per_image) if labels else 0,
        seconds=tuple(measured.seconds),
    )


class _Sample:
    """Images that are segmented one by one, and what that took."""

    def __init__(self, model: Model, work: Work, labels: bool, clock: Callable[[], float]) -> None:
        self.seconds: list[float] = []
        self.sizes: list[tuple[int, int]] = []
        self.tiles: list[int] = []
        self.failures: list[str] = []
        self._model, self._work, self._labels, self._clock = model, work, labels, clock
        self._label_maps: list[np.ndarray] = []
        self._segmenter = Segmenter(
            model,
            work.protocol,
            execution=work.execution,
            soft_composition=work.soft_composition,
            projection=work.projection,
        )

    def add(self, uri: str) -> None:
        """Read and segment an image; the first one twice, since the first call of a network takes longer."""
        try:
            pixels = read_image(uri, self._work.limits)
            if not self.seconds:
                self._segment(pixels)
            begin = self._clock()
            label_map = self._segment(pixels)
            seconds = self._clock() - begin
        except Exception as error:
            if not (isinstance(error, SourceError | PictureError | ArithmeticError) or is_out_of_memory(error)):
                raise
            self.failures.append(str(error) if isinstance(error, SourceError) else f"{uri}: {error}")
            self._segmenter.reset()
            return
        height, width = pixels.shape[:2]
        protocol, rules = self._work.protocol, self._model.rules
        around = columns_around(height, width, protocol, rules=rules) if self._work.projection else 0
        n_tiles = len(plan(height, width, protocol, rules=rules, around=around))
        self.seconds.append(seconds)
        self.sizes.append((height, width))
        self.tiles.append(2 * n_tiles if self._work.protocol.flip else n_tiles)
        if self._labels:
            self._label_maps.append(label_map)

    @property
    def label_bytes_per_image(self) -> float:
        """Bytes that a label map takes in a catalog: several lie in one array there, too."""
        if not self._label_maps:
            return 0.0
        store = MemoryStore()
        LabelFolder(store, "estimate", 0, block=0, generation=0).write(0, self._label_maps)
        stored = [get(store, key) or b"" for key in keys(store, "") if not key.endswith("zarr.json")]
        return sum(map(len, stored)) / len(self._label_maps)

    def _segment(self, pixels: np.ndarray) -> np.ndarray:
        result = self._segmenter.add(pixels)
        self._segmenter.finish()
        return result.result().labels


def _pending(catalog: Catalog, settings: RunSettings) -> np.ndarray:
    """Rows of the images that a run has still to segment."""
    if settings.run_id not in list_runs(catalog.store):
        return catalog.image_tables().shown
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


def _mean(values: Sequence[float]) -> float:
    return mean(values) if values else 0.0


def _interval(seconds: Sequence[float]) -> tuple[float, float]:
    """Mean minus and plus two standard errors; never below 0."""
    if len(seconds) < 2:
        return math.nan, math.nan
    error = stdev(seconds) / math.sqrt(len(seconds))
    return max(mean(seconds) - 2 * error, 0.0), mean(seconds) + 2 * error


def _device_name(model: Model) -> str:
    device = device_of(model)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _duration(hours: float) -> str:
    """In the unit that people would use."""
    seconds = hours * _SECONDS_PER_HOUR
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if hours < 2 else f"{hours:,.1f} h"


_size = partial(naturalsize, format="%.3g")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
