"""One configuration at work: a cut and a way, its label maps, its times, its memory."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

import numpy as np
import torch

from toolkit.models import Model
from toolkit.segmentation import Precision, Protocol
from toolkit.slicing.cuts import Cut
from toolkit.slicing.peak_memory import PeakMemory, peak_memory
from toolkit.slicing.ways import SlicedSegmenter, Way


class Trial(AbstractContextManager["Trial"]):
    """A cut and a way, tried on images one after another.

    Parameters
    ----------
    model : Model
        The network.
    cut : Cut
        How images are cut.
    way : str
        How slices go through the network.
    base : Protocol
        All else.
    precision : str
        Arithmetic inside the network.
    clock : callable
        Seconds.
    on_run : callable
        Called whenever an image was segmented.
    """

    def __init__(
        self,
        model: Model,
        cut: Cut,
        way: Way,
        base: Protocol,
        *,
        precision: Precision = "float32",
        clock: Callable[[], float] = time.perf_counter,
        on_run: Callable[[], None] = lambda: None,
    ) -> None:
        self.cut = cut
        self.way = way
        self.labels = np.empty((0, 0), dtype=np.uint8)
        self.least_agreement = 1.0
        self._segmenter = SlicedSegmenter(model, cut.protocol(base), way, precision=precision)
        self._clock = clock
        self._on_run = on_run
        self._seconds: list[float] = []

    @property
    def seconds(self) -> float:
        """Median time of an image, from pixels in memory to a label map."""
        return float(np.median(self._seconds))

    def prepare(self, pixels: np.ndarray) -> None:
        """Segment an image without looking at the clock: the first of a size pays for what is set up once."""
        self._segment(pixels)

    def measure_memory(self, pixels: np.ndarray, device: torch.device) -> PeakMemory:
        """Measure what an image takes at the peak; one of its size was segmented before."""
        return peak_memory(lambda: self._segment(pixels), device)

    def run(self, pixels: np.ndarray) -> None:
        """Segment an image, and keep its label map and its time."""
        begin = self._clock()
        self.labels = self._segment(pixels)
        self._seconds.append(self._clock() - begin)

    def compare(self, labels: np.ndarray) -> None:
        """Compare the label map that was kept with another way's."""
        self.least_agreement = min(self.least_agreement, float(np.mean(self.labels == labels)))

    def _segment(self, pixels: np.ndarray) -> np.ndarray:
        labels = self._segmenter.segment(pixels).labels
        self._on_run()
        return labels

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._segmenter.close()
