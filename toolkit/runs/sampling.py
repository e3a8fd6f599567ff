"""A few images, read and segmented as time allows, whatever their server does."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev

import numpy as np
from zarr.storage import MemoryStore

from toolkit.catalog import LabelFolder
from toolkit.catalog.store.objects import get, keys
from toolkit.runs.estimates import Estimate
from toolkit.runs.measuring import Costs
from toolkit.segmentation import PictureError, is_out_of_memory
from toolkit.sources import ReadLimits, SourceError, read_image

_SECONDS_PER_HOUR = 3600

_TIMES_LONGER_FOR_THE_FIRST = 4
_POLL_SECONDS = 0.1

_FOR_READING, _FOR_PARTS = 0.25, 0.65
"""Shares of the time until when images are read, and the parts of segmenting measured; the rest is for whole images."""
_KEPT_BYTES = 2**28
_MOST_PARTS, _SHARE_OF_PART, _FOR_MORE_PARTS = 4, 20, 0.85

# Relative uncertainties. A machine is never as quick twice; a run does more than segmenting: it reads, writes, waits.
_OF_MACHINES = 0.15
_OF_PARTS = 0.25
_OF_UNMEASURED_SHAPES = 0.5
_OF_ONE_IMAGE = 0.5
_SECONDS_TO_START = 15.0
"""Engines take so long to come and to load the model, at most, on machines that are not busy."""


@dataclass(frozen=True)
class Reading:
    """An image that was read, or why it was not."""

    uri: str
    """Which."""
    seconds: float
    """How long that took."""
    size: tuple[int, int] = (0, 0)
    """Its height and width, pixels."""
    pixels: np.ndarray | None = None
    """Its pixels, uint8 ``(height, width, 3)``, if they are kept."""
    error: Exception | None = None
    """What kept it from being read."""

    @property
    def bytes(self) -> int:
        """Of its pixels."""
        return 3 * math.prod(self.size)

    def without_pixels(self) -> "Reading":
        """Its size only."""
        return replace(self, pixels=None)


def read_in_time(
    uris: Sequence[str], limits: ReadLimits, until: float, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Reading]:
    """Read images one after the other until then; until some time later, if none has come by then.

    Parameters
    ----------
    uris : sequence of str
        Which.
    limits : ReadLimits
        Caps on bytes and pixels.
    until : float
        When to begin no other, by the clock.
    clock : callable
        Seconds.

    Yields
    ------
    Reading
        Each that came in time.
    """
    found: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
    ended = threading.Event()
    begin = clock()

    def read() -> None:
        for uri in uris:
            if ended.is_set():
                break
            since = clock()
            try:
                pixels = read_image(uri, limits)
            except Exception as error:  # noqa: BLE001 - for whoever asked
                found.put(Reading(uri, clock() - since, error=error))
            else:
                height, width = pixels.shape[:2]
                found.put(Reading(uri, clock() - since, (height, width), pixels))
        found.put(None)

    # A daemon: nobody waits at the end for a server that does not answer.
    threading.Thread(target=read, name="sample", daemon=True).start()
    came = False
    try:
        while True:
            last = until if came else begin + _TIMES_LONGER_FOR_THE_FIRST * (until - begin)
            try:
                reading = found.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if clock() >= last:
                    return
                continue
            if reading is None:
                return
            yield reading
            came |= reading.error is None
            if came and clock() >= until:
                return
    finally:
        ended.set()


class Sample:
    """Images that were read, and what they take."""

    def __init__(
        self, costs: Costs, begin: float, seconds: float, clock: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        self._costs, self._begin, self._seconds, self._clock, self._tell = costs, begin, seconds, clock, tell
        self._readings: list[Reading] = []
        self._taken: dict[int, float] = {}
        """Seconds of the images that were segmented as a whole, by their place in the sample."""
        self._label_maps: list[np.ndarray] = []
        self._failures: list[str] = []
        self._n_tried = 0

    def read(self, uris: Sequence[str], limits: ReadLimits) -> None:
        """Read images until it is time for something else; the first is waited for as long as there is any time."""
        kept = 0
        for reading in read_in_time(uris, limits, self._begin + self._seconds * _FOR_READING, self._clock):
            self._n_tried += 1
            self._tell(f"reading images, {self._n_tried} of {len(uris)}")
            if isinstance(reading.error, SourceError):
                self._failures.append(str(reading.error))
            elif reading.error is not None:
                raise reading.error
            elif kept and kept + reading.bytes > _KEPT_BYTES:
                self._readings.append(reading.without_pixels())
            else:
                kept += reading.bytes
                self._readings.append(reading)
        if not self._readings:
            why = f": {self._failures[0]}" if self._failures else ""
            raise ValueError(
                f"none of the {len(uris)} sampled images could be read within {self._seconds:g} s, so nothing can be "
                f"said{why}; mend the images, or raise sample={len(uris)} or seconds={self._seconds:g}"
            )

    def measure(self) -> None:
        """Measure the parts, then as many whole images as there is time for, small and large ones as they come."""
        self._costs.measure([one.size for one in self._readings], self._begin + self._seconds * _FOR_PARTS, self._tell)
        for number, one in enumerate(self._readings):
            if one.pixels is None:
                continue
            left = self._begin + self._seconds - self._clock()
            if self._correction() * self._costs.seconds_of(one.size) > left:
                continue
            self._tell(f"segmenting image {number + 1} of {len(self._readings)}")
            try:
                taken, result = self._costs.segment(one.pixels)
            except Exception as error:
                if not (isinstance(error, PictureError | ArithmeticError) or is_out_of_memory(error)):
                    raise
                self._failures.append(f"{one.uri}: {error}")
            else:
                self._taken[number] = taken
                self._label_maps.append(result.labels)

    def label_bytes_per_pixel(self) -> float:
        """What label maps take in a catalog, several in one array: of whole images, or of a part of one."""
        with_pixels = [one.pixels for one in self._readings if one.pixels is not None]
        for pixels in with_pixels[: 0 if self._label_maps else _MOST_PARTS]:
            if self._label_maps and self._clock() > self._begin + self._seconds * _FOR_MORE_PARTS:
                break
            self._tell("segmenting a part of an image, for its label map")
            self._label_maps.append(self._costs.segment_part(pixels, self._seconds / _SHARE_OF_PART).labels)
        store = MemoryStore()
        LabelFolder(store, "estimate", 0, block=0, generation=0).write(0, self._label_maps)
        stored = [get(store, key) or b"" for key in keys(store, "") if not key.endswith("zarr.json")]
        return sum(map(len, stored)) / sum(labels.size for labels in self._label_maps)

    def extrapolated(self, found: Estimate, label_bytes: float) -> Estimate:
        """The estimate for all images that are pending, from what was found of these."""
        n = found.pending
        sizes = [one.size for one in self._readings]
        correction = self._correction()
        computed = [correction * self._costs.seconds_of(size) for size in sizes]
        seconds = [self._taken.get(number, one) for number, one in enumerate(computed)]
        hours = n * mean(seconds) / found.at_once / _SECONDS_PER_HOUR
        low, high = self._uncertainty(seconds, n)
        start = _SECONDS_TO_START / _SECONDS_PER_HOUR
        pixels = mean(height * width for height, width in sizes)
        return replace(
            found,
            sampled=self._n_tried,
            failures=tuple(self._failures),
            megapixels=n * pixels / 1e6,
            tiles=round(n * mean(map(self._costs.crops_of, sizes))),
            seconds_per_image=mean(seconds),
            hours=hours,
            hours_interval=(hours * max(1 - low, 0.1), hours * (1 + high) + start),
            bytes_labels=round(n * pixels * label_bytes),
            seconds=tuple(seconds),
            whole=len(self._taken),
            seconds_taken=self._clock() - self._begin,
            reading_seconds=mean(one.seconds for one in self._readings),
        )

    def _correction(self) -> float:
        """By how much longer whole images took than what was added up from their parts."""
        computed = sum(self._costs.seconds_of(self._readings[number].size) for number in self._taken)
        return sum(self._taken.values()) / computed if computed > 0 else 1.0

    def _uncertainty(self, seconds: Sequence[float], n: int) -> tuple[float, float]:
        """How much less, and more, it may be, as fractions."""
        if len(seconds) > 1:
            of_sample = 2 * stdev(seconds) / math.sqrt(len(seconds)) / (mean(seconds) or 1.0)
        else:
            of_sample = _OF_ONE_IMAGE
        of_sample *= math.sqrt(max(n - len(seconds), 0) / n)
        of_parts = 0.0 if len(self._taken) == len(seconds) else _OF_PARTS / (1 + len(self._taken))
        of_calls = self._costs.spread / (1 + len(self._taken))
        of_shapes = 0.0 if self._costs.exact or self._taken else _OF_UNMEASURED_SHAPES
        return (
            math.hypot(of_sample, of_parts, of_calls, _OF_MACHINES),
            math.hypot(of_sample, of_parts, of_calls, _OF_MACHINES, of_shapes),
        )
