"""torchvision's networks by name: ``torchvision:deeplabv3_resnet50?num_classes=21``."""

from typing import Any

from toolkit.models.assembly import COMMON_OPTIONS, assemble, option_dataset, option_weights
from toolkit.models.definitions import IMAGENET, NetworkDefinition
from toolkit.models.messages import alternatives
from toolkit.models.model import Model
from toolkit.models.names import ModelName, UnknownNameError
from toolkit.models.networks.torchvision_networks import torchvision_network_names
from toolkit.models.weights import Weights, WeightsError

_OPTIONS = ("num_classes", "aux_loss", *COMMON_OPTIONS)
_AUXILIARY = "aux_classifier."


def load_torchvision(name: ModelName) -> Model:
    """Build a network: ``num_classes`` (those of ``dataset``, else 21), ``aux_loss`` (an auxiliary head for training).

    ``weights`` is a file, or the name of weights that torchvision publishes, such as ``DEFAULT``, which are fetched.
    """
    known = torchvision_network_names()
    if name.name not in known:
        raise UnknownNameError(
            f"model {str(name)!r}: torchvision has no segmentation network {name.name!r}; it has "
            f"{alternatives(name.name, known)}"
        )
    has_auxiliary = not name.name.startswith("lraspp")
    name.check_options([option for option in _OPTIONS if has_auxiliary or option != "aux_loss"])
    name, weights = _weights(name)
    dataset = option_dataset(name)
    n_classes = len(dataset.class_names) if dataset else len(weights.class_names) if weights else 0
    arguments: dict[str, Any] = {"name": name.name, "num_classes": name.count("num_classes", n_classes or 21)}
    if name.flag("aux_loss") or (weights and any(key.startswith(_AUXILIARY) for key in weights.tensors)):
        arguments["aux_loss"] = True
    return assemble(name, NetworkDefinition("torchvision", arguments), IMAGENET, weights)


def _weights(name: ModelName) -> tuple[ModelName, Weights | None]:
    from torchvision.models import get_model_weights

    published = get_model_weights(name.name)
    chosen = name.options.get("weights", "")
    if chosen not in published.__members__:
        return option_weights(name)
    return name, _fetched(published[chosen])


def _fetched(published: Any) -> Weights:
    from torch.hub import load_state_dict_from_url

    try:
        tensors = load_state_dict_from_url(published.url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(f"weights {published}: cannot be fetched from {published.url}: {error}") from error
    # Their first class is spelt "__background__".
    return Weights(tensors, tuple(str(category).strip("_") for category in published.meta["categories"]))
