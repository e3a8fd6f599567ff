"""Crops of many tiles, scales, flips and images through the network in full batches; outputs come back in order."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from toolkit.segmentation.execution import PreparedNetwork

Shape = tuple[int, ...]

# On a CPU one crop keeps all cores busy, larger batches were never quicker (benchmarks/segmentation.py), and with a
# constant size the same image gives the same bits whenever it is segmented.
_CANDIDATES = {"cpu": (1,), "cuda": (4, 8, 16, 32, 64)}
_TRIALS = 3
_WORTH = 0.97
"""A larger batch is taken if it needs less than this share of the time per crop."""
_HOPELESS = 4
"""A size that needs so many times as long per crop as the best, twice, is not tried a third time."""
_MOST_UNFILLED = 8
"""After so many batches in a row for which there were not enough crops, larger sizes are no longer tried."""
_FILLED_UP = ("cuda",)
"""Where a batch is filled up to a power of 2: there, what is set up for each new size takes longer than the crops."""
_BATCH_BYTES = {"cpu": 2**25, "cuda": 2**28}
"""Most bytes of a batch of crops, whatever is measured."""


class BatchSize:
    """How many crops of one shape go through the network at once: given, or found while working.

    Parameters
    ----------
    given : int, optional
        The number; None: sizes are tried on the work itself, and the quickest per crop is kept.
    device : torch.device
        Decides which sizes are tried.
    crop_bytes : int
        Bytes of one crop.
    clock : callable
        Seconds.
    """

    def __init__(
        self, given: int | None, device: torch.device, crop_bytes: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        most = max(_BATCH_BYTES.get(device.type, 2**28) // crop_bytes, 1)
        candidates = [size for size in _CANDIDATES.get(device.type, (4, 8, 16, 32)) if size <= most] or [1]
        self._untried = deque([] if given else [size for size in candidates for _ in range(_TRIALS)])
        self._seconds: dict[int, float] = {}
        self._best = given or candidates[0]
        self._device = device
        self._clock = clock
        self._n_unfilled = 0

    @property
    def current(self) -> int:
        """The size that the next batch should have."""
        return self._untried[0] if self._untried else self._best

    def filled_up(self, n_crops: int) -> int:
        """The size of a batch for which there are so many crops, and no more come."""
        if n_crops < self.current:
            self._n_unfilled += 1
            if self._n_unfilled == _MOST_UNFILLED:
                self._untried.clear()
        return 1 << (n_crops - 1).bit_length() if self._device.type in _FILLED_UP else n_crops

    def memory_for(self, crop: Tensor, memory_format: torch.memory_format) -> Tensor:
        """Memory for a batch of crops like this one; where it does not suffice, for half as many."""
        while True:
            try:
                shape = (self.current, *crop.shape)
                return torch.empty(shape, device=crop.device, dtype=crop.dtype, memory_format=memory_format)
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.current == 1:
                    raise
            self._halve(self.current)

    def run(self, network: Callable[[Tensor], Tensor], crops: Tensor) -> Tensor:
        """Call the network; where memory does not suffice, on halves, and from then on with that size.

        Raises
        ------
        torch.OutOfMemoryError, MemoryError
            A single crop is too much.
        """
        try:
            if not self._untried or len(crops) != self.current:
                return network(crops)
            return self._timed(network, crops)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or len(crops) == 1:
                raise
        # Outside the handler: what it holds on to would keep the memory of the failed attempt.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        half = self._halve(len(crops))
        return torch.cat([self.run(network, crops[:half]), self.run(network, crops[half:])])

    def _halve(self, size: int) -> int:
        half = (size + 1) // 2
        self._best = min(self._best, half)
        self._untried.clear()
        return half

    def _timed(self, network: Callable[[Tensor], Tensor], crops: Tensor) -> Tensor:
        begin = self._now()
        outputs = network(crops)
        seconds = (self._now() - begin) / len(crops)
        size = self._untried.popleft()
        self._n_unfilled = 0
        # The first call of a size also pays for what is set up once, and others may be using the machine.
        again = size in self._seconds
        self._seconds[size] = min(seconds, self._seconds.get(size, seconds))
        if again and self._seconds[size] > _HOPELESS * self._seconds[self._best]:
            self._untried.clear()
        elif size not in self._untried and size != self._best:
            if self._seconds[size] < _WORTH * self._seconds[self._best]:
                self._best = size
            else:
                self._untried.clear()  # larger ones will not be quicker either
        return outputs

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return self._clock()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the device or of the machine, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    told = ("DefaultCPUAllocator", "STATUS_ALLOC_FAILED")  # of the CPU; of cuDNN and cuBLAS
    return isinstance(error, RuntimeError) and any(word in str(error) for word in told)


@dataclass
class _Waiting:
    """Crops of one shape that have not been through the network yet."""

    crops: Tensor
    """Memory for a batch ``(batch_size, 3, height, width)``."""
    receivers: list["_Receiver"] = field(default_factory=list)


@dataclass
class _Receiver:
    """One crop's place in the order of things."""

    shape: Shape
    take: Callable[[Tensor], None]
    output: Tensor | None = None


