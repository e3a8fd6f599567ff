"""What travels between a driver and its engines: small frozen records, never pixels."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from toolkit.catalog import LabelFolder
from toolkit.engines.hosting import LacksModel
from toolkit.segmentation import Area, Execution, Looks, Projection, Protocol
from toolkit.sources import ReadLimits

LabelsBy = Literal["auto", "engines", "driver"]


@dataclass(frozen=True)
class Work:
    """What stays the same for all images of a run."""

    model_source: str
    """What ``load_model`` takes."""
    model_digest: str
    """sha256 that the loaded model must have."""
    protocol: Protocol
    """The numerics."""
    limits: ReadLimits
    """Caps on bytes and pixels of an image."""
    execution: Execution = field(default_factory=Execution)
    """Precision, compilation, batch size."""
    soft_composition: bool = False
    """Whether mean class probabilities are computed too."""
    area: Area | None = None
    """Which pixels count; None: all."""
    projection: Projection | None = None
    """How the images show the world; None: as flat pictures."""


@dataclass(frozen=True)
class Task:
    """A batch of images for one engine."""

    work: Work
    """Model, protocol and limits."""
    rows: tuple[int, ...]
    """Rows of the images in their table."""
    uris: tuple[str, ...]
    """URI of each image."""
    labels: LabelFolder
    """The block that the images belong to, and where their label maps go."""
    first_part: int
    """The first of ``len(rows)`` numbers that are this task's own, for the arrays it writes."""
    seconds: float
    """After this long the engine begins no further image, and comes back with those it has."""
    keep_labels: bool = True
    """Whether label maps are written."""
    tries: int = 0
    """How often an engine died while it worked on this image alone."""
    driver: str = ""
    """Name of the driver that claimed the block; an engine that finds it in the catalog writes label maps itself."""
    labels_by: LabelsBy = "auto"
    """Who writes label maps; ``"auto"``: the engine where it sees the catalog, else the driver."""
    image_seconds: float | None = None
    """An engine that gets no further for so long ends itself; None: it does not."""
    masks: tuple[str, ...] = ()
    """URI of each image's own mask, ``""`` where it has none; empty if the run asks for no such masks."""

    def split(self, n: int) -> "tuple[Task, Task | None]":
        """Its first ``n`` images and the others; None if there are no others."""
        if n >= len(self.rows):
            return self, None
        others = self.of(slice(n, None), self.first_part + n)
        return self.of(slice(0, n), self.first_part), others

    def of(self, which: slice, first_part: int) -> "Task":
        """The same of some of its images."""
        return replace(
            self, rows=self.rows[which], uris=self.uris[which], masks=self.masks[which], first_part=first_part
        )


@dataclass(frozen=True)
class ImageOutcome:
    """What became of one image."""

    row: int
    """Its row in the table of images."""
    started: int
    """When work on it began, milliseconds since 1970-01-01 UTC."""
    seconds: float
    """How long segmenting took, without waiting for the file."""
    error: str = ""
    """Code from the error vocabulary; empty if it is done."""
    message: str = ""
    """What happened, naming the file; empty if it is done."""
    composition: np.ndarray | None = field(default=None, repr=False)
    """float32 ``(n_classes,)``; None if it failed."""
    confidence: float = float("nan")
    """Mean over the pixels of the greatest class probability."""
    soft_composition: np.ndarray | None = field(default=None, repr=False)
    """float32 ``(n_classes,)``; None unless it was asked for."""
    height: int = 0
    """Pixels."""
    width: int = 0
    """Pixels."""
    label_place: int = -1
    """Where its label map lies (`LabelPlace.packed`); -1 if none was kept."""
    valid_fraction: float = float("nan")
    """Share of the picture that counts."""
    looks: Looks | None = None
    """What was noticed of the picture; None if it failed."""


@dataclass(frozen=True)
class PackedLabels:
    """Some images' label maps, one after the other, compressed."""

    part: int
    """Number of the array that they shall make."""
    rows: tuple[int, ...]
    """The images' rows."""
    dtype: str
    """``"uint8"`` or ``"uint16"``."""
    content: bytes = field(repr=False)
    """See `toolkit.runs.packing`."""


@dataclass(frozen=True)
class BatchOutcome:
    """What became of a task's images."""

    engine: str
    """Who did it, as ``host:pid``."""
    seconds: float
    """How long the engine was at it, reading included."""
    images: tuple[ImageOutcome, ...]
    """One for each row of the task that it got to, from the first on."""
    unreachable: str = ""
    """Why the engine got no further: which server does not answer; empty otherwise."""
    lacks_model: LacksModel | None = None
    """Why it did not begin: it cannot load the model."""
    packed: tuple[PackedLabels, ...] = field(default=(), repr=False)
    """Label maps that the driver is to write."""


@dataclass(frozen=True)
class LabelMap:
    """Where one label map lies, and its size."""

    row: int
    """The image's row in its table."""
    place: int
    """`LabelPlace.packed`."""
    height: int
    """Pixels."""
    width: int
    """Pixels."""


@dataclass(frozen=True)
class FoldTask:
    """Label maps of one block that are to be brought into one array."""

    labels: LabelFolder
    """The block, and where its label maps lie."""
    part: int
    """Number of the new array."""
    label_maps: tuple[LabelMap, ...]
    """The label maps, in the order that they shall have."""
    driver: str
    """Name of the driver that claimed the block, see `Task.driver`; empty where the catalog is in reach for sure."""


@dataclass(frozen=True)
class FoldOutcome:
    """Where the label maps lie now; the old arrays are still there."""

    label_maps: tuple[LabelMap, ...] | None
    """Those of the task; None if the catalog is out of reach from there."""
