"""The architectures that a bundle may name: one module each, entered in ``ARCHITECTURES``."""

from collections.abc import Callable

from torch import nn

from toolkit.models.networks.deeplabv3_mobilenetv2 import DeepLabV3MobileNetV2
from toolkit.models.networks.huggingface_networks import HuggingFaceNetwork
from toolkit.models.networks.pspnet import PSPNet
from toolkit.models.networks.smp_networks import SmpNetwork
from toolkit.models.networks.torchvision_networks import TorchvisionNetwork

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "deeplabv3-mobilenetv2": DeepLabV3MobileNetV2,
    "huggingface": HuggingFaceNetwork,
    "pspnet": PSPNet,
    "smp": SmpNetwork,
    "torchvision": TorchvisionNetwork,
}

__all__ = [
    "ARCHITECTURES",
    "DeepLabV3MobileNetV2",
    "HuggingFaceNetwork",
    "PSPNet",
    "SmpNetwork",
    "TorchvisionNetwork",
]
