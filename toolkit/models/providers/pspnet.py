"""The paper's PSPNet by name: ``pspnet-resnet50?n_classes=150&weights=train_epoch_100.pth``."""

from toolkit.models.assembly import COMMON_OPTIONS, assemble, option_dataset, option_weights
from toolkit.models.definitions import IMAGENET, NetworkDefinition
from toolkit.models.model import Model
from toolkit.models.names import ModelName

_N_LAYERS = {"pspnet-resnet50": 50, "pspnet-resnet101": 101}
PSPNET_NAMES = tuple(_N_LAYERS)
_OPTIONS = ("n_classes", "width", *COMMON_OPTIONS)


def load_pspnet(name: ModelName) -> Model:
    """Build a PSPNet: ``n_classes`` (those of ``dataset``, else 150), ``width`` (64; less for quick tests)."""
    name.check_options(_OPTIONS)
    name, weights = option_weights(name)
    dataset = option_dataset(name)
    arguments = {
        "n_layers": _N_LAYERS[name.name],
        "n_classes": name.count("n_classes", len(dataset.class_names) if dataset else 150),
    }
    if "width" in name.options:
        arguments["width"] = name.count("width")
    return assemble(name, NetworkDefinition("pspnet", arguments), IMAGENET, weights)
