"""segmentation-models-pytorch's networks: what they give is what its own forward gives before its upsampling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from toolkit.models import Model, ModelOptionError, UnknownNameError, WeightsError, load_model
from toolkit.models.definitions import IMAGENET
from toolkit.models.providers import SmpNetwork
from toolkit.models.torchvision_operators import define_missing_operators

MakeNoise = Callable[..., Tensor]

pytestmark = pytest.mark.filterwarnings("ignore::toolkit.models.UntrainedNetworkWarning")


@pytest.fixture(scope="module")
def small() -> Model:
    return load_model("smp:FPN/resnet18?classes=4&decoder_pyramid_channels=32&decoder_segmentation_channels=32")


@pytest.mark.parametrize(
    ("name", "divisor"),
    [
        ("PSPNet/resnet18?classes=3&psp_out_channels=32", 8),
        ("Unet/resnet18?classes=3", 1),
        ("DeepLabV3Plus/mobilenet_v2?classes=3&decoder_channels=16", 16),
        ("Segformer/mit_b0?classes=3&decoder_segmentation_channels=16", 32),
        ("FPN/tu-resnet18?classes=3", 32),
        ("DPT/tu-vit_tiny_patch16_224?classes=3&decoder_fusion_channels=16", 32),
    ],
)
def test_upsampled_logits_equal_its_own_and_the_sizes_are_those_it_takes(
    name: str, divisor: int, noise: MakeNoise
) -> None:
    define_missing_operators()
    import segmentation_models_pytorch as smp

    model = load_model(f"smp:{name}")
    assert (model.size_divisor, model.size_remainder) == (divisor, 0)
    side = model.round_up(65)
    arguments = dict(model.network.arguments)
    architecture, encoder = arguments.pop("architecture"), arguments.pop("encoder")
    own = smp.create_model(architecture, encoder, encoder_weights=None, **arguments).eval()
    own.load_state_dict(model.network.wrapped.state_dict())
    with torch.inference_mode():
        logits = model.network(noise(side, side))
        upsampled = F.interpolate(logits, (side, side), mode="bilinear", align_corners=model.align_corners)
        torch.testing.assert_close(upsampled, own(noise(side, side)), rtol=1e-4, atol=1e-5)


def test_normalisation_is_imagenets_unless_the_encoder_says_otherwise(small: Model) -> None:
    assert small.normalization == IMAGENET
    timms_own = load_model("smp:FPN/tu-tf_efficientnet_lite0?classes=2")
    assert timms_own.normalization.mean == timms_own.normalization.std == (127.5, 127.5, 127.5)


def test_weights_go_by_the_names_of_the_package(small: Model, tmp_path: Path) -> None:
    torch.save(small.network.wrapped.state_dict(), tmp_path / "w.pth")
    assert load_model(f"{small.source}&weights={tmp_path / 'w.pth'}").digest == small.digest


def test_a_data_set_gives_the_number_of_classes() -> None:
    model = load_model("smp:FPN/resnet18?dataset=voc-21")
    assert (model.n_classes, model.class_names[15]) == (21, "person")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Une/resnet18?classes=3", r"no architecture 'Une'.*Did you mean 'Unet'\?"),
        ("Unet/resnet17?classes=3", r"no encoder 'resnet17'.*Did you mean 'resnet1\d'\?"),
        ("Unet?classes=3", "no encoder ''"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(name: str, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        load_model(f"smp:{name}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "classes=N"),
        ("classes=0", "classes must be"),
        ("classes=3&decoder_chanels=3", "Did you mean 'decoder_channels'"),
        ("classes=3&activation=softmax", "unknown option 'activation'"),
        ("classes=3&in_channels=4", "unknown option 'in_channels'"),
        ("classes=3&decoder_channels=1,2", "5 numbers"),
        ("classes=3&decoder_channels=64,32,16,8,4.5", "5 whole numbers above 0"),
        ("classes=3&encoder_weights=nonsense", "encoder_weights must be among those of resnet18"),
        ("classes=3&encoder_depth=9", "does not take the arguments"),
    ],
)
def test_wrong_options_are_refused(options: str, words: str) -> None:
    with pytest.raises(ModelOptionError, match=words):
        load_model(f"smp:Unet/resnet18?{options}")


def test_weights_of_an_encoder_that_cannot_be_fetched_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the library's attempts
    with pytest.raises(WeightsError, match="encoder's weights cannot be fetched"):
        load_model("smp:Unet/resnet18?classes=3&encoder_weights=imagenet")


def test_fetched_weights_of_an_encoder_are_not_fetched_again_for_a_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetched: list[object] = []
    build = SmpNetwork.__init__

    def offline(self: Any, *arguments: Any, encoder_weights: str | None = None, **options: Any) -> None:
        fetched.append(encoder_weights)
        build(self, *arguments, **options)

    monkeypatch.setattr(SmpNetwork, "__init__", offline)
    model = load_model("smp:FPN/tu-resnet18?classes=2&encoder_weights=true")
    assert load_model(model.save_bundle(tmp_path / "bundle")).digest == model.digest
    assert fetched == ["true", None, None]
