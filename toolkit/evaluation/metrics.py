"""From a confusion matrix to aAcc, mAcc, mIoU, and IoU, precision, recall and F1 per class."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor

from toolkit.evaluation.confusion import ConfusionMatrix

if TYPE_CHECKING:
    import xarray as xr

OTHER = "(other)"
"""Name of what is predicted beyond the classes of the targets."""

_FloatArray = npt.NDArray[np.float64]
_IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scores:
    """How right label maps are. A fraction that has nothing to be a fraction of is NaN."""

    aAcc: float
    """Pixel accuracy: fraction of the counted pixels that have their class."""
    mAcc: float
    """Class accuracy: mean of `recall`."""
    mIoU: float
    """Mean of `iou`."""
    mPrecision: float
    """Mean of `precision`."""
    mF1: float
    """Mean of `f1`."""
    iou: _FloatArray
    """Intersection over union of each class, ``(n_classes,)``."""
    precision: _FloatArray
    """Fraction of the pixels predicted as a class that are of it, ``(n_classes,)``."""
    recall: _FloatArray
    """Fraction of the pixels of a class that are predicted as it, ``(n_classes,)``."""
    f1: _FloatArray
    """Harmonic mean of precision and recall, which is the Dice coefficient, ``(n_classes,)``."""
    support: _IntArray
    """Pixels of each class in the targets, ``(n_classes,)``."""
    confusion: _IntArray
    """Pixels by target (row) and prediction (column), ``(n_classes, n_predicted)``."""

    @property
    def mRecall(self) -> float:
        """The same as `mAcc`."""
        return self.mAcc

    def to_xarray(self, class_names: Sequence[str] | None = None) -> "xr.Dataset":
        """The scores with names.

        Parameters
        ----------
        class_names : sequence of str, optional
            Names of the classes, ``(n_classes,)``; their indices by default. What is predicted beyond them is
            ``(other)``.

        Returns
        -------
        xarray.Dataset
            ``aAcc``, ``mAcc``, ``mIoU``, ``mPrecision``, ``mF1``; ``iou``, ``precision``, ``recall``, ``f1`` and
            ``support`` (pixels) over ``class_name``; ``confusion`` (pixels) over ``target_class`` and
            ``predicted_class``.

        Raises
        ------
        ValueError
            There is not one name per class.
        """
        import xarray as xr

        n_classes, n_predicted = self.confusion.shape
        names = list(map(str, range(n_classes) if class_names is None else class_names))
        if len(names) != n_classes:
            raise ValueError(f"class_names has {len(names)} names for {n_classes} classes; give one name per class")
        beyond = [OTHER] if n_predicted == n_classes + 1 else [f"{OTHER} {i}" for i in range(n_classes, n_predicted)]
        return xr.Dataset(
            {name: getattr(self, name) for name in ("aAcc", "mAcc", "mIoU", "mPrecision", "mF1")}
            | {name: ("class_name", getattr(self, name)) for name in ("iou", "precision", "recall", "f1", "support")}
            | {"confusion": (("target_class", "predicted_class"), self.confusion)},
            coords={
                "class_name": np.array(names, dtype=str),
                "target_class": np.array(names, dtype=str),
                "predicted_class": np.array(names + beyond, dtype=str),
            },
        )


def score(confusion: ConfusionMatrix | Tensor | npt.ArrayLike, excluded: Collection[int] = ()) -> Scores:
    """Compute all scores from one confusion matrix.

    Parameters
    ----------
    confusion : ConfusionMatrix, or array or tensor of integers
        Pixels by target (row) and prediction (column), ``(n_classes, n_predicted)`` with ``n_predicted >= n_classes``,
        summed over the data set: scores are not averages over images.
    excluded : collection of int
        Classes without scores, which are NaN and in no mean. An ignore index that is a class is among them anyway.

    Returns
    -------
    Scores
        As float64.

    Raises
    ------
    ValueError
        The matrix is of another shape or holds negative or fractional numbers, or an excluded class does not exist.

    Notes
    -----
    A class absent from both prediction and target is NaN and in no mean. One that is absent from the target but
    predicted has recall 0, one that is never predicted precision 0; both have IoU 0 and F1 0. (mmsegmentation leaves
    the recall of the former out of mAcc; semseg's test.py and torchmetrics count it as here.)

    Source: Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, CVPR 2015, section 5.

    Examples
    --------
    >>> score([[3, 1], [0, 4]]).iou.tolist()
    [0.75, 0.8]
    """
    matrix = _checked_matrix(confusion)
    n_classes = len(matrix)
    ignore_index = confusion.ignore_index if isinstance(confusion, ConfusionMatrix) else None
    left_out = set(excluded)
    if not left_out <= set(range(n_classes)):
        raise ValueError(f"excluded: {sorted(left_out)} are not all classes (0…{n_classes - 1})")
    if ignore_index is not None and 0 <= ignore_index < n_classes:
        left_out.add(ignore_index)

    correct = np.diagonal(matrix)
    support = matrix.sum(axis=1)
    predicted = matrix.sum(axis=0)[:n_classes]
    union = support + predicted - correct
    scored = union > 0
    scored[list(left_out)] = False
    iou = _fractions(correct, union, scored)
    precision = _fractions(correct, predicted, scored)
    recall = _fractions(correct, support, scored)
    f1 = _fractions(2 * correct, support + predicted, scored)
    total = int(matrix.sum())
    return Scores(
        aAcc=int(correct.sum()) / total if total else float("nan"),
        mAcc=_mean(recall),
        mIoU=_mean(iou),
        mPrecision=_mean(precision),
        mF1=_mean(f1),
        iou=iou,
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        confusion=matrix,
    )


def _checked_matrix(confusion: ConfusionMatrix | Tensor | npt.ArrayLike) -> _IntArray:
    counts = confusion.matrix if isinstance(confusion, ConfusionMatrix) else confusion
    matrix = counts.numpy(force=True) if isinstance(counts, Tensor) else np.asarray(counts)
    if matrix.ndim != 2 or not 1 <= matrix.shape[0] <= matrix.shape[1]:
        raise ValueError(f"confusion must have shape (n_classes, at least n_classes), not {matrix.shape}")
    if matrix.dtype.kind not in "iu" or matrix.min() < 0:
        raise ValueError(f"confusion must hold counts of pixels, not {matrix.dtype} with values such as {matrix.min()}")
    return matrix.astype(np.int64)


def _fractions(part: _IntArray, whole: _IntArray, scored: npt.NDArray[np.bool_]) -> _FloatArray:
    """``part / whole`` where a class is scored, 0 where its whole is empty, NaN for other classes."""
    fractions = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return np.where(scored, fractions, np.nan)


def _mean(values: _FloatArray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
