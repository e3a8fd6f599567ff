"""torch as it is when nobody has set anything: what other code of the process sets must not change a result.

What torch keeps for each thread (autocast, the default device, inference mode) is set aside for this thread only. What
it keeps once for all threads is put back when the last thread has left; where nothing is set, nothing is touched.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch

_AUTOCASTING = ("cpu", "cuda")
_USUAL_PRECISIONS = ("none", "ieee")


class _OfAllThreads:
    """Settings that torch has once for all threads, held at their usual values while anyone is within."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_within = 0
        self._restore: list[Callable[[], None]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if self._n_within == 0:
                self._restore = [*_usual_dtype(), *_usual_precisions()]
            self._n_within += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_within -= 1
                if self._n_within == 0:
                    for restore in self._restore:
                        restore()


_OF_ALL_THREADS = _OfAllThreads()


def _usual_dtype() -> Iterator[Callable[[], None]]:
    dtype = torch.get_default_dtype()
    if dtype != torch.float32:
        torch.set_default_dtype(torch.float32)
        yield partial(torch.set_default_dtype, dtype)


def _usual_precisions() -> Iterator[Callable[[], None]]:
    """Full float32 on the CPU, of which a matrix product or convolution may otherwise have fewer bits."""
    above = torch.backends.mkldnn.fp32_precision
    for kind in ("conv", "matmul", "rnn"):
        backend = getattr(torch.backends.mkldnn, kind)
        precision = backend.fp32_precision
        if precision not in _USUAL_PRECISIONS:
            backend.fp32_precision = "ieee"
            # "none": as what stands above says.
            yield partial(setattr, backend, "fp32_precision", "none" if precision == above else precision)


@contextmanager
def usual_torch() -> Iterator[None]:
    """Within, and in functions that it decorates, torch computes as if nobody had set anything.

    That is: tensors are float32 and on the CPU unless asked for otherwise, no autocast and no inference mode is on, and
    float32 is float32. What is left as it is only concerns the order of sums, that is, the last digits: the number of
    threads, oneDNN, deterministic algorithms.
    """
    with ExitStack() as stack:
        stack.enter_context(_OF_ALL_THREADS.held())
        for kind in _AUTOCASTING:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
        yield
