"""What an engine does with a batch of images: reading, network and writing overlap; one bad image fails alone."""

import contextlib
import functools
import itertools
import time
import traceback
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from toolkit.catalog import LabelPlace
from toolkit.engines.hosting import Host, NoModelError, hosted_model, this_host
from toolkit.engines.inside.retirement import Abandoned
from toolkit.models import Model
from toolkit.pipeline import WriteBehind, read_ahead
from toolkit.runs.packing import pack
from toolkit.runs.pictures import Picture, make_picture
from toolkit.runs.stuck import leave_note
from toolkit.runs.tasks import BatchOutcome, ImageOutcome, PackedLabels, Task, Work
from toolkit.segmentation import PictureError, SegmentedImage, Segmenter, is_out_of_memory
from toolkit.sources import (
    AccessError,
    SourceError,
    UnreachableError,
    is_remote,
    read_bytes,
)

# Label maps are gathered until they have this many pixels, then written as one array.
_PART_PIXELS = 2**24
_RUNS_KEPT = 2
_SECONDS_WITHOUT_MODEL = 0.1
FETCHES = 16
"""How many files of a server are fetched at once, ahead of those that are decoded."""


def segment_batch(task: Task, segmenter: Segmenter | None = None, host: Host | None = None) -> BatchOutcome:
    """Segment a task's images in this process.

    Parameters
    ----------
    task : Task
        The images, and what to do with them.
    segmenter : Segmenter, optional
        The model and protocol at work, if they are at hand; else the model is loaded by its source, once per process,
        and verified.
    host : Host, optional
        This process as an engine.

    Returns
    -------
    BatchOutcome
        One outcome per image that there was time for. One that cannot be read or segmented has an error code. None at
        all if this process is asked to end, or has no way to the model.

    Raises
    ------
    AccessError
        A server of images takes no request of ours.
    OSError
        Label maps cannot be written, or are to be written where there is no catalog. Nothing of the batch counts then.
    """
    begin = time.monotonic()
    host = host or this_host()
    if host.asked_to_end:
        return BatchOutcome(host.name, 0.0, ())
    if segmenter is None:
        try:
            segmenter = _segmenter(task.work)
        except NoModelError as error:
            time.sleep(_SECONDS_WITHOUT_MODEL)  # the same task may come again before the model does
            return BatchOutcome(host.name, 0.0, (), lacks_model=host.lacks_model(error))
    finished: list[ImageOutcome] = []
    unreachable: list[str] = []
    in_the_driver = task.labels_by == "engines" and host.number is None
    in_reach = in_the_driver or task.labels.is_in_reach(task.driver)
    if task.labels_by == "engines" and task.keep_labels and not in_reach:
        raise OSError(
            f"the engine {host.name} does not see the catalog at {task.labels.store}, and labels_by='engines' has it "
            "write there; use labels_by='auto', or share the folder"
        )
    by_engine = task.labels_by == "engines" or (task.labels_by == "auto" and in_reach)
    leave = functools.partial(leave_note, task) if in_reach else (lambda: None)
    put = functools.partial(_write_part if by_engine else _pack_part, task)
    with host.watched(task.image_seconds, leave), WriteBehind(put) as writer:
        for part in _parts(_segmented(task, segmenter, host, begin + task.seconds, unreachable)):
            finished += [outcome for outcome, _ in part]
            host.count(len(part))
            with_labels = [(outcome, labels) for outcome, labels in part if labels is not None]
            if task.keep_labels and with_labels:
                writer.submit(with_labels)
        written = writer.results()
    placed = {outcome.row: outcome for part in written if isinstance(part, list) for outcome in part}
    return BatchOutcome(
        engine=host.name,
        seconds=time.monotonic() - begin,
        images=tuple(placed.get(outcome.row, outcome) for outcome in finished),
        unreachable="".join(unreachable),
        packed=tuple(part for part in written if isinstance(part, PackedLabels)),
    )


_Segmented = tuple[ImageOutcome, np.ndarray | None]


@functools.lru_cache(maxsize=_RUNS_KEPT)
def _segmenter(work: Work) -> Segmenter:
    return segmenter_of(work, hosted_model(work.model_source, work.model_digest))


def segmenter_of(work: Work, model: Model, host: Host | None = None) -> Segmenter:
    """A run's model and protocol at work in this process."""
    return Segmenter(
        model,
        work.protocol,
        execution=work.execution,
        soft_composition=work.soft_composition,
        projection=work.projection,
        on_step=(host or this_host()).step,
    )


@dataclass(eq=False)
class _InWork:
    """An image between its reading and its outcome."""

    row: int
    uri: str
    started: int
    begin: float
    picture: Picture | None = None
    result: "Future[SegmentedImage] | None" = None
    failure: "_Failure | None" = None

    @property
    def ended(self) -> bool:
        return self.failure is not None or (self.result is not None and self.result.done())

    def fail(self, error: Exception) -> None:
        """Keep what is to be said of an error; the error itself would keep the tensors of the call that raised it."""
        self.failure = _Failure.of(error, self.uri)


@dataclass(frozen=True)
class _Failure:
    """Why an image failed, as it is recorded."""

    code: str
    message: str

    @classmethod
    def of(cls, error: Exception, uri: str) -> "_Failure":
        if isinstance(error, SourceError):
            return cls(error.code, str(error))
        if isinstance(error, PictureError):
            return cls(error.code, f"{uri}: {error}")
        if is_out_of_memory(error):
            return cls("out_of_memory", f"{uri}: not enough memory: {error}")
        return cls("internal", f"{uri}: {''.join(traceback.format_exception(error))}")


