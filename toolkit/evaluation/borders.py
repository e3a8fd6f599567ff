"""How wrong label maps are near the borders of classes, where tiles and rescaling do their damage."""

import torch
from torch import Tensor

from toolkit.arguments import whole_number
from toolkit.evaluation.label_maps import LabelMap, check_ignore_index, matching_tensors


class BorderError:
    """Fraction of wrong pixels near the borders between classes of the target, summed over label maps.

    Parameters
    ----------
    width : int
        Pixels on each side of a border that count as near: 1 means those that touch it.
    ignore_index : int or None
        Value of the targets that is not counted. Where it begins is a border too: data sets such as PASCAL VOC draw it
        along the outlines of things.

    Notes
    -----
    A pixel touches a border if one of its four neighbours has another value; a pixel is near if one that touches the
    border lies at most ``width - 1`` rows and columns away. The value is 1 − the trimap accuracy of Kohli, Ladický and
    Torr, Robust higher order potentials for enforcing label consistency, IJCV 2009, section 4.3.

    Examples
    --------
    >>> import numpy as np
    >>> errors = BorderError(width=1)
    >>> errors.update(prediction=np.array([[0, 0, 0, 1]]), target=np.array([[0, 0, 1, 1]]))
    >>> errors.value
    0.5
    """

    def __init__(self, width: int = 3, ignore_index: int | None = 255) -> None:
        check_ignore_index(ignore_index)
        self.width = whole_number("width", width, least=1)
        self.ignore_index = ignore_index
        self.n_wrong = 0
        self.n_pixels = 0

    @property
    def value(self) -> float:
        """Wrong pixels per pixel near borders; NaN if there are none."""
        return self.n_wrong / self.n_pixels if self.n_pixels else float("nan")

    def update(self, prediction: LabelMap, target: LabelMap) -> None:
        """Count one label map, or several of one size.

        Parameters
        ----------
        prediction, target : numpy.ndarray or torch.Tensor
            Class indices ``(..., height, width)``.

        Raises
        ------
        TypeError
            They do not hold integers.
        ValueError
            Their shapes differ or have fewer than two axes.
        """
        prediction, target = matching_tensors(prediction, target)
        if target.ndim < 2:
            raise ValueError(f"label maps must have shape (..., height, width), not {tuple(target.shape)}")
        near = _near_borders(target, self.width)
        if self.ignore_index is not None:
            near &= target != self.ignore_index
        self.n_pixels += int(near.sum())
        self.n_wrong += int((near & (prediction != target)).sum())

    def merge(self, other: "BorderError") -> None:
        """Add the counts of another one of the same kind.

        Raises
        ------
        ValueError
            The other has another width or ignores another value.
        """
        own, others = ((it.width, it.ignore_index) for it in (self, other))
        if own != others:
            raise ValueError(f"border errors with (width, ignore_index) {own} and {others} cannot be added")
        self.n_wrong += other.n_wrong
        self.n_pixels += other.n_pixels

    def __repr__(self) -> str:
        return f"<BorderError: {self.value:.4f} of {self.n_pixels:,} pixels within {self.width} of a border>"


def border_error(prediction: LabelMap, target: LabelMap, width: int = 3, ignore_index: int | None = 255) -> float:
    """Fraction of wrong pixels near the borders of one target; NaN if it has none. Parameters as for `BorderError`."""
    errors = BorderError(width, ignore_index)
    errors.update(prediction, target)
    return errors.value


def _near_borders(labels: Tensor, width: int) -> Tensor:
    """Bool of the same shape as the labels ``(..., height, width)``."""
    near = torch.zeros_like(labels, dtype=torch.bool)
    for axis in (-2, -1):
        before, after = _neighbours(labels, axis, 1)
        differs = before != after
        for part in _neighbours(near, axis, 1):
            part |= differs
    for axis in (-2, -1):
        touching = near.clone()
        for distance in range(1, min(width, labels.shape[axis])):
            before, after = _neighbours(touching, axis, distance)
            near_before, near_after = _neighbours(near, axis, distance)
            near_before |= after
            near_after |= before
    return near


def _neighbours(values: Tensor, axis: int, distance: int) -> tuple[Tensor, Tensor]:
    """Views of the values that have another one so far behind them, and of those others."""
    n_pairs = max(values.shape[axis] - distance, 0)
    return values.narrow(axis, 0, n_pairs), values.narrow(axis, values.shape[axis] - n_pairs, n_pairs)
