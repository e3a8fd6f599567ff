"""Tiles back into an image: one accumulator per scale, folded into the running mean and let go."""

import torch
import torch.nn.functional as F
from torch import Tensor

from toolkit.segmentation.protocol import Protocol
from toolkit.segmentation.tiles import Level, Tile

GAUSSIAN_SIGMA = 1 / 8
"""Standard deviation of the gaussian blend in crops (MONAI's default)."""
GAUSSIAN_FLOOR = 1e-3
"""Least weight of a tile's pixel (MONAI's default), so that no pixel is divided by zero."""


def tile_weight(crop: tuple[int, int], protocol: Protocol, device: torch.device) -> Tensor:
    """Weight of each pixel of a tile ``(height, width)``, float32."""
    if protocol.blend == "constant":
        return torch.ones(crop, device=device)
    rows, columns = (_gaussian(side, device) for side in crop)
    return torch.outer(rows, columns).clamp_(min=GAUSSIAN_FLOOR)


def _gaussian(side: int, device: torch.device) -> Tensor:
    distance = torch.arange(side, device=device, dtype=torch.float32) - (side - 1) / 2
    return torch.exp(-0.5 * (distance / (side * GAUSSIAN_SIGMA)) ** 2)


class LevelAccumulator:
    """Weighted mean of one level's tile outputs, in place.

    Parameters
    ----------
    level : Level
        Whose tiles will be added.
    n_classes : int
        Channels of the outputs.
    protocol : Protocol
        Its blend and merge space.
    device : torch.device
        Where the outputs lie.
    """

    def __init__(self, level: Level, n_classes: int, protocol: Protocol, device: torch.device) -> None:
        self.level = level
        self._protocol = protocol
        self._weight = tile_weight(level.crop, protocol, device)
        self._sum = torch.zeros(n_classes, *level.canvas, device=device)
        self._total_weight = torch.zeros(level.canvas, device=device)

    def add(self, tile: Tile, output: Tensor) -> None:
        """Add one tile's output ``(n_classes, crop_height, crop_width)``, in the merge space and not mirrored."""
        self._sum[:, tile.rows, tile.columns].addcmul_(output, self._weight)
        self._total_weight[tile.rows, tile.columns] += self._weight

    def fold_into(self, total: Tensor) -> None:
        """Resize the mean to the image's size and add its probabilities to ``total`` ``(n_classes, height, width)``."""
        level = self.level
        mean = self._sum.div_(self._total_weight)
        mean = mean[:, level.top : level.top + level.height, level.left : level.left + level.width]
        if mean.shape != total.shape:
            mean = F.interpolate(mean[None], size=total.shape[-2:], mode="bilinear", align_corners=False)[0]
        total += mean.softmax(0) if self._protocol.merge == "logits" else mean
