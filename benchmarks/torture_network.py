"""A network of which a bundle can be made: three classes by brightness, at a pace that gives time to disturb it."""

import time

import torch
from torch import Tensor, nn


class SlowBrightness(nn.Module):
    """Logits ``(n, 3, height, width)`` of dark, medium and bright; each call takes at least ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.register_buffer("meant", torch.tensor([0.2, 0.5, 0.8]))

    def forward(self, image: Tensor) -> Tensor:
        time.sleep(self.seconds)
        brightness = image.mean(dim=1, keepdim=True)
        meant: Tensor = self.meant  # type: ignore[assignment]
        return -100 * (brightness - meant[:, None, None]) ** 2
