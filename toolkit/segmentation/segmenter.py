"""Images → label maps and compositions, with batches that span images."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from toolkit.models import Model
from toolkit.models.usual_torch import usual_torch
from toolkit.segmentation.allocation import keep_memory
from toolkit.segmentation.batching import Batches
from toolkit.segmentation.execution import Execution, PreparedNetwork, float32_arithmetic
from toolkit.segmentation.fused import is_pixel_by_pixel, is_possible, summarise, warm_up
from toolkit.segmentation.image import ImageOnItsWay
from toolkit.segmentation.memory import bytes_needed
from toolkit.segmentation.pixels import checked_pixels, on_device, tensor_of
from toolkit.segmentation.protocol import Protocol

# So many images may wait for a batch to fill up before it is run as it is; on a GPU, as many as a batch has crops.
_MOST_IMAGES_WAITING = 4
_WAITING_FOR_FULL_BATCHES = ("cuda",)

# Bytes for which nobody need look how much memory is free.
_SMALL = 2**27


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """What one image is made of."""

    labels: np.ndarray
    """Label map: class index per pixel, uint8 (uint16 above 256 classes) ``(height, width)``."""
    composition: np.ndarray
    """Fraction of the pixels in each class, float64 ``(n_classes,)``, summing to 1."""
    confidence: float
    """Mean over the pixels of the greatest class probability, in (0, 1]: low where the model is at a loss."""
    soft_composition: np.ndarray | None = None
    """Mean class probability, float64 ``(n_classes,)``, summing to 1; None unless it was asked for."""


class Segmenter:
    """A model and a protocol at work; images go in one after another, results come back in the same order.

    Parameters
    ----------
    model : Model
        From `load_model`, on the device that shall compute.
    protocol : Protocol
        The numerics.
    execution : Execution
        Precision, compilation, batch size.
    soft_composition : bool
        Whether the mean class probabilities are computed too.
    on_step : callable
        Called after every call of the network, to show that work goes on.

    Raises
    ------
    ValueError
        The precision is not one that the device has.
    """

    @usual_torch()
    def __init__(
        self,
        model: Model,
        protocol: Protocol,
        *,
        execution: Execution | None = None,
        soft_composition: bool = False,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        execution = Execution() if execution is None else execution
        self._model = model
        self._protocol = protocol
        self._soft = soft_composition
        self._network = PreparedNetwork(model, execution)
        if self._network.device.type == "cpu":
            keep_memory()
            if is_possible(self._network.device):
                warm_up()
        self._batch_size = execution.batch_size
        self._batches = Batches(self._network, execution.batch_size, on_step)
        self._under_way: deque[_Summary] = deque()
        self._output_stride: float | None = None

    @usual_torch()
    @torch.inference_mode()
    def add(self, pixels: np.ndarray) -> "Future[SegmentedImage]":
        """Segment an image; its result may only be there after a later call.

        Parameters
        ----------
        pixels : numpy.ndarray
            uint8 ``(height, width, 3)``, RGB.

        Returns
        -------
        concurrent.futures.Future
            Done, at the latest, after `finish`. Raises ArithmeticError if the network gave values that are not finite.

        Raises
        ------
        TypeError, ValueError
            The pixels are of another type or shape than they must be.
        MemoryError
            The image needs more memory than there is.
        Exception
            What the network raised; this image or one that shared a batch with it is the cause. Call `reset`, and try
            each that is not done alone.
        """
        self._check_memory(checked_pixels(pixels))
        summary = _Summary(pixels.shape[:2], self._model, self._soft, self._network.device)
        image = ImageOnItsWay(_uploaded(pixels, self._network.device), self._model, self._protocol, summary.add_rows)
        summary.n_passes = image.n_passes
        self._under_way.append(summary)
        with float32_arithmetic(self._network.device):
            image.send_through(self._batches)
            self._batches.then(summary.end)
            while self._n_waiting() > self._most_waiting():
                self._batches.finish_oldest()
        self._report(most_behind=1)
        return summary.result

    @usual_torch()
    @torch.inference_mode()
    def finish(self) -> None:
        """Have all results come."""
        with float32_arithmetic(self._network.device):
            self._batches.finish()
        self._report(most_behind=0)

    def reset(self) -> None:
        """Forget all images whose results are not there; their futures are cancelled."""
        self._batches.clear()
        for summary in self._under_way:
            summary.result.cancel()
        self._under_way.clear()

    def _n_waiting(self) -> int:
        return sum(not summary.ended for summary in self._under_way)

    def _most_waiting(self) -> int:
        patient = self._network.device.type in _WAITING_FOR_FULL_BATCHES
        return max(_MOST_IMAGES_WAITING, self._batches.size_of_oldest if patient else 0)

    def _report(self, most_behind: int) -> None:
        """Hand over what has ended. A GPU computes behind our back: the last image's numbers may not be here yet."""
        behind = most_behind if self._network.device.type == "cuda" else 0
        while self._under_way and self._under_way[0].ended:
            if sum(summary.ended for summary in self._under_way) <= behind:
                return
            self._under_way.popleft().report()

    def _check_memory(self, pixels: np.ndarray) -> None:
        """Refuse what would have the operating system kill this process; a GPU says so itself."""
        if self._network.device.type != "cpu":
            return
        import psutil

        height, width = pixels.shape[:2]
        if self._output_stride is None:
            side = self._model.round_up(64)
            # Not the network that may be compiled, which would be compiled once more for this size.
            logits = PreparedNetwork(self._model, Execution())(torch.zeros(1, 3, side, side))
            self._output_stride = side / max(logits.shape[-2:])
        needed = bytes_needed(
            height,
            width,
            self._model,
            self._protocol,
            output_stride=self._output_stride,
            batch_size=self._batch_size or 1,
        )
        if needed < _SMALL:
            return
        free = psutil.virtual_memory().available
        if needed > free:
            raise MemoryError(
                f"{height} × {width} pixels take {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
                "use smaller scales or fewer engines"
            )


