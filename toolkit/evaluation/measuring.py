"""One image at a time: its mask and its label maps become small counts, several images at once in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.borders import BorderError
from toolkit.evaluation.confusion import ConfusionMatrix
from toolkit.evaluation.encoding import MaskDecoder
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.masks import read_mask
from toolkit.evaluation.targets import TargetFinder
from toolkit.sources import ReadLimits, SourceError

if TYPE_CHECKING:
    from toolkit.catalog import Catalog

Item = TypeVar("Item")
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class RunToMeasure:
    """A run, and what its classes become."""

    run_id: str
    """The run."""
    of_prediction: tuple[int, ...]
    """Index of each class of its model among those that are evaluated."""


@dataclass(frozen=True, eq=False)
class ImageMeasure:
    """The counts of one image, or of many."""

    confusions: tuple[ConfusionMatrix, ...]
    """One per run."""
    borders: tuple[BorderError, ...]
    """One per run, or none."""

    def merge(self, other: "ImageMeasure") -> None:
        """Add the counts of other images."""
        for own, others in zip(self.confusions, other.confusions, strict=True):
            own.merge(others)
        for own_border, other_border in zip(self.borders, other.borders, strict=True):
            own_border.merge(other_border)


@dataclass(frozen=True, eq=False)
class Measurer:
    """Measures images of a catalog; to be called from any thread."""

    catalog: "Catalog"
    """Holds the label maps."""
    runs: Sequence[RunToMeasure]
    """The runs that are measured."""
    finder: TargetFinder
    """Finds the targets."""
    decoder: MaskDecoder
    """Knows what they store."""
    n_classes: int
    """Number of the classes that are evaluated."""
    border_width: int | None
    """Pixels on each side of a border; None: borders are not measured."""
    limits: ReadLimits
    """Caps on a mask."""

    def empty(self) -> ImageMeasure:
        """Counts of no image."""
        ignored = self.decoder.uncounted
        # A column more, where a model has classes that are none of those evaluated.
        n_predicted = max(self.n_classes, *(index + 1 for run in self.runs for index in run.of_prediction))
        return ImageMeasure(
            tuple(ConfusionMatrix(self.n_classes, ignored, n_predicted=n_predicted) for _ in self.runs),
            () if self.border_width is None else tuple(BorderError(self.border_width, ignored) for _ in self.runs),
        )

    def measure(self, position: int, row: int, uri: str) -> ImageMeasure | SourceError | None:
        """Measure one image.

        Parameters
        ----------
        position : int
            Place among the images asked for, which targets are found by.
        row : int
            Row in the catalog.
        uri : str
            Its URI.

        Returns
        -------
        ImageMeasure, SourceError or None
            The counts; why its mask cannot be read; or None if it has none.

        Raises
        ------
        EvaluationError
            The mask is of another size or holds values that stand for nothing, or there is no label map.
        """
        target = self.finder.find(position, uri)
        if target is None:
            return None
        name = target if isinstance(target, str) else "the array given"
        if isinstance(target, str):
            encoding = self.decoder.encoding
            try:
                target = read_mask(target, channel=encoding.channel, colors=encoding.colors, limits=self.limits)
            except SourceError as error:
                return error
        try:
            target = self.decoder.decode(target)
        except EvaluationError as error:
            raise EvaluationError(f"{name}, mask of {uri}: {error}") from error
        counts = self.empty()
        for index, run in enumerate(self.runs):
            prediction = self._prediction(run, row, uri)
            if prediction.shape != target.shape:
                raise EvaluationError(
                    f"{name}, mask of {uri}: has {_size(target)} pixels, but the label map in run {run.run_id} has "
                    f"{_size(prediction)}; give the mask of the image as it was segmented (masks are never resized)"
                )
            counts.confusions[index].update(prediction, target)
            if counts.borders:
                counts.borders[index].update(prediction, target)
        return counts

    def _prediction(self, run: RunToMeasure, row: int, uri: str) -> npt.NDArray[np.unsignedinteger]:
        """The label map ``(height, width)`` in the classes that are evaluated."""
        try:
            labels = self.catalog.labels(run.run_id, row)
        except KeyError as error:
            raise EvaluationError(f"{uri}: {error.args[0]}; evaluation needs the label maps") from error
        if labels.size and labels.max() >= len(run.of_prediction):
            raise EvaluationError(
                f"{uri}: its label map in run {run.run_id} holds class {labels.max()} of {len(run.of_prediction)}; the "
                "catalog is damaged"
            )
        indices: npt.NDArray[np.unsignedinteger] = np.array(run.of_prediction, dtype=self.decoder.dtype)[labels]
        return indices


def in_order(work: Callable[[Item], Measured], items: Iterable[Item], threads: int) -> Iterator[tuple[Item, Measured]]:
    """What a function makes of each item, in order, made in threads that are only a little ahead.

    Parameters
    ----------
    work : callable
        Called with one item in one of the threads. What it raises is raised here.
    items : iterable
        In order.
    threads : int
        Number of threads.

    Yields
    ------
    tuple
        An item, and what was made of it.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="evaluate")
    begun: deque[tuple[Item, Future[Measured]]] = deque()
    try:
        for item in items:
            begun.append((item, pool.submit(work, item)))
            if len(begun) > 2 * threads:
                first, future = begun.popleft()
                yield first, future.result()
        while begun:
            first, future = begun.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _size(labels: np.ndarray) -> str:
    return f"{labels.shape[1]} × {labels.shape[0]}"
