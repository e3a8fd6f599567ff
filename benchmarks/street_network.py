"""A compact network that needs to see far, for the slicing study; needs torch only, so that a bundle can hold it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StreetNetwork(nn.Module):
    """Normalised RGB ``(n, 3, height, width)``, sides 8k → logits ``(n, n_classes, height / 4, width / 4)``.

    An encoder of stride 8 whose dilated convolutions reach about 130 pixels to each side, and a decoder with one skip.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    width : int
        Channels after the first convolution; all others follow from it.
    """

    size_divisor = 8

    def __init__(self, n_classes: int, width: int = 16) -> None:
        super().__init__()
        self.arguments = {"n_classes": n_classes, "width": width}
        self.stem = _convolution(3, width, stride=2)
        self.quarter = _convolution(width, 2 * width, stride=2)
        self.eighth = _convolution(2 * width, 4 * width, stride=2)
        self.context = nn.ModuleList(_convolution(4 * width, 4 * width, dilation=rate) for rate in (1, 2, 4, 8))
        self.decoder = _convolution(6 * width, 3 * width)
        self.head = nn.Conv2d(3 * width, n_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        quarter = self.quarter(self.stem(image))
        features = self.eighth(quarter)
        for convolution in self.context:
            features = features + convolution(features)
        features = F.interpolate(features, size=quarter.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.head(self.decoder(torch.cat([features, quarter], dim=1)))
        return logits


def _convolution(n_in: int, n_out: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))
