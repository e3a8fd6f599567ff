"""What an image is made of where not all of its pixels count, or not all alike."""

import numpy as np
import torch
from torch import Tensor

from toolkit.segmentation.pixels import on_device


class Share:
    """Counts, and sums of probabilities, of each row's pixels that count; weighted when all rows are in.

    Counts are whole numbers, so that it does not matter how many rows come at a time, nor in which order.

    Parameters
    ----------
    size : tuple of int
        (height, width) of the image.
    n_classes : int
        Of the network.
    device : torch.device
        Where it computes.
    counted : numpy.ndarray, optional
        Which pixels count, bool ``(height, width)``; all if left out.
    row_weights : numpy.ndarray, optional
        What a pixel of each row counts, float64 ``(height,)``; all the same if left out.
    soft : bool
        Whether the probabilities of all classes are summed, beside the greatest.
    """

    def __init__(
        self,
        size: tuple[int, ...],
        n_classes: int,
        device: torch.device,
        *,
        counted: np.ndarray | None,
        row_weights: np.ndarray | None,
        soft: bool,
    ) -> None:
        if counted is not None and (counted.shape != size or counted.dtype != np.bool_):
            raise ValueError(f"counted must be bool {size}, not {counted.dtype} {counted.shape}")
        height, self._width = size
        self._n_classes = n_classes
        self._counted = None if counted is None else on_device(torch.from_numpy(counted.copy()), device)
        self._row_weights = row_weights
        self._soft = soft
        self._counts = torch.zeros(height, n_classes, dtype=torch.int64, device=device)
        self._greatest = torch.zeros(height, dtype=torch.float64, device=device)
        self._mass = torch.zeros(height if soft else 0, n_classes, dtype=torch.float64, device=device)

    def add_rows(self, rows: slice, labels: Tensor, total: Tensor) -> None:
        """Take in some rows; the same again changes nothing.

        Parameters
        ----------
        rows : slice
            Which.
        labels : torch.Tensor
            Class of each pixel, int64 ``(n_rows, width)``.
        total : torch.Tensor
            Sums of class probabilities ``(n_classes, n_rows, width)``.
        """
        counted = None if self._counted is None else self._counted[rows]
        greatest = total.gather(0, labels[None])[0]
        self._greatest[rows] = _row_sums(greatest, counted)
        if self._soft:
            for index in range(self._n_classes):  # one after the other: all together would be another band
                self._mass[rows, index] = _row_sums(total[index], counted)
        self._counts[rows] = self._row_counts(labels, counted)

    def _row_counts(self, labels: Tensor, counted: Tensor | None) -> Tensor:
        n_rows = len(labels)
        n_bins = n_rows * self._n_classes
        first = torch.arange(n_rows, device=labels.device)[:, None] * self._n_classes
        bins = labels + first
        if counted is not None:
            bins = torch.where(counted, bins, n_bins)
        if labels.device.type == "cpu":
            counts = torch.bincount(bins.flatten(), minlength=n_bins + 1)
        else:  # not bincount: on a GPU it would wait for all that was asked for before
            counts = torch.zeros(n_bins + 1, dtype=torch.int64, device=labels.device)
            counts.scatter_add_(0, bins.flatten(), torch.ones_like(bins).flatten())
        return counts[:n_bins].view(n_rows, self._n_classes)

    def numbers(self) -> list[Tensor]:
        """Counts, and sums of the greatest and of all probabilities, of each row."""
        return [self._counts, self._greatest, self._mass]

    def extent(self, counts: np.ndarray) -> tuple[float, float]:
        """How many pixels count, by their weights, and which share of all pixels that is.

        Parameters
        ----------
        counts : numpy.ndarray
            The first of the `numbers`.
        """
        n_counted = float(self.summed(counts.sum(1)))
        everything = len(counts) if self._row_weights is None else float(self._row_weights.sum())
        return n_counted, 1.0 if self._counted is None else n_counted / (everything * self._width)

    def summed(self, of_rows: np.ndarray) -> np.ndarray:
        """The sum over rows (the first axis) of any of the `numbers`, by their weights."""
        if self._row_weights is None or not len(of_rows):
            return np.asarray(of_rows.sum(0))
        return np.asarray(self._row_weights @ of_rows)


def _row_sums(values: Tensor, counted: Tensor | None) -> Tensor:
    """Sum of each row's values that count, float64 ``(n_rows,)``."""
    if counted is not None:
        values = values * counted
    return values.sum(1, dtype=torch.float64)
