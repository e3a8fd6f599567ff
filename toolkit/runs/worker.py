"""What an engine does with a batch of images: reading, network and writing overlap; one bad image fails alone."""

import functools
import os
import socket
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import psutil
import torch

from toolkit.catalog import LabelPlace
from toolkit.models import Model, load_model
from toolkit.runs.tasks import BatchOutcome, ImageOutcome, Task
from toolkit.segmentation import Protocol, bytes_needed, segment_image
from toolkit.segmentation.pipeline import WriteBehind, read_ahead
from toolkit.sources import SourceError, read_image

# Label maps are gathered until they have this many pixels, then written as one array.
_PART_PIXELS = 2**24
_MODELS_KEPT = 2


class WrongModelError(RuntimeError):
    """The engine's model of that name is not the one that the run began with."""


def segment_batch(task: Task, model: Model | None = None) -> BatchOutcome:
    """Segment a task's images in this process.

    Parameters
    ----------
    task : Task
        The images, and what to do with them.
    model : Model, optional
        The model, if it is at hand; else it is loaded by its source, once per process, and verified.

    Returns
    -------
    BatchOutcome
        One outcome per image that there was time for. One that cannot be read or segmented has an error code.

    Raises
    ------
    WrongModelError
        The model found here has another digest.
    OSError
        Label maps cannot be written. Nothing of the batch counts then.
    """
    begin = time.monotonic()
    if model is None:
        model = _load_once(task.work.model_source, task.work.model_digest)
    finished: list[ImageOutcome] = []
    with WriteBehind(functools.partial(_write_part, task)) as writer:
        for part in _parts(task, model, begin + task.seconds):
            finished += [outcome for outcome, _ in part]
            if task.keep_labels:
                writer.submit([(outcome, labels) for outcome, labels in part if labels is not None])
        placed = {outcome.row: outcome for part in writer.results() for outcome in part}
    return BatchOutcome(
        engine=f"{socket.gethostname()}:{os.getpid()}",
        seconds=time.monotonic() - begin,
        images=tuple(placed.get(outcome.row, outcome) for outcome in finished),
    )


_Segmented = tuple[ImageOutcome, np.ndarray | None]


@functools.lru_cache(maxsize=_MODELS_KEPT)
def _load_once(source: str, digest: str) -> Model:
    model = load_model(source)
    if model.digest != digest:
        raise WrongModelError(
            f"model {source!r} has digest {model.digest[:16]}… on {socket.gethostname()}, but the run began with "
            f"{digest[:16]}…; give every engine the same model"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _parts(task: Task, model: Model, deadline: float) -> Iterator[list[_Segmented]]:
    """The images segmented until the deadline, in groups whose label maps make one array."""
    part: list[_Segmented] = []
    n_pixels = 0
    images = zip(task.rows, task.uris, strict=True)
    for (row, uri), reading in read_ahead(images, lambda item: read_image(item[1], task.work.limits)):
        outcome, labels = _segment_one(row, uri, reading, task, model)
        part.append((outcome, labels))
        n_pixels += 0 if labels is None else labels.size
        if n_pixels >= _PART_PIXELS:
            yield part
            part, n_pixels = [], 0
        if time.monotonic() >= deadline:
            break
    if part:
        yield part


def _segment_one(row: int, uri: str, reading: "Future[np.ndarray]", task: Task, model: Model) -> _Segmented:
    started = time.time_ns() // 1_000_000
    begin = time.perf_counter()
    try:
        pixels = reading.result()
        begin = time.perf_counter()
        _check_memory(pixels, model, task.work.protocol)
        result = segment_image(pixels, model, task.work.protocol)
    except SourceError as error:
        return _failed(row, started, begin, error.code, str(error)), None
    except (MemoryError, torch.OutOfMemoryError) as error:
        return _failed(row, started, begin, "out_of_memory", f"{uri}: not enough memory: {error}"), None
    except Exception:  # noqa: BLE001 - whatever it was, it is recorded, and it is this image's alone
        return _failed(row, started, begin, "internal", f"{uri}: {traceback.format_exc()}"), None
    outcome = ImageOutcome(
        row=row,
        started=started,
        seconds=time.perf_counter() - begin,
        composition=result.composition.astype(np.float32),
        height=result.labels.shape[0],
        width=result.labels.shape[1],
    )
    return outcome, result.labels


def _check_memory(pixels: np.ndarray, model: Model, protocol: Protocol) -> None:
    """Refuse what would have the operating system kill this process; a GPU says so itself."""
    if next(model.network.parameters()).is_cuda:
        return
    height, width = pixels.shape[:2]
    needed = bytes_needed(height, width, model, protocol)
    free = psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(
            f"{height} × {width} pixels take {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
            "use smaller scales or fewer engines"
        )


def _failed(row: int, started: int, begin: float, code: str, message: str) -> ImageOutcome:
    return ImageOutcome(row, started, time.perf_counter() - begin, error=code, message=message)


def _write_part(task: Task, part: list[tuple[ImageOutcome, np.ndarray]]) -> list[ImageOutcome]:
    """Write the label maps of some images as one array, and note where they lie."""
    if not part:
        return []
    # The first image's position makes the number: parts of one task never share an image.
    number = task.first_part + task.rows.index(part[0][0].row)
    places: list[LabelPlace] = task.labels.write(number, [labels for _, labels in part])
    return [
        replace(outcome, label_part=place.part, label_offset=place.offset)
        for (outcome, _), place in zip(part, places, strict=True)
    ]
