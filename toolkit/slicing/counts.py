"""How right sliced label maps are, summed over images: all pixels, those near the seams, those away from them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.evaluation import ConfusionMatrix, Scores, score
from toolkit.slicing.labelled_images import LabelledImage, LabelledImages
from toolkit.slicing.seams import near_seams


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


class QualityCounts:
    """How right the label maps of images that are cut into one grid are.

    Parameters
    ----------
    slices : tuple of int
        (rows, columns) of the grid.
    border_width : int
        Pixels on each side of a seam that are near it.
    labelled : LabelledImages
        Says what is compared with what.
    """

    def __init__(self, slices: tuple[int, int], border_width: int, labelled: LabelledImages) -> None:
        self.border = Share()
        """Wrong pixels among those near the seams."""
        self.border_unsliced = Share()
        """Wrong pixels in the same places of images that are not cut."""
        self.interior = Share()
        """Wrong pixels among the others."""
        self.agreement = Share()
        """Pixels with the label that they have without slices."""
        self._slices = slices
        self._border_width = border_width
        self._labelled = labelled
        # A column more, for classes of the model that are none of those evaluated.
        self._confusion = ConfusionMatrix(labelled.n_classes, labelled.uncounted, n_predicted=labelled.n_classes + 1)

    @property
    def scores(self) -> Scores:
        """mIoU, mF1 and the like."""
        return score(self._confusion)

    def add(self, image: LabelledImage, labels: np.ndarray, unsliced: np.ndarray) -> None:
        """Count one image, given the model's label maps ``(height, width)`` with and without slices."""
        target = image.target
        prediction = self._labelled.evaluated(labels)
        self._confusion.update(prediction, target)
        counted = target != self._labelled.uncounted
        height, width = target.shape
        near = near_seams(height, width, self._slices, self._border_width)
        wrong = prediction != target
        self.border.add(wrong, near & counted)
        self.border_unsliced.add(self._labelled.evaluated(unsliced) != target, near & counted)
        self.interior.add(wrong, ~near & counted)
        self.agreement.add(labels == unsliced, np.ones_like(near))
