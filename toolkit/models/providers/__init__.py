"""Where networks come from: one module each, with the network's class and a recipe for its names; entered here."""

from collections.abc import Callable

from torch import nn

from toolkit.models.names import ModelName
from toolkit.models.providers.deeplabv3_mobilenetv2 import DeepLabV3MobileNetV2
from toolkit.models.providers.huggingface import HuggingFaceNetwork, huggingface_recipe
from toolkit.models.providers.pspnet import PSPNet, pspnet_recipe
from toolkit.models.providers.smp import SmpNetwork, smp_recipe
from toolkit.models.providers.torchvision import TorchvisionNetwork, torchvision_recipe
from toolkit.models.recipes import Recipe

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "deeplabv3-mobilenetv2": DeepLabV3MobileNetV2,
    "huggingface": HuggingFaceNetwork,
    "pspnet": PSPNet,
    "smp": SmpNetwork,
    "torchvision": TorchvisionNetwork,
}
"""The networks' classes by the names that bundles call them."""

PROVIDERS: dict[str, Callable[[ModelName], Recipe]] = {
    "hf:": huggingface_recipe,
    "pspnet-resnet50": pspnet_recipe,
    "pspnet-resnet101": pspnet_recipe,
    "smp:": smp_recipe,
    "torchvision:": torchvision_recipe,
}
"""Recipes by a whole name without its options, or by what it begins with up to the colon."""
