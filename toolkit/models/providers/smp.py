"""segmentation-models-pytorch's networks by name: ``smp:PSPNet/resnet50?classes=150``."""

import inspect
from typing import Any

from torch import nn

from toolkit.models.assembly import COMMON_OPTIONS, assemble, option_dataset, option_weights
from toolkit.models.definitions import IMAGENET, NetworkDefinition, Normalization
from toolkit.models.messages import alternatives
from toolkit.models.model import Model
from toolkit.models.names import ModelName, ModelOptionError, UnknownNameError
from toolkit.models.networks.smp_networks import smp_architectures
from toolkit.models.weights import WeightsError

_OURS = {"activation", "aux_params", "classes", "encoder_name", "encoder_weights", "in_channels", "upsampling"}
"""Parameters that are set here, or that would make the output something else than logits."""


def load_smp(name: ModelName) -> Model:
    """Build a network: ``classes``, ``encoder_weights`` (none), and what else the architecture takes.

    Normalisation is that with which the encoder's weights were trained (timm's encoders: by name), else ImageNet's.
    """
    architecture, network_class, encoder = _architecture(name)
    settings = {
        key: parameter.default
        for key, parameter in inspect.signature(network_class.__init__).parameters.items()
        if key not in _OURS and isinstance(parameter.default, bool | int | float | str | tuple)
    }
    name.check_options(["classes", "encoder_weights", *settings, *COMMON_OPTIONS])
    name, weights = option_weights(name)
    dataset = option_dataset(name)
    n_classes = name.count("classes", len(dataset.class_names) if dataset else 0)
    if n_classes < 1:
        raise ModelOptionError(f"model {str(name)!r}: say how many classes it has with classes=N, or with dataset=NAME")
    arguments: dict[str, Any] = {"architecture": architecture, "encoder": encoder, "classes": n_classes}
    arguments |= {key: _value(name, key, default) for key, default in settings.items() if key in name.options}
    if architecture == "DPT":
        arguments["dynamic_img_size"] = True  # else it takes one size only
    normalization = _normalization(name, encoder)
    if weights is None and "encoder_weights" in name.options:
        arguments["encoder_weights"] = name.options["encoder_weights"]
    return assemble(name, NetworkDefinition("smp", arguments), normalization, weights)


def _architecture(name: ModelName) -> tuple[str, type[nn.Module], str]:
    known = smp_architectures()
    by_lower = {architecture.lower(): architecture for architecture in known}
    given, slash, encoder = name.name.partition("/")
    if given.lower() not in by_lower:
        raise UnknownNameError(
            f"model {str(name)!r}: segmentation-models-pytorch has no architecture {given!r}; it has "
            f"{alternatives(given, known)}"
        )
    from segmentation_models_pytorch.encoders import get_encoder_names

    if not slash or (encoder not in get_encoder_names() and not encoder.startswith("tu-")):
        raise UnknownNameError(
            f"model {str(name)!r}: segmentation-models-pytorch has no encoder {encoder!r}; write ARCHITECTURE/ENCODER, "
            f"where ENCODER is tu- and a network of timm, or one of {alternatives(encoder, get_encoder_names())}"
        )
    architecture = by_lower[given.lower()]
    return architecture, known[architecture], encoder


def _value(name: ModelName, key: str, default: object) -> object:
    """An option's value, of the type of its default."""
    if isinstance(default, bool):
        return name.flag(key)
    if isinstance(default, int):
        return name.count(key)
    if isinstance(default, float):
        return name.number(key)
    if isinstance(default, tuple):
        numbers = name.numbers(key, len(default))
        if not all(number.is_integer() and number > 0 for number in numbers):
            raise name.refusal(key, f"{len(default)} whole numbers above 0")
        return list(map(int, numbers))
    return name.options[key]


def _normalization(name: ModelName, encoder: str) -> Normalization:
    encoder_weights = name.options.get("encoder_weights")
    if encoder_weights is None and not encoder.startswith("tu-"):
        return IMAGENET  # what others say stands on a hub, which must not decide what an offline engine does
    from segmentation_models_pytorch.encoders import get_preprocessing_params

    try:
        found = get_preprocessing_params(encoder, encoder_weights or "imagenet")
    except OSError as error:
        raise WeightsError(f"model {str(name)!r}: its encoder's weights cannot be fetched: {error}") from error
    except ValueError as error:
        if encoder_weights is None:
            return IMAGENET
        raise name.refusal("encoder_weights", f"among those of {encoder} ({error})") from error
    unit = 255 / found["input_range"][1]
    if found["input_space"] != "RGB":
        raise ModelOptionError(f"model {str(name)!r}: its encoder wants {found['input_space']}, not RGB")
    mean, std = ([round(value * unit, 6) for value in found[key]] for key in ("mean", "std"))
    return Normalization((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