def _read(task: Task) -> Iterator[tuple[tuple[int, str], "Future[Picture]"]]:
    """Rows, URIs and pictures to come. Files of servers are fetched far ahead, many at once; few are decoded."""
    work, limits = task.work, task.work.limits
    images = zip(task.rows, task.uris, strict=True)
    masks: dict[int, str] = dict(zip(task.rows, task.masks, strict=bool(task.masks)))

    def decoded(data: bytes, image: tuple[int, str]) -> Picture:
        row, uri = image
        return make_picture(data, uri, masks.get(row), work)

    if not any(map(is_remote, task.uris)):
        yield from read_ahead(images, lambda image: decoded(read_bytes(image[1], limits), image))
        return
    fetching = read_ahead(images, lambda image: read_bytes(image[1], limits), threads=FETCHES, ahead=FETCHES)
    decoding = read_ahead(fetching, lambda pair: decoded(pair[1].result(), pair[0]))
    for (image, _), picture in decoding:
        yield image, picture


def _segmented(
    task: Task, segmenter: Segmenter, host: Host, deadline: float, unreachable: list[str]
) -> Iterator[_Segmented]:
    """The outcomes of the images that were begun before the deadline, in order; of fewer if this process is asked to
    end, or if a server cannot be reached, of which is added to ``unreachable`` what is to be said."""
    in_work: deque[_InWork] = deque()
    clock = _Clock()
    try:
        for (row, uri), reading in _read(task):
            host.begin(uri)
            image = _InWork(row, uri, time.time_ns() // 1_000_000, time.perf_counter())
            in_work.append(image)
            try:
                image.picture = reading.result()
                image.begin = time.perf_counter()
                image.result = segmenter.add(image.picture.pixels, image.picture.counted)
            except UnreachableError as error:  # nothing is known of this image, and of those after it
                in_work.pop()
                unreachable.append(str(error))
                break
            except AccessError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, it is recorded, and it is one image's alone
                if image.picture is None:
                    image.fail(error)
            if not image.ended and image.result is None:
                _one_by_one(in_work, segmenter)  # not in the handler, where the error keeps memory that is needed now
            while in_work and in_work[0].ended:
                yield _outcome(in_work.popleft(), clock)
            if time.monotonic() >= deadline or host.asked_to_end:
                break
        with contextlib.suppress(Exception):  # which image it was is found out and recorded
            segmenter.finish()
        _one_by_one(in_work, segmenter)
    except Abandoned:
        in_work = deque(itertools.takewhile(lambda image: image.ended, in_work))
        segmenter.reset()
    yield from (_outcome(image, clock) for image in in_work)


def _one_by_one(in_work: deque[_InWork], segmenter: Segmenter) -> None:
    """Segment what is not done image by image, so that what raises is the image's own."""
    waiting = [(image, image.picture) for image in in_work if not image.ended and image.picture is not None]
    if waiting:
        segmenter.reset()
    for image, _ in waiting:
        image.result = None
    for image, picture in waiting:
        try:
            image.result = segmenter.add(picture.pixels, picture.counted)
            segmenter.finish()
        except Exception as error:  # noqa: BLE001 - recorded as this image's
            image.fail(error)
        if image.failure is not None:
            segmenter.reset()


class _Clock:
    """Seconds that each image took, without counting any twice that two took together."""

    def __init__(self) -> None:
        self._before = 0.0

    def seconds_since(self, begin: float) -> float:
        now = time.perf_counter()
        seconds, self._before = now - max(begin, self._before), now
        return seconds


def _outcome(image: _InWork, clock: _Clock) -> _Segmented:
    seconds = clock.seconds_since(image.begin)
    result = None
    if image.failure is None:
        assert image.result is not None  # what was read was handed to the segmenter, or has failed
        try:
            result = image.result.result()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is recorded, and it is this image's alone
            image.fail(error)
    if result is None:
        assert image.failure is not None
        return ImageOutcome(image.row, image.started, seconds, image.failure.code, image.failure.message), None
    soft = result.soft_composition
    outcome = ImageOutcome(
        row=image.row,
        started=image.started,
        seconds=seconds,
        composition=result.composition.astype(np.float32),
        confidence=result.confidence,
        soft_composition=None if soft is None else soft.astype(np.float32),
        height=result.labels.shape[0],
        width=result.labels.shape[1],
        valid_fraction=result.valid_fraction,
        looks=None if image.picture is None else image.picture.looks,
    )
    return outcome, result.labels


def _parts(segmented: Iterator[_Segmented]) -> Iterator[list[_Segmented]]:
    """The images in groups whose label maps make one array."""
    part: list[_Segmented] = []
    n_pixels = 0
    for outcome, labels in segmented:
        part.append((outcome, labels))
        n_pixels += 0 if labels is None else labels.size
        if n_pixels >= _PART_PIXELS:
            yield part
            part, n_pixels = [], 0
    if part:
        yield part


_Labelled = list[tuple[ImageOutcome, np.ndarray]]


def _write_part(task: Task, part: _Labelled) -> list[ImageOutcome]:
    """Write the label maps of some images as one array, and note where they lie."""
    places: list[LabelPlace] = task.labels.write(_part_number(task, part), [labels for _, labels in part])
    return [replace(outcome, label_place=place.packed()) for (outcome, _), place in zip(part, places, strict=True)]


def _pack_part(task: Task, part: _Labelled) -> PackedLabels:
    return pack(_part_number(task, part), [outcome.row for outcome, _ in part], [labels for _, labels in part])


def _part_number(task: Task, part: _Labelled) -> int:
    # The first image's position makes the number: parts of one task never share an image.
    return task.first_part + task.rows.index(part[0][0].row)