class Batches:
    """Gathers crops into batches, whoever they belong to; gives outputs back in the order of the crops.

    Parameters
    ----------
    network : PreparedNetwork
        Called on batches.
    batch_size : int, optional
        Crops per batch; None: found for each shape while working.
    on_step : callable
        Called after every batch.
    """

    def __init__(
        self, network: PreparedNetwork, batch_size: int | None = None, on_step: Callable[[], None] = lambda: None
    ) -> None:
        self._network = network
        self._on_step = on_step
        self._given = batch_size
        self._sizes: dict[Shape, BatchSize] = {}
        self._waiting: dict[Shape, _Waiting] = {}
        self._order: deque[_Receiver | Callable[[], None]] = deque()

    def add(self, crop: Tensor, take: Callable[[Tensor], None]) -> None:
        """Have a crop ``(3, height, width)`` seen by the network; ``take`` gets its logits ``(n_classes, h, w)``.

        The crop is copied. ``take`` is called in a later call of any of these methods.
        """
        shape = tuple(crop.shape)
        size = self._sizes.setdefault(shape, BatchSize(self._given, crop.device, crop.numel() * crop.element_size()))
        waiting = self._waiting.get(shape)
        if waiting is None:
            waiting = self._waiting[shape] = _Waiting(size.memory_for(crop, self._network.memory_format))
        waiting.crops[len(waiting.receivers)].copy_(crop)
        receiver = _Receiver(shape, take)
        waiting.receivers.append(receiver)
        self._order.append(receiver)
        is_full = len(waiting.receivers) == len(waiting.crops)
        del waiting  # the memory of a batch goes when it has been seen
        if is_full:
            self._run(shape)

    def then(self, action: Callable[[], None]) -> None:
        """Call ``action`` once all crops that were added before have been taken."""
        self._order.append(action)
        self._deliver()

    @property
    def n_waiting(self) -> int:
        """Crops that have not been through the network yet."""
        return sum(len(waiting.receivers) for waiting in self._waiting.values())

    @property
    def size_of_oldest(self) -> int:
        """How many crops the batch takes that the oldest waiting crop belongs to; 0 if none is waiting."""
        oldest = self._oldest()
        return 0 if oldest is None else len(self._waiting[oldest.shape].crops)

    def finish_oldest(self) -> None:
        """Have the batch run that the oldest waiting crop belongs to, full or not."""
        oldest = self._oldest()
        if oldest is not None:
            self._run(oldest.shape)

    def _oldest(self) -> _Receiver | None:
        return next((one for one in self._order if isinstance(one, _Receiver) and one.output is None), None)

    def finish(self) -> None:
        """Have everything run that is waiting."""
        while self._waiting:
            self.finish_oldest()
        self._deliver()

    def clear(self) -> None:
        """Forget everything that was added and not taken."""
        self._waiting.clear()
        self._order.clear()

    def _run(self, shape: Shape) -> None:
        self._see(self._waiting.pop(shape), self._sizes[shape])
        self._on_step()
        self._deliver()

    def _see(self, waiting: _Waiting, size: BatchSize) -> None:
        """Have a batch seen; its memory is free again before the outputs are worked on."""
        n_crops, most = len(waiting.receivers), len(waiting.crops)
        crops = waiting.crops[: most if self._network.fixed_shape else min(size.filled_up(n_crops), most)]
        if len(crops) > n_crops:
            crops[n_crops:] = 0  # the outputs are not used
        outputs = size.run(self._network, crops)
        for receiver, output in zip(waiting.receivers, outputs[:n_crops], strict=True):
            receiver.output = output

    def _deliver(self) -> None:
        while self._order:
            first = self._order[0]
            if isinstance(first, _Receiver):
                if first.output is None:
                    return
                first.take(first.output)
            else:
                first()
            self._order.popleft()
