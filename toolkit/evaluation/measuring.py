"""One image at a time: its mask and its label maps become small counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.borders import BorderError
from toolkit.evaluation.confusion import ConfusionMatrix
from toolkit.evaluation.correspondence import Correspondence
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.truth import Truth

if TYPE_CHECKING:
    from toolkit.catalog import Catalog


@dataclass(eq=False)
class ImageMeasure:
    """The counts of one image, or of many."""

    confusions: tuple[ConfusionMatrix, ...]
    """One per run."""
    borders: tuple[BorderError, ...]
    """One per run, or none."""
    n_pixels: int = 0
    """Of the masks, counted or not."""
    n_strange: int = 0
    """Of these, such as stand for nothing, not even for what is ignored."""
    strange: str = ""
    """One of their stored values, and where."""

    def merge(self, other: "ImageMeasure") -> None:
        """Add the counts of other images."""
        for own, others in zip(self.confusions, other.confusions, strict=True):
            own.merge(others)
        for own_border, other_border in zip(self.borders, other.borders, strict=True):
            own_border.merge(other_border)
        self.n_pixels += other.n_pixels
        self.n_strange += other.n_strange
        self.strange = self.strange or other.strange


@dataclass(frozen=True, eq=False)
class Measurer:
    """Measures images of a catalog; to be called from any thread."""

    catalog: "Catalog"
    """Holds the label maps."""
    run_ids: Sequence[str]
    """The runs that are measured."""
    matches: Sequence[Correspondence]
    """What the classes of each become."""
    truth: Truth
    """Knows what is right."""
    border_width: int | None
    """Pixels on each side of a border; None: borders are not measured."""
    count_other: bool = True
    """Whether pixels count that a run predicts as none of the classes measured."""

    def empty(self) -> ImageMeasure:
        """Counts of no image."""
        n_classes, ignored = len(self.matches[0].class_names), self.truth.decoder.uncounted
        # A column more, where a model has classes that are none of those evaluated.
        n_predicted = max(n_classes, *(index + 1 for match in self.matches for index in match.of_prediction))
        return ImageMeasure(
            tuple(ConfusionMatrix(n_classes, ignored, n_predicted=n_predicted) for _ in self.matches),
            () if self.border_width is None else tuple(BorderError(self.border_width, ignored) for _ in self.matches),
        )

    def measure(self, position: int, row: int, uri: str) -> ImageMeasure | None:
        """Measure one image, by its place among those asked for, row in the catalog and URI; None: it has no target.

        Raises
        ------
        SourceError
            Its mask cannot be read.
        EvaluationError
            The mask is of another size or holds values that stand for nothing, or there is no label map.
        """
        target = self.truth.read(position, uri)
        if target is None:
            return None
        counts = self.empty()
        counts.n_pixels, counts.n_strange, counts.strange = target.indices.size, target.n_strange, target.strange
        predictions = []
        for run_id, match in zip(self.run_ids, self.matches, strict=True):
            predictions.append(self._prediction(run_id, match, row, uri))
            target.check_size(predictions[-1].shape, f"the label map in run {run_id}")
        truth = target.indices
        if not self.count_other:
            # All runs are measured on the same pixels.
            is_other = np.any([prediction == len(self.matches[0].class_names) for prediction in predictions], axis=0)
            truth = np.where(is_other, self.truth.decoder.uncounted, truth).astype(truth.dtype)
        for index, prediction in enumerate(predictions):
            counts.confusions[index].update(prediction, truth)
            if counts.borders:
                counts.borders[index].update(prediction, truth)
        return counts

    def _prediction(self, run_id: str, match: Correspondence, row: int, uri: str) -> npt.NDArray[np.unsignedinteger]:
        """The label map ``(height, width)`` in the classes that are evaluated."""
        try:
            labels = self.catalog.labels(run_id, row)
        except KeyError as error:
            raise EvaluationError(f"{uri}: {error.args[0]}; evaluation needs the label maps") from error
        if labels.size and labels.max() >= len(match.of_prediction):
            raise EvaluationError(
                f"{uri}: its label map in run {run_id} holds class {labels.max()} of {len(match.of_prediction)}; the "
                "catalog is damaged"
            )
        indices: npt.NDArray[np.unsignedinteger] = np.array(match.of_prediction, self.truth.decoder.dtype)[labels]
        return indices
