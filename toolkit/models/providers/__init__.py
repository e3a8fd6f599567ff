"""Where networks come from: one module each, entered in ``PROVIDERS`` by the word before the colon of a name."""

from collections.abc import Callable

from toolkit.models.model import Model
from toolkit.models.names import ModelName
from toolkit.models.providers.huggingface import load_huggingface
from toolkit.models.providers.pspnet import PSPNET_NAMES, load_pspnet
from toolkit.models.providers.smp import load_smp
from toolkit.models.providers.torchvision import load_torchvision

PROVIDERS: dict[str, Callable[[ModelName], Model]] = {
    "hf": load_huggingface,
    "smp": load_smp,
    "torchvision": load_torchvision,
}

__all__ = ["PROVIDERS", "PSPNET_NAMES", "load_pspnet"]
