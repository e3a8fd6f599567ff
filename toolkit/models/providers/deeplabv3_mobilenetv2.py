"""DeepLabV3 on MobileNetV2 at output stride 8, batch norms folded into biased convolutions.

Sources: Chen et al. 2017, *Rethinking Atrous Convolution for Semantic Image Segmentation* (image pooling, atrous head);
Sandler et al. 2018, *MobileNetV2*, table 2 (inverted residuals). Layer by layer the graph of the npm package
``@codait/max-image-segmenter`` 0.3.0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# in, out, expansion, stride, dilation of each inverted residual
_BLOCKS = (
    (32, 16, 1, 1, 1),
    (16, 24, 6, 2, 1),
    (24, 24, 6, 1, 1),
    (24, 32, 6, 2, 1),
    *[(32, 32, 6, 1, 1)] * 2,
    (32, 64, 6, 1, 1),
    *[(64, 64, 6, 1, 2)] * 3,
    (64, 96, 6, 1, 2),
    *[(96, 96, 6, 1, 2)] * 2,
    (96, 160, 6, 1, 2),
    *[(160, 160, 6, 1, 4)] * 2,
    (160, 320, 6, 1, 4),
)


class _InvertedResidual(nn.Module):
    """1×1 expand, 3×3 depthwise, 1×1 project; with a skip where shapes allow."""

    def __init__(self, n_in: int, n_out: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        width = n_in * expansion
        self.expand = nn.Conv2d(n_in, width, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, groups=width)
        self.project = nn.Conv2d(width, n_out, 1)
        self.skips = stride == 1 and n_in == n_out

    def forward(self, features: Tensor) -> Tensor:
        hidden = features if self.expand is None else F.relu6(self.expand(features), inplace=True)
        output: Tensor = self.project(F.relu6(self.depthwise(hidden), inplace=True))
        return features + output if self.skips else output


class DeepLabV3MobileNetV2(nn.Module):
    """Normalised RGB ``(n, 3, height, width)`` → logits ``(n, n_classes, ⌈height / 8⌉, ⌈width / 8⌉)``; any size.

    Parameters
    ----------
    n_classes : int
        Number of classes, 21 for PASCAL VOC.
    """

    align_corners = True

    def __init__(self, n_classes: int = 21) -> None:
        super().__init__()
        self.arguments = {"n_classes": n_classes}
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*[_InvertedResidual(*block) for block in _BLOCKS])
        self.image_pooling = nn.Conv2d(320, 256, 1)
        self.aspp0 = nn.Conv2d(320, 256, 1)
        self.concat_projection = nn.Conv2d(512, 256, 1)
        self.logits = nn.Conv2d(256, n_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        features = self.blocks(F.relu6(self.stem(image), inplace=True))
        pooled = F.relu(self.image_pooling(features.mean(dim=(2, 3), keepdim=True))).expand(
            -1, -1, *features.shape[-2:]
        )
        hidden = torch.cat([pooled, F.relu(self.aspp0(features))], dim=1)
        logits: Tensor = self.logits(F.relu(self.concat_projection(hidden)))
        return logits
