"""torchvision's segmentation networks (``fcn_*``, ``deeplabv3_*``, ``lraspp_*``), before their final upsampling."""

from typing import Any

from torch import Tensor

from toolkit.models.networks.wrapped import WrappedNetwork
from toolkit.models.torchvision_operators import define_missing_operators


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
