"""Networks that take a given time for an image, or wait to be let through, and next to nothing of the machine.

This file needs torch only, so that bundles can hold it.
"""

import itertools
import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn

GATE_VARIABLE = "SEGSCAPE_TESTING_GATE"
"""The environment's name for the folder of a `toolkit.testing.gate.Gate`; engines inherit it."""

OPEN = 10**9
"""How many images are let through by a gate that is open."""


class SleepingNetwork(nn.Module):
    """Sleeps, and calls every pixel the first of two classes.

    Parameters
    ----------
    seconds : float
        How long a call takes, for each image.
    slow : float
        Every second process takes so many times longer, by its process id.
    """

    def __init__(self, seconds: float = 0.1, slow: float = 1.0) -> None:
        super().__init__()
        self.seconds = seconds * (slow if os.getpid() % 2 else 1.0)
        self.bias = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(n, 2, h, w)`` of images ``(n, 3, h, w)``."""
        time.sleep(self.seconds * len(image))
        return self.bias.view(1, 2, 1, 1).expand(len(image), 2, *image.shape[-2:])


class WaitingNetwork(nn.Module):
    """Tells dark, medium and bright apart; where there is a gate, it waits with every image until that is let through.

    Whether there is one is looked up at every call. Noise and blackness, with which networks are tried out, pass.

    Parameters
    ----------
    seconds : float
        How long a call takes besides, at least.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.register_buffer("meant", torch.tensor([0.2, 0.5, 0.8]))

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(n, 3, h, w)`` of images ``(n, 3, h, w)`` in [0, 1]."""
        gate = os.environ.get(GATE_VARIABLE)
        if gate and image.min() >= 0 and image.max() > 0:
            _pass(Path(gate))
        time.sleep(self.seconds)
        brightness = image.mean(dim=1, keepdim=True)
        meant: Tensor = self.meant  # type: ignore[assignment]
        return -100 * (brightness - meant[:, None, None]) ** 2


def _pass(gate: Path) -> None:
    """Draw the next number of all processes together, and wait until so many are let through."""
    for number in itertools.count():
        try:
            with (gate / f"{number:06}").open("x") as ticket:
                ticket.write(str(os.getpid()))
            break
        except FileExistsError:
            continue
    while number >= int((gate / "let_through").read_text()):
        time.sleep(0.01)
