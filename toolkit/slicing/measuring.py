"""What is measured of a cut in one of the ways: label maps, times and memory; and how right the label maps are."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from toolkit.evaluation import ConfusionMatrix
from toolkit.slicing.cuts import Cut, near_seams
from toolkit.slicing.labelled_images import LabelledImage, LabelledImages
from toolkit.slicing.peak_memory import PeakMemory, peak_memory
from toolkit.slicing.ways import SlicedSegmenter, Way


@dataclass(eq=False)
class Trial:
    """A cut and a way, tried on images one after another."""

    cut: Cut
    """How images are cut."""
    way: Way
    """How slices go through the network."""
    segmenter: SlicedSegmenter
    """Does both."""
    clock: Callable[[], float]
    """Seconds."""
    on_run: Callable[[], None]
    """Called whenever an image was segmented."""
    labels: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint8))
    """The label map of the newest image."""
    seconds: list[float] = field(default_factory=list)
    """Of each image, from pixels in memory to a label map."""
    least_agreement: float = 1.0
    """Least share of an image's pixels that have another way's label."""

    def measure_memory(self, images: LabelledImages, device: torch.device) -> PeakMemory:
        """Measure what the largest image takes at the peak, once what is set up for each size is there."""
        for image in images.one_of_each_size:
            self._segment(image.pixels)
        return peak_memory(lambda: self._segment(images.largest.pixels), device)

    def run(self, pixels: np.ndarray) -> None:
        """Segment an image, and keep its label map and its time."""
        begin = self.clock()
        self.labels = self._segment(pixels)
        self.seconds.append(self.clock() - begin)

    def compare(self, labels: np.ndarray) -> None:
        """Compare the label map that was kept with another way's."""
        self.least_agreement = min(self.least_agreement, float(np.mean(self.labels == labels)))

    def _segment(self, pixels: np.ndarray) -> np.ndarray:
        labels = self.segmenter.segment(pixels).labels
        self.on_run()
        return labels


@dataclass
class Share:
    """A share of pixels, summed over images."""

    part: int = 0
    """Pixels for which something holds."""
    whole: int = 0
    """Pixels that it could hold for."""

    @property
    def value(self) -> float:
        """In [0, 1]; NaN of nothing."""
        return self.part / self.whole if self.whole else float("nan")

    def add(self, holds: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> None:
        """Count pixels of one image."""
        self.part += int(np.count_nonzero(holds & among))
        self.whole += int(np.count_nonzero(among))


@dataclass(eq=False)
class Quality:
    """How right the label maps of images that are cut into one grid are."""

    slices: tuple[int, int]
    """(rows, columns) of the grid."""
    border_width: int
    """Pixels on each side of a seam that are near it."""
    labelled: LabelledImages
    """Says what is compared with what."""
    border: Share = field(default_factory=Share)
    """Wrong pixels among those near the seams."""
    border_unsliced: Share = field(default_factory=Share)
    """Wrong pixels in the same places of images that are not cut."""
    interior: Share = field(default_factory=Share)
    """Wrong pixels among the others."""
    agreement: Share = field(default_factory=Share)
    """Pixels with the label that they have without slices."""

    def __post_init__(self) -> None:
        n_classes = self.labelled.n_classes
        # A column more, for classes of the model that are none of those evaluated.
        self.confusion = ConfusionMatrix(n_classes, self.labelled.uncounted, n_predicted=n_classes + 1)

    def add(self, image: LabelledImage, labels: np.ndarray, unsliced: np.ndarray) -> None:
        """Count one image, given the model's label maps ``(height, width)`` with and without slices."""
        target = image.target
        prediction = self.labelled.evaluated(labels)
        self.confusion.update(prediction, target)
        counted = target != self.labelled.uncounted
        height, width = target.shape
        near = near_seams(height, width, self.slices, self.border_width)
        self.border.add(prediction != target, near & counted)
        self.border_unsliced.add(self.labelled.evaluated(unsliced) != target, near & counted)
        self.interior.add(prediction != target, ~near & counted)
        self.agreement.add(labels == unsliced, np.ones_like(near))
