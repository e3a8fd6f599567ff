"""torchvision's networks (``fcn_*``, ``deeplabv3_*``, ``lraspp_*``) by name, such as ``torchvision:fcn_resnet50``."""

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.request import Request, urlopen

from torch import Tensor

from toolkit.models.definitions import NetworkDefinition
from toolkit.models.errors import UnknownNameError, WeightsError, alternatives
from toolkit.models.names import ModelName
from toolkit.models.recipes import COMMON_OPTIONS, Recipe, option_classes, option_weights, recipe_of
from toolkit.models.torchvision_operators import define_missing_operators
from toolkit.models.weights import Weights
from toolkit.models.wrapped import WrappedNetwork

_OPTIONS = ("num_classes", "aux_loss", *COMMON_OPTIONS)
_PATIENCE = 10.0  # seconds
_AUXILIARY = "aux_classifier."


def torchvision_recipe(name: ModelName) -> Recipe:
    """A network: ``num_classes`` (those of ``dataset``, else 21), ``aux_loss`` (an auxiliary head for training).

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
    n_classes = option_classes(name, "num_classes", (len(weights.class_names) if weights else 0) or 21)
    arguments: dict[str, Any] = {"name": name.name, "num_classes": n_classes}
    if name.flag("aux_loss") or (weights and any(key.startswith(_AUXILIARY) for key in weights.tensors)):
        arguments["aux_loss"] = True
    return recipe_of(name, NetworkDefinition("torchvision", arguments), weights=weights)


def _weights(name: ModelName) -> tuple[ModelName, Weights | None]:
    from torchvision.models import get_model_weights

    published = get_model_weights(name.name)
    chosen = name.options.get("weights", "")
    if chosen not in published.__members__:
        return option_weights(name)
    return name, _fetched(published[chosen])


def _fetched(published: Any) -> Weights:
    from torch.hub import get_dir, load_state_dict_from_url

    kept = Path(get_dir()) / "checkpoints" / PurePosixPath(published.url).name
    try:
        if not kept.is_file():
            # The download itself would wait for a silent network as long as the operating system does.
            urlopen(Request(published.url, method="HEAD"), timeout=_PATIENCE).close()
        tensors = load_state_dict_from_url(published.url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"weights {published}: cannot be fetched from {published.url}: {error}. Connect and try again (a proxy is "
            f"taken from HTTPS_PROXY), put the file at {kept}, or give weights=FILE"
        ) from error
    # Their first class is spelt "__background__".
    return Weights(tensors, tuple(str(category).strip("_") for category in published.meta["categories"]))


class TorchvisionNetwork(WrappedNetwork):
    """Normalised RGB ``(n, 3, height, width)`` → logits ``(n, num_classes, h, w)`` at the network's own stride.

    What torchvision's own ``forward`` gives is this, resized bilinearly without aligned corners. In training mode, with
    an auxiliary head, a pair: those logits and the auxiliary head's.

    Parameters
    ----------
    name : str
        One of `torchvision_network_names`, such as ``"deeplabv3_resnet50"``.
    num_classes : int
        Number of classes.
    aux_loss : bool
        Whether there is an auxiliary head (``fcn_*`` and ``deeplabv3_*`` only).

    Raises
    ------
    ValueError
        torchvision has no such segmentation network.
    """

    def __init__(self, name: str, num_classes: int = 21, *, aux_loss: bool = False) -> None:
        if name not in torchvision_network_names():
            raise ValueError(f"torchvision has no segmentation network {name!r}")
        from torchvision.models import get_model

        arguments: dict[str, Any] = {"num_classes": num_classes} | ({"aux_loss": True} if aux_loss else {})
        network = get_model(name, weights=None, weights_backbone=None, **arguments)
        super().__init__(network, {"name": name, **arguments})

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        features = self.wrapped.backbone(image)
        # LR-ASPP's head takes features of two resolutions, the others' heads one.
        logits: Tensor = self.wrapped.classifier(features.get("out", features))
        if self.training and "aux" in features:
            return logits, self.wrapped.aux_classifier(features["aux"])
        return logits


def torchvision_network_names() -> list[str]:
    """The segmentation networks that the installed torchvision has."""
    define_missing_operators()
    from torchvision.models import list_models, segmentation

    return sorted(list_models(module=segmentation))