class _Summary:
    """The result of one image, as its rows come in."""

    def __init__(
        self,
        size: tuple[int, ...],
        model: Model,
        soft: bool,
        device: torch.device,
    ) -> None:
        dtype = torch.uint8 if model.n_classes <= 256 else torch.uint16
        self.ended = False
        self.n_passes = 1
        self._name = model.name
        self.result: Future[SegmentedImage] = Future()
        self._soft = soft
        on_gpu = device.type == "cuda"
        self._labels = torch.empty(size, dtype=dtype, pin_memory=on_gpu)
        self._counts = torch.zeros(model.n_classes, dtype=torch.int64, device=device)
        # Row by row, so that it does not matter how many are added at a time.
        self._greatest = torch.zeros(size[0], dtype=torch.float64, device=device)
        self._mass = torch.zeros(size[0] if soft else 0, model.n_classes, dtype=torch.float64, device=device)
        self._numbers: list[Tensor] = []
        self._arrived = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]

    def add_rows(self, rows: slice, total: Tensor) -> None:
        """Take in the sum of the class probabilities of some rows ``(n_classes, n_rows, width)``."""
        if is_pixel_by_pixel(total):
            labels, greatest, mass = (torch.from_numpy(found) for found in summarise(total, soft=self._soft))
            labels = labels.int()
        else:
            values, labels = total.max(0)
            greatest = values.sum(1, dtype=torch.float64)
            mass = total.sum(2, dtype=torch.float64).T if self._soft else self._mass
        self._greatest[rows] = greatest
        if self._soft:
            self._mass[rows] = mass
        self._labels[rows].copy_(labels.to(self._labels.dtype), non_blocking=True)
        self._counts += _counts(labels, len(self._counts))  # last: what fails for lack of memory is done again

    def end(self) -> None:
        """All rows are in."""
        self._numbers = [self._counts, self._greatest.sum(), self._mass.sum(0)]
        if self._arrived is not None:
            self._numbers = [numbers.to("cpu", non_blocking=True) for numbers in self._numbers]
            self._arrived.record()
        self.ended = True

    def report(self) -> None:
        """Wait for the numbers if need be, and make them the result."""
        if self._arrived is not None:
            self._arrived.synchronize()
        counts, greatest, mass = (numbers.numpy() for numbers in self._numbers)
        n_pixels = self._labels.numel()
        confidence = float(greatest) / (n_pixels * self.n_passes)
        if not np.isfinite(confidence):
            reason = f"{self._name} gave values that are not finite; are its weights and normalisation right?"
            self.result.set_exception(ArithmeticError(reason))
            return
        segmented = SegmentedImage(
            labels=self._labels.numpy(),
            composition=counts / n_pixels,
            confidence=confidence,
            soft_composition=mass / (n_pixels * self.n_passes) if self._soft else None,
        )
        self.result.set_result(segmented)


def _counts(labels: Tensor, n_classes: int) -> Tensor:
    """How often each class occurs, int64 ``(n_classes,)``."""
    if labels.device.type == "cpu":
        return torch.bincount(labels.flatten(), minlength=n_classes)
    # Not bincount: on a GPU it would wait for all that was asked for before.
    zeros = torch.zeros(n_classes, dtype=torch.int64, device=labels.device)
    return zeros.scatter_add_(0, labels.flatten(), torch.ones_like(labels).flatten())


def _uploaded(pixels: np.ndarray, device: torch.device) -> Tensor:
    """The pixels on the device, uint8 ``(3, height, width)``."""
    return on_device(tensor_of(pixels), device).permute(2, 0, 1).contiguous()
