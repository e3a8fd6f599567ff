"""What is segmented, with what, and how: the same for all sides of a comparison."""

import contextlib
import copy
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from toolkit.models import Model, define_missing_operators, load_model
from toolkit.segmentation import Protocol

SCALE_SETS = {1: (1.0,), 2: (0.5, 1.0), 3: (0.75, 1.0, 1.25), 4: (0.5, 0.75, 1.0, 1.25)}
"""The scale sets of the paper on scaling (PROTOCOLS: keras)."""
SIX_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
MODELS = ("built-in", "pspnet", "segformer")


@dataclass(frozen=True)
class Work:
    """One line of a comparison; travels to worker processes as JSON."""

    model: str
    """One of `MODELS`; other than the built-in one, with random weights of a fixed seed."""
    device: str
    """``"cpu"`` or ``"cuda"``."""
    preset: str
    """Name of the protocol."""
    overrides: dict[str, Any]
    """Fields of the protocol."""
    folder: str
    """Where networks that have to be on disk are kept."""

    def protocol(self, **others: Any) -> Protocol:
        """The numerics."""
        return Protocol.preset(self.preset, **{**self.overrides, **others})

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    def load(self) -> Model:
        """The network, on its device."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is known to be untrained
            model = load_model(self._name())
        if self.model == "pspnet":
            model.network.load_state_dict(torch.load(pspnet_weights(Path(self.folder), model)))
        model.network.to(self.device)
        return model

    def _name(self) -> str:
        if self.model == "built-in":
            return "deeplabv3-mobilenetv2-voc"
        if self.model == "pspnet":
            return "pspnet-resnet50?n_classes=150"
        return f"hf:{segformer_folder(Path(self.folder))}"


def pspnet_weights(folder: Path, model: Model) -> Path:
    """Random weights for a PSPNet, made once; as it is, it gives nearly the same logits everywhere (see below)."""
    path = folder / "pspnet.pt"
    if not path.exists():
        network = copy.deepcopy(model.network).train().requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            torch.nn.init.normal_(network.get_submodule("cls.4").weight, std=0.1)
            blobs = F.interpolate(torch.randn(4, 3, 9, 9), (185, 185), mode="bilinear")
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # its mean and deviation are those of the blobs
        network(blobs)
        torch.save(network.state_dict(), path)
    return path


def segformer_folder(folder: Path) -> Path:
    """A SegFormer-B0 of 150 classes with random weights and its image processor, made once."""
    path = folder / "segformer-b0"
    if not (path / "preprocessor_config.json").exists():
        define_missing_operators()
        from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=150)).eval()
            # As it is, a random SegFormer gives nearly the same logits everywhere; a comparison needs differences.
            torch.nn.init.normal_(network.decode_head.classifier.weight, std=1.0)
        network.save_pretrained(path)
        SegformerImageProcessor(size={"height": 512, "width": 512}).save_pretrained(path)
    return path


@contextlib.contextmanager
def quiet() -> Any:
    """Without warnings and progress bars of other packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
