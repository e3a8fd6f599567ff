"""A model on an engine, whoever asks: loaded once per process, brought there where need be, and watched at work."""

from toolkit.engines.hosting.delivery import Deliveries, ModelDeliveryError
from toolkit.engines.hosting.host import Host, this_host
from toolkit.engines.hosting.models import LacksModel, NoModelError, hosted_model

__all__ = [
    "Deliveries",
    "Host",
    "LacksModel",
    "ModelDeliveryError",
    "NoModelError",
    "hosted_model",
    "this_host",
]
