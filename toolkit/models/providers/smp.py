"""Networks of segmentation-models-pytorch, before their final upsampling: ``smp:PSPNet/resnet50?classes=150``."""

import inspect
from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn

from toolkit.models.definitions import IMAGENET, NetworkDefinition, Normalization
from toolkit.models.errors import ModelOptionError, UnknownNameError, WeightsError, alternatives
from toolkit.models.names import ModelName
from toolkit.models.providers.hub import REMEDY, reached_or_offline
from toolkit.models.recipes import COMMON_OPTIONS, Recipe, option_classes, option_weights, recipe_of
from toolkit.models.torchvision_operators import define_missing_operators
from toolkit.models.wrapped import WrappedNetwork

_OURS = {"activation", "aux_params", "classes", "encoder_name", "encoder_weights", "in_channels", "upsampling"}
"""Parameters that are set here, or that would make the output something else than logits."""


def smp_recipe(name: ModelName) -> Recipe:
    """A network: ``classes``, ``encoder_weights`` (none), and what else the architecture takes.

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
    n_classes = option_classes(name, "classes", 0)
    if n_classes < 1:
        raise ModelOptionError(f"model {str(name)!r}: say how many classes it has with classes=N, or with dataset=NAME")
    arguments: dict[str, Any] = {"architecture": architecture, "encoder": encoder, "classes": n_classes}
    arguments |= {key: _value(name, key, default) for key, default in settings.items() if key in name.options}
    if architecture == "DPT":
        arguments["dynamic_img_size"] = True  # else it takes one size only
    fetched = weights is None and "encoder_weights" in name.options
    return recipe_of(
        name,
        NetworkDefinition("smp", arguments),
        _normalization(name, encoder),
        weights,
        at_first={"encoder_weights": name.options["encoder_weights"]} if fetched else {},
    )


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
        with reached_or_offline() if encoder_weights else nullcontext("") as unreachable:
            found = get_preprocessing_params(encoder, encoder_weights or "imagenet")
    except OSError as error:
        reason = f"{unreachable}. {REMEDY}" if unreachable else error
        raise WeightsError(f"model {str(name)!r}: its encoder's weights cannot be fetched: {reason}") from error
    except ValueError as error:
        if encoder_weights is None:
            return IMAGENET
        raise name.refusal("encoder_weights", f"among those of {encoder} ({error})") from error
    unit = 255 / found["input_range"][1]
    if found["input_space"] != "RGB":
        raise ModelOptionError(f"model {str(name)!r}: its encoder wants {found['input_space']}, not RGB")
    mean, std = ([round(value * unit, 6) for value in found[key]] for key in ("mean", "std"))
    return Normalization((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


class SmpNetwork(WrappedNetwork):
    """Normalised RGB ``(n, 3, height, width)`` → logits ``(n, classes, h, w)`` at the network's own stride.

    Parameters
    ----------
    architecture : str
        Such as ``"Unet"``, ``"FPN"``, ``"DeepLabV3Plus"``.
    encoder : str
        Such as ``"resnet50"``, or ``"tu-…"`` for timm's.
    classes : int
        Number of classes.
    encoder_weights : str, optional
        Published weights of the encoder, fetched from a hub; None: random.
    **options
        What else the architecture takes.

    Raises
    ------
    ValueError, TypeError, KeyError
        What segmentation-models-pytorch raises where it does not take these arguments.
    """

    def __init__(
        self, architecture: str, encoder: str, classes: int, encoder_weights: str | None = None, **options: Any
    ) -> None:
        define_missing_operators()
        import segmentation_models_pytorch as smp

        with reached_or_offline() if encoder_weights else nullcontext("") as unreachable:
            try:
                network = smp.create_model(architecture, encoder, encoder_weights, classes=classes, **options)
            except OSError as error:
                reason = f"the cache has no weights {encoder_weights!r} of {encoder}, and {unreachable}. {REMEDY}"
                raise (OSError(reason) if unreachable else error) from error
        # Weights of the whole network are kept with it, so whoever builds it again needs none for the encoder.
        super().__init__(network, {"architecture": architecture, "encoder": encoder, "classes": classes, **options})
        self.size_divisor = network.encoder.output_stride if network.requires_divisible_input_shape else 1
        if network.__class__.__name__ == "DPT":
            self.size_divisor *= 2  # it halves its grid of patches once more, and says so nowhere
        self.align_corners = _drop_upsampling(network)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.wrapped(image)
        return logits


def _drop_upsampling(network: nn.Module) -> bool:
    """Leave the last upsampling to whoever uses the logits; returns whether its corners are aligned."""
    head = network.segmentation_head
    upsampling = head[1] if isinstance(head, nn.Sequential) else None
    if not isinstance(head, nn.Sequential) or not isinstance(upsampling, nn.Upsample):
        return False
    head[1] = nn.Identity()
    return bool(upsampling.align_corners)


def smp_architectures() -> dict[str, type[nn.Module]]:
    """The architectures that the installed segmentation-models-pytorch has, by name."""
    define_missing_operators()
    import segmentation_models_pytorch as smp
    from segmentation_models_pytorch.base import SegmentationModel

    found = {name: getattr(smp, name) for name in smp.__all__}
    return {
        name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, SegmentationModel)
    }
