"""Networks of segmentation-models-pytorch: any architecture on any encoder, before their final upsampling."""

from typing import Any

from torch import Tensor, nn

from toolkit.models.networks.wrapped import WrappedNetwork
from toolkit.models.torchvision_operators import define_missing_operators


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

        network = smp.create_model(architecture, encoder, encoder_weights, classes=classes, **options)
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
