"""The PSPNet of the paper, in the form for which trained weights are published: ``pspnet-resnet50?n_classes=150``.

Sources: Zhao et al. 2017, *Pyramid Scene Parsing Network* (section 3); names of weights, deep stem and dilation as in
semseg (hszhao/semseg 4f274c3, ``model/pspnet.py``, ``model/resnet.py``); He et al. 2016, *Deep Residual Learning*.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolkit.models.definitions import NetworkDefinition
from toolkit.models.names import ModelName
from toolkit.models.recipes import COMMON_OPTIONS, Recipe, option_classes, option_weights, recipe_of

_LAYERS = {"pspnet-resnet50": 50, "pspnet-resnet101": 101}
_OPTIONS = ("n_classes", "width", *COMMON_OPTIONS)
_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_BINS = (1, 2, 3, 6)
_EXPANSION = 4
_DROPOUT = 0.1


def pspnet_recipe(name: ModelName) -> Recipe:
    """A PSPNet: ``n_classes`` (those of ``dataset``, else 150), ``width`` (64; less for quick tests)."""
    name.check_options(_OPTIONS)
    name, weights = option_weights(name)
    arguments = {"n_layers": _LAYERS[name.name], "n_classes": option_classes(name, "n_classes", 150)}
    if "width" in name.options:
        arguments["width"] = name.count("width")
    return recipe_of(name, NetworkDefinition("pspnet", arguments), weights=weights)


class PSPNet(nn.Module):
    """Normalised RGB ``(n, 3, height, width)``, sides 8k + 1 → logits ``(n, n_classes, (height - 1) / 8 + 1, …)``.

    In training mode a pair: those logits, and the auxiliary head's of the same shape (the paper adds its loss with a
    weight of 0.4).

    Parameters
    ----------
    n_layers : int
        50 or 101.
    n_classes : int
        Number of classes: 150 for ADE20K, 21 for PASCAL VOC, 19 for Cityscapes.
    width : int
        Channels of the first residual stage's 3×3 convolutions; all others follow from it. The published weights have
        64; smaller ones make quick networks for tests.
    blocks : sequence of int, optional
        Number of residual blocks of each of the four stages, instead of those that ``n_layers`` has.

    Raises
    ------
    ValueError
        ``n_layers`` is not one of those that exist, or there are no classes.
    """

    size_divisor = 8
    size_remainder = 1
    align_corners = True

    def __init__(
        self, n_layers: int = 50, n_classes: int = 150, *, width: int = 64, blocks: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        if n_layers not in _BLOCKS:
            raise ValueError(f"n_layers must be one of {sorted(_BLOCKS)}, not {n_layers!r}")
        if n_classes < 1:
            raise ValueError(f"n_classes must be at least 1, not {n_classes!r}")
        self.arguments: dict[str, Any] = {"n_layers": n_layers, "n_classes": n_classes}
        self.arguments |= {"width": width} if width != 64 else {}
        self.arguments |= {"blocks": list(blocks)} if blocks is not None else {}
        n_blocks = tuple(blocks or _BLOCKS[n_layers])
        features = 8 * width * _EXPANSION
        self.layer0 = _stem(width)
        self.layer1 = _stage(2 * width, width, n_blocks[0])
        self.layer2 = _stage(width * _EXPANSION, 2 * width, n_blocks[1], stride=2)
        self.layer3 = _stage(2 * width * _EXPANSION, 4 * width, n_blocks[2], dilation=2)
        self.layer4 = _stage(4 * width * _EXPANSION, 8 * width, n_blocks[3], dilation=4)
        self.ppm = _PyramidPooling(features, features // len(_BINS))
        self.cls = _head(2 * features, 8 * width, n_classes)
        self.aux = _head(4 * width * _EXPANSION, 4 * width, n_classes)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        early = self.layer3(self.layer2(self.layer1(self.layer0(image))))
        logits: Tensor = self.cls(self.ppm(self.layer4(early)))
        return (logits, self.aux(early)) if self.training else logits


class _Bottleneck(nn.Module):
    """1×1 reduce, 3×3 (with the stride or dilation), 1×1 expand; and the skip."""

    def __init__(self, n_in: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        n_out = width * _EXPANSION
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, features: Tensor) -> Tensor:
        skip = features if self.downsample is None else self.downsample(features)
        hidden = F.relu(self.bn1(self.conv1(features)), inplace=True)
        hidden = F.relu(self.bn2(self.conv2(hidden)), inplace=True)
        return F.relu(self.bn3(self.conv3(hidden)).add_(skip), inplace=True)


class _PyramidPooling(nn.Module):
    """Means over 1×1, 2×2, 3×3 and 6×6 regions, beside the features themselves."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.features = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(n_bins),
                nn.Conv2d(n_in, n_out, 1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
            )
            for n_bins in _BINS
        )

    def forward(self, features: Tensor) -> Tensor:
        size = features.shape[-2:]
        # A mean of 1×1 forgets how it lay in memory; unless all lie alike, what follows is slower.
        last = features.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        regions = [
            F.interpolate(pooling(features), size, mode="bilinear", align_corners=True).contiguous(memory_format=layout)
            for pooling in self.features
        ]
        return torch.cat([features, *regions], dim=1)


def _stem(width: int) -> nn.Sequential:
    """Three 3×3 convolutions instead of one of 7×7."""
    layers: list[nn.Module] = []
    for n_in, n_out, stride in ((3, width, 2), (width, width, 1), (width, 2 * width, 1)):
        layers += [nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.MaxPool2d(3, stride=2, padding=1))


def _stage(n_in: int, width: int, n_blocks: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    n_out = width * _EXPANSION
    first = _Bottleneck(n_in, width, stride, dilation)
    return nn.Sequential(first, *(_Bottleneck(n_out, width, 1, dilation) for _ in range(n_blocks - 1)))


def _head(n_in: int, width: int, n_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Dropout2d(_DROPOUT),
        nn.Conv2d(width, n_classes, 1),
    )
