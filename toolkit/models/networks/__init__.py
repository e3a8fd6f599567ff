"""The architectures that a bundle may name: one module each, entered in ``ARCHITECTURES``."""

from collections.abc import Callable

from torch import nn

from toolkit.models.networks.deeplabv3_mobilenetv2 import DeepLabV3MobileNetV2

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "deeplabv3-mobilenetv2": DeepLabV3MobileNetV2,
}

__all__ = ["ARCHITECTURES", "DeepLabV3MobileNetV2"]
