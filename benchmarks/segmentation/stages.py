"""Where the time goes: pre-processing, network, combining; measured by clocks around the functions that do each."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from toolkit.segmentation import reference
from toolkit.segmentation.canvas import Canvas
from toolkit.segmentation.execution import PreparedNetwork

STAGES = ("pre-process", "network", "combine")


class Stages:
    """Seconds per stage; what is in no stage's functions is combining (merging, resizing, averaging, argmax, counts).

    The reference's network stage includes the upsampling of logits to the tile, as published networks do; the fast path
    does that, strip by strip, while it combines.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def total(self, work: Callable[[], Any]) -> dict[str, float]:
        """Do the work, and split its seconds."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        with ExitStack() as clocks:
            for stage, owner, name in (
                ("pre-process", Canvas, "__init__"),
                ("pre-process", Canvas, "crop"),
                ("network", PreparedNetwork, "__call__"),
                ("pre-process", reference, "_rescale"),
                ("network", reference, "_logits"),
            ):
                clocks.enter_context(patch.object(owner, name, self._timed(stage, getattr(owner, name))))
            begin = self._now()
            work()
            total = self._now() - begin
        self.seconds["combine"] = total - sum(self.seconds.values())
        return self.seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside as this stage's."""
        begin = self._now()
        yield
        self.seconds[name] += self._now() - begin

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.stage(stage):
                return function(*arguments, **options)

        return timed

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()
