"""How often each class was taken for each other: exact counts over any number of label maps."""

import torch
from torch import Tensor

from toolkit.arguments import whole_number
from toolkit.evaluation.label_maps import LabelMap, check_ignore_index, matching_tensors

# Pixels per count: on a CPU what fits its cache is twice as fast; an accelerator wants much at once.
_CPU_PIXELS = 2**18
_ACCELERATOR_PIXELS = 2**24


class ConfusionMatrix:
    """Counts of pixels by target and predicted class, summed over label maps.

    Parameters
    ----------
    n_classes : int
        Number of classes of the targets.
    ignore_index : int or None
        Value of the targets that is not counted at all; it may be one of the classes.
    n_predicted : int, optional
        Number of classes of the predictions, at least `n_classes`, which it is by default. Further ones are classes
        that the targets do not know: predicting them is wrong, and is no one's false positive.
    device : str or torch.device, optional
        Where the counts are kept; by default where the first label maps lie.

    Notes
    -----
    Label maps are counted on the device on which they lie, as int64: sums are exact, whatever their order.

    Examples
    --------
    >>> import numpy as np
    >>> confusion = ConfusionMatrix(2)
    >>> confusion.update(prediction=np.array([[0, 1], [1, 1]]), target=np.array([[0, 0], [1, 255]]))
    >>> confusion.matrix.tolist()
    [[1, 1], [0, 1]]
    """

    def __init__(
        self,
        n_classes: int,
        ignore_index: int | None = 255,
        *,
        n_predicted: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        check_ignore_index(ignore_index)
        self.n_classes = whole_number("n_classes", n_classes, least=1)
        self.ignore_index = ignore_index
        n_columns = n_classes if n_predicted is None else n_predicted
        self.n_predicted = whole_number("n_predicted", n_columns, least=n_classes)
        self._keeps_device = device is not None
        self._matrix = torch.zeros(n_classes, self.n_predicted, dtype=torch.int64, device=device or "cpu")

    @property
    def matrix(self) -> Tensor:
        """The counts, int64 ``(n_classes, n_predicted)``: row the target, column the prediction."""
        return self._matrix

    @property
    def n_pixels(self) -> int:
        """Number of pixels that were counted."""
        return int(self._matrix.sum())

    def update(self, prediction: LabelMap, target: LabelMap) -> None:
        """Count the pixels of one label map, or of several in one array.

        Parameters
        ----------
        prediction, target : numpy.ndarray or torch.Tensor
            Class indices, integers of any one shape.

        Raises
        ------
        TypeError
            They do not hold integers.
        ValueError
            Their shapes differ, or a value that is counted is no class. Nothing is counted then.
        """
        prediction, target = matching_tensors(prediction, target)
        counts = torch.zeros(self._matrix.numel(), dtype=torch.int64, device=target.device)
        step = _CPU_PIXELS if target.device.type == "cpu" else _ACCELERATOR_PIXELS
        flat = prediction.reshape(-1), target.reshape(-1)
        for start in range(0, target.numel(), step):
            counts += self._count(*(part[start : start + step].to(torch.int64) for part in flat))
        self._follow(target.device)
        self._matrix += counts.reshape(self._matrix.shape).to(self._matrix.device)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another confusion matrix of the same classes.

        Raises
        ------
        ValueError
            The other counts other classes, or ignores another value.
        """
        own, others = ((it.n_classes, it.n_predicted, it.ignore_index) for it in (self, other))
        if own != others:
            raise ValueError(
                "confusion matrices of different kinds cannot be added: (n_classes, n_predicted, ignore_index) is "
                f"{own} here and {others} there"
            )
        self._follow(other.matrix.device)
        self._matrix += other.matrix.to(self._matrix.device)

    def __add__(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        total = ConfusionMatrix(self.n_classes, self.ignore_index, n_predicted=self.n_predicted)
        total.merge(self)
        total.merge(other)
        return total

    def __repr__(self) -> str:
        return f"<ConfusionMatrix: {self.n_classes} classes, {self.n_pixels:,} pixels>"

    def _count(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Counts ``(n_classes · n_predicted,)`` of pixels given as int64 ``(n,)``."""
        size = self._matrix.numel()
        unknown = (target < 0) | (target >= self.n_classes) | (prediction < 0) | (prediction >= self.n_predicted)
        # One pass: what is unknown and what is ignored have places of their own behind the matrix.
        places = torch.where(unknown, size, target * self.n_predicted + prediction)
        if self.ignore_index is not None:
            places = torch.where(target == self.ignore_index, size + 1, places)
        counts = torch.bincount(places, minlength=size + 2)
        if counts[size]:
            raise self._unknown_value(prediction, target)
        return counts[:size]

    def _unknown_value(self, prediction: Tensor, target: Tensor) -> ValueError:
        counted: Tensor | bool = self.ignore_index is None or target != self.ignore_index
        wrong = target[counted & ((target < 0) | (target >= self.n_classes))]
        if wrong.numel():
            ignored = "" if self.ignore_index is None else f" and not the ignore index {self.ignore_index}"
            return ValueError(
                f"target: value {int(wrong[0])} is not a class (0…{self.n_classes - 1}){ignored}; translate the masks "
                "to class indices, or name their ignore_index"
            )
        wrong = prediction[counted & ((prediction < 0) | (prediction >= self.n_predicted))]
        return ValueError(
            f"prediction: value {int(wrong[0])} is not a class (0…{self.n_predicted - 1}); are these label maps of a "
            f"model with {self.n_predicted} classes?"
        )

    def _follow(self, device: torch.device) -> None:
        """Move to where the label maps lie, unless a device was chosen."""
        if not self._keeps_device:
            self._matrix = self._matrix.to(device)
            self._keeps_device = True
