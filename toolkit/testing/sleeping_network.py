"""A network that takes a given time for an image, and next to nothing of the machine: the rest is orchestration."""

import os
import time

import torch
from torch import Tensor, nn


class SleepingNetwork(nn.Module):
    """Sleeps, and calls every pixel the first of two classes.

    Parameters
    ----------
    seconds : float
        How long a call takes.
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
