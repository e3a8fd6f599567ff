"""The ways in which the slices of an image go through the network: one by one, in threads, in streams, as a batch."""

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from toolkit.arguments import choice
from toolkit.models import Model
from toolkit.segmentation import Execution, Precision, Protocol, SegmentedImage, Segmenter
from toolkit.segmentation.execution import MAX_BATCH_SIZE, device_of

Way = Literal["one by one", "threads", "streams", "batch"]
"""``"one by one"``: each slice has all cores, or the whole GPU; ``"threads"``: slices run in parallel on a CPU, each on
one core; ``"streams"``: slices run in parallel on a GPU; ``"batch"``: all slices of an image in one call."""

_ONLY_ON = {"threads": "cpu", "streams": "cuda"}
_N_STREAMS = 4


def ways_on(device: torch.device) -> tuple[Way, ...]:
    """The ways that there are on a device."""
    return tuple(way for way in get_args(Way) if _ONLY_ON.get(way, device.type) == device.type)


def checked_way(way: object, device: torch.device) -> Way:
    """The way, if there is such a one on a device.

    Raises
    ------
    ValueError
        There is not; the message says which there are.
    """
    return choice(f"way to segment slices on {device}", way, ways_on(device))


class SlicedSegmenter(AbstractContextManager["SlicedSegmenter"]):
    """Segments images slice by slice, in one of the ways. The way changes speed and memory, not the numerics.

    Parameters
    ----------
    model : Model
        From `load_model`, on the device that shall compute. In the way ``"threads"`` its network is called by several
        threads at a time, so that it must keep nothing between its layers but what it returns.
    protocol : Protocol
        Its mode is ``"slices"``.
    way : str
        ``"one by one"``, ``"threads"`` (CPU), ``"streams"`` (GPU) or ``"batch"``.
    precision : str
        Arithmetic inside the network, as for `segment_image`.

    Raises
    ------
    ValueError
        The protocol has another mode, or the way or the precision is none that the device has.

    Notes
    -----
    Leave the ``with`` block, or call `close`, to end the threads.

    Examples
    --------
    >>> protocol = Protocol(mode="slices", slices=(2, 2), slice_overlap=0.1)
    >>> with SlicedSegmenter(model, protocol, "threads") as segmenter:  # doctest: +SKIP
    ...     segmenter.segment(pixels).labels
    """

    def __init__(self, model: Model, protocol: Protocol, way: Way, *, precision: Precision = "float32") -> None:
        if protocol.mode != "slices":
            raise ValueError(f"protocol.mode={protocol.mode!r} cuts no slices; choose mode='slices'")
        device = device_of(model)
        checked_way(way, device)
        self._n_threads = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        if way == "threads":
            self._pool = ThreadPoolExecutor(
                self._n_threads, thread_name_prefix="slice", initializer=torch.set_num_threads, initargs=(1,)
            )
            model = replace(model, network=_InThreads(model.network, self._pool).eval())
        elif way == "streams":
            model = replace(model, network=_InStreams(model.network, device).eval())
        n_slices = math.prod(protocol.slices) * (2 if protocol.flip else 1)
        batch_size = 1 if way == "one by one" else min(n_slices, MAX_BATCH_SIZE)
        execution = Execution(precision=precision, batch_size=batch_size)
        self._segmenter = Segmenter(model, protocol, execution=execution)

    def segment(self, pixels: np.ndarray) -> SegmentedImage:
        """Segment one image.

        Parameters
        ----------
        pixels : numpy.ndarray
            uint8 ``(height, width, 3)``, RGB.

        Returns
        -------
        SegmentedImage
            Label map, composition and confidence.

        Raises
        ------
        MemoryError
            The image needs more memory than there is.
        ArithmeticError
            The network gave values that are not finite.
        """
        try:
            result = self._segmenter.add(pixels)
            self._segmenter.finish()
        except BaseException:
            self._segmenter.reset()
            raise
        return result.result()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            # What they were told holds for threads to come, too.
            torch.set_num_threads(self._n_threads)

    def __exit__(self, *_: object) -> None:
        self.close()


class _InThreads(nn.Module):
    """A network that sees each crop of a batch in a thread."""

    def __init__(self, network: nn.Module, pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self.network = network
        self._pool = pool

    def forward(self, crops: Tensor) -> Tensor:
        # Inference mode and mixed precision are set thread by thread.
        reduced = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        return torch.cat(list(self._pool.map(functools.partial(_call, self.network, reduced), torch.split(crops, 1))))


def _call(network: nn.Module, reduced: torch.dtype | None, crop: Tensor) -> Tensor:
    with torch.inference_mode(), torch.autocast("cpu", reduced, enabled=reduced is not None):
        logits: Tensor = network(crop)
    return logits


class _InStreams(nn.Module):
    """A network that sees each crop of a batch in one of several streams of a GPU."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self._device = device
        self._streams = [torch.cuda.Stream(device) for _ in range(_N_STREAMS)]  # type: ignore[no-untyped-call]

    def forward(self, crops: Tensor) -> Tensor:
        main = torch.cuda.current_stream(self._device)
        outputs: list[Tensor] = []
        for number, crop in enumerate(torch.split(crops, 1)):
            stream = self._streams[number % _N_STREAMS]
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                outputs.append(self.network(crop))
            outputs[-1].record_stream(main)  # its memory is not given to others while the main stream reads it
        for stream in self._streams:
            main.wait_stream(stream)
        return torch.cat(outputs)
