"""What segmenting takes here, measured in parts, each in seconds: a call of the network, and all else by the pixel.

A photo of 12 megapixels takes minutes, one tile of it less than a second; how many tiles there are is geometry.
"""

import functools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from toolkit.engines.environment import usable_cores
from toolkit.models import Model
from toolkit.runs.tasks import Work
from toolkit.segmentation import Protocol, SegmentedImage, Segmenter, columns_around
from toolkit.segmentation.execution import PreparedNetwork, device_of, float32_arithmetic
from toolkit.segmentation.tiles import levels

_CALLS = 12
"""How often the network is called at most to time it; the first call is not counted."""
_MOST_SHAPES = 4
_GPU_BATCH = 16
_FIRST_PIXELS = 2**18
_GROWTH = 4
_LARGEST_PART, _SMALLEST_PART = 512, 64

Size = tuple[int, int]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sharing:
    """How engines share the machine that is measured."""

    engines: int
    """Engines that are asked for."""
    at_once: int
    """Engines that have an image and a core, or a GPU, for themselves; more than those gain nothing."""
    threads: int
    """Threads of each."""

    @classmethod
    def of(cls, engines: int, n_images: int, device: torch.device) -> "Sharing":
        """So many engines on this machine, for so many images."""
        gpu = device.type == "cuda"
        places = torch.cuda.device_count() if gpu else usable_cores()
        threads = torch.get_num_threads() if gpu else min(torch.get_num_threads(), places // engines)
        return cls(engines, max(1, min(engines, places, n_images)), max(1, threads))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Compute with as many threads as an engine would."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class Costs:
    """What the parts of segmenting take while as many engines work as share this machine.

    Parameters
    ----------
    model : Model
        On the device that is measured.
    work : Work
        Protocol and arithmetic.
    sharing : Sharing
        How many engines there are to be.
    clock : callable
        Seconds.
    """

    def __init__(
        self, model: Model, work: Work, sharing: Sharing, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.spread = 0.0
        """By how much, as a fraction, calls of the network differed: others use the machine too."""
        self.exact = True
        """Whether every shape that is of any weight was measured."""
        self._model, self._work, self._sharing, self._clock = model, work, sharing, clock
        self._device = device_of(model)
        # First, as they set the allocator up, and compile what has to be compiled.
        self._segmenters = [self._segmenter(model) for _ in range(sharing.at_once)]
        self._network = PreparedNetwork(model, work.execution)
        self._crops: dict[Size, float] = {}
        """Seconds per crop of each shape."""
        self._outputs: dict[Size, Size] = {}
        self._rest: dict[int, float] = {}
        """Seconds besides the network, by the pixels of the image."""

    def measure(self, sizes: list[Size], until: float, tell: Callable[[str], None]) -> None:
        """Measure what images of these sizes need, until about then; each part once at least.

        ``tell`` gets a few words as it goes on.
        """
        shapes: Counter[Size] = Counter()
        for size in sizes:
            shapes.update(self._shapes(size, self._work.protocol))
        heaviest = sorted(shapes, key=lambda shape: shapes[shape] * math.prod(shape), reverse=True)[:_MOST_SHAPES]
        now = self._clock()
        half = now + 0.6 * max(until - now, 0.0)
        for shape in sorted(heaviest, key=math.prod):
            too_long = self._crops and self._clock() + 2 * self._seconds_per_crop(shape) > half
            if too_long:
                self.exact = False
            else:
                tell(f"calling the network on {shape[0]} × {shape[1]} pixels")
                self._time_network(shape, half)
        largest = max(sizes, key=math.prod)
        n_pixels = min(_FIRST_PIXELS, math.prod(largest))
        while True:
            tell("merging tiles")
            seconds = self._time_rest(largest, n_pixels)
            if n_pixels == math.prod(largest) or self._clock() + 2 * _GROWTH * seconds > until:
                return
            n_pixels = min(_GROWTH * n_pixels, math.prod(largest))

    def seconds_of(self, size: Size) -> float:
        """What an image of this size takes an engine while the others work too, seconds."""
        return self._seconds_with(self._work.protocol, size)

    def crops_of(self, size: Size) -> int:
        """How many crops of an image of this size the network sees, mirrored ones counted."""
        return sum(self._shapes(size, self._work.protocol).values())

    def segment(self, pixels: np.ndarray) -> tuple[float, SegmentedImage]:
        """Segment an image in as many places at once as there are engines; what that took, and what came of it."""
        begin = self._clock()
        results = self._together([functools.partial(_segmented, one, pixels) for one in self._segmenters])
        return self._clock() - begin, results[0]

    def segment_part(self, pixels: np.ndarray, seconds: float) -> SegmentedImage:
        """Segment the middle of an image, as much as so many seconds allow, at one scale, plain: a label map like those
        of the run."""
        protocol = replace(self._work.protocol, scales=self._work.protocol.scales[-1:], flip=False)
        side = _LARGEST_PART
        while side > _SMALLEST_PART and self._seconds_with(protocol, (side, side)) > seconds:
            side //= 2
        top, left = (max(0, (whole - side) // 2) for whole in pixels.shape[:2])
        part = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        return _segmented(Segmenter(self._model, protocol, execution=self._work.execution), part)

    def _seconds_with(self, protocol: Protocol, size: Size) -> float:
        shapes = self._shapes(size, protocol).items()
        return sum(n * self._seconds_per_crop(shape) for shape, n in shapes) + self._seconds_besides(math.prod(size))

    def _shapes(self, size: Size, protocol: Protocol) -> Counter[Size]:
        shapes: Counter[Size] = Counter()
        rules = self._model.rules
        around = columns_around(*size, protocol, rules=rules) if self._work.projection else 0
        for level in levels(*size, protocol, rules=rules, around=around):
            shapes[level.crop] += len(level.tops) * len(level.lefts) * (2 if protocol.flip else 1)
        return shapes

    def _segmenter(self, model: Model) -> Segmenter:
        work = self._work
        return Segmenter(
            model,
            work.protocol,
            execution=work.execution,
            soft_composition=work.soft_composition,
            projection=work.projection,
        )

    def _time_network(self, shape: Size, until: float) -> None:
        n_crops = _GPU_BATCH if self._device.type == "cuda" else self._work.execution.batch_size or 1
        crops = torch.rand(n_crops, 3, *shape, device=self._device).to(memory_format=self._network.memory_format)
        height, width = self._call(crops).shape[-2:]
        self._outputs[shape] = (height, width)
        seconds: list[float] = []
        while len(seconds) < _CALLS and (not seconds or self._clock() + seconds[-1] < until):
            begin = self._clock()
            self._together([lambda: self._call(crops)] * self._sharing.at_once)
            seconds.append(self._clock() - begin)
        self._crops[shape] = median(seconds) / n_crops
        self.spread = max(self.spread, (max(seconds) - min(seconds)) / 2 / (median(seconds) or 1.0))

    @torch.inference_mode()
    def _call(self, crops: Tensor) -> Tensor:
        with float32_arithmetic(self._device):
            logits = self._network(crops)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return logits

    def _together(self, calls: list[Callable[[], Result]]) -> list[Result]:
        if len(calls) == 1:
            return [calls[0]()]
        with ThreadPoolExecutor(len(calls)) as threads:
            return [each.result() for each in [threads.submit(call) for call in calls]]

    def _seconds_per_crop(self, shape: Size) -> float:
        """Of a shape that was not measured: as the nearest that was, by the pixel."""
        if shape in self._crops:
            return self._crops[shape]
        nearest = min(self._crops, key=lambda known: abs(math.log(math.prod(known) / math.prod(shape))))
        return self._crops[nearest] * math.prod(shape) / math.prod(nearest)

    def _time_rest(self, size: Size, n_pixels: int) -> float:
        """Segment a part of an image with a network that only repeats what it once gave."""
        factor = math.sqrt(n_pixels / math.prod(size))
        height, width = (max(1, round(side * factor)) for side in size)
        recorded = _Recorded(self._model.n_classes, self._outputs).to(self._device).eval()
        segmenter = self._segmenter(replace(self._model, network=recorded))
        begin = self._clock()
        _segmented(segmenter, np.zeros((height, width, 3), np.uint8))
        seconds = self._clock() - begin
        self._rest[height * width] = seconds
        return seconds

    def _seconds_besides(self, n_pixels: int) -> float:
        known = sorted(self._rest.items())
        largest, seconds = known[-1]
        if n_pixels >= largest:
            return seconds * n_pixels / largest
        pixels, taken = ([0, *(n for n, _ in known)], [known[0][1] / 2, *(each for _, each in known)])
        return float(np.interp(n_pixels, pixels, taken))


class _Recorded(nn.Module):
    """Gives logits of the size that a network would give, at once."""

    def __init__(self, n_classes: int, outputs: dict[Size, Size]) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))
        self._n_classes, self._outputs = n_classes, dict(outputs)
        self._logits: dict[Size, Tensor] = {}

    def forward(self, crops: Tensor) -> Tensor:
        shape = (crops.shape[-2], crops.shape[-1])
        if shape not in self._logits:
            known, output = next(iter(self._outputs.items()))
            given = self._outputs.get(shape) or tuple(
                max(1, round(side * out / of)) for side, out, of in zip(shape, output, known, strict=True)
            )
            self._logits[shape] = torch.randn(self._n_classes, *given, device=crops.device)
        return self._logits[shape].expand(len(crops), -1, -1, -1)


def _segmented(segmenter: Segmenter, pixels: np.ndarray) -> SegmentedImage:
    result = segmenter.add(pixels)
    segmenter.finish()
    return result.result()
