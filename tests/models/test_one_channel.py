"""A network of one channel is the sigmoid of a class where that is said, and refused where it is not."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toolkit.models import (
    BundleError,
    Model,
    ModelError,
    ModelOptionError,
    Normalization,
    SigmoidNetwork,
    UntrainedNetworkWarning,
    define_missing_operators,
    load_model,
)
from toolkit.models.weights import write_weights
from toolkit.segmentation import Protocol, segment_image
from toolkit.segmentation.reference import reference_probabilities

UNIT = Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)

CODE = """
from torch import nn
class Channels(nn.Module):
    size_divisor = 4
    def __init__(self, n):
        super().__init__()
        self.last = nn.Conv2d(3, n, 4, stride=4)
    def forward(self, image):
        return self.last(image)
"""


class OneChannel(nn.Module):
    """Logit 8 (red − 1/2) of the only class, at half the size."""

    size_divisor = 2

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(8.0), requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.gain * (nn.functional.avg_pool2d(image[:, :1], 2) - 0.5)


def by_hand(names: tuple[str, ...] = ("background", "road")) -> Model:
    return Model(SigmoidNetwork(OneChannel().eval()), names, UNIT, name="by hand")


def bundle(folder: Path, n_channels: int, names: list[str], **document: Any) -> Path:
    """A bundle of a network with so many channels."""
    folder.mkdir()
    (folder / "code.py").write_text(CODE)
    generator = torch.Generator().manual_seed(0)
    weights = {
        "last.weight": torch.randn(n_channels, 3, 4, 4, generator=generator),
        "last.bias": torch.ones(n_channels),
    }
    sha256 = write_weights(folder / "model.safetensors", weights)
    content = {
        "name": "channels",
        "code": {"file": "code.py", "class": "Channels"},
        "arguments": {"n": n_channels},
        "class_names": names,
        "normalization": {"mean": [0, 0, 0], "std": [255, 255, 255]},
        "weights": {"file": "model.safetensors", "sha256": sha256},
    }
    (folder / "model.json").write_text(json.dumps(content | document))
    return folder


def test_the_softmax_of_both_classes_is_the_sigmoid_of_the_channel() -> None:
    image = torch.rand(1, 3, 8, 8)
    probabilities = SigmoidNetwork(OneChannel()).eval()(image).softmax(1)
    torch.testing.assert_close(probabilities[:, 1:], OneChannel()(image).sigmoid())


@pytest.mark.parametrize(
    "protocol",
    [Protocol(crop_size=24), Protocol(crop_size=24, scales=(0.5, 1.0), flip=True, merge="logits")],
    ids=["one scale", "two scales"],
)
def test_fractions_are_those_of_the_class_and_of_all_else(protocol: Protocol) -> None:
    result = segment_image(PIXELS, by_hand(), protocol, soft_composition=True)
    expected = reference_probabilities(PIXELS, by_hand(), protocol)
    np.testing.assert_allclose(result.soft_composition, expected.mean((1, 2)), atol=1e-5)
    assert 0.1 < result.composition[1] < 0.9


def test_a_model_of_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of one class every pixel is.*SigmoidNetwork"):
        Model(OneChannel().eval(), ("road",), UNIT)


def test_a_network_of_one_channel_for_two_classes_is_told_the_remedy() -> None:
    model = Model(OneChannel().eval(), ("background", "road"), UNIT)
    with pytest.raises(ValueError, match=r"it must give logits.*SigmoidNetwork\(network\)"):
        segment_image(PIXELS, model, Protocol(crop_size=24))


def test_a_bundle_of_one_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r'one output channel.*"output": "sigmoid" in model\.json'):
        load_model(bundle(tmp_path / "bundle", 1, ["road"]))


@pytest.mark.parametrize("names", [["road"], ["background", "road"]])
def test_a_bundle_says_that_its_channel_is_a_sigmoids(tmp_path: Path, names: list[str]) -> None:
    model = load_model(bundle(tmp_path / "bundle", 1, names, output="sigmoid"))
    assert model.class_names == ("background", "road")
    assert model.size_divisor == 4
    image = torch.rand(1, 3, 8, 8)
    assert model.network(image).shape == (1, 2, 2, 2)


def test_what_a_channel_means_is_part_of_a_models_identity(tmp_path: Path) -> None:
    one = load_model(bundle(tmp_path / "one", 2, ["background", "road"]))
    explicit = load_model(bundle(tmp_path / "explicit", 2, ["background", "road"], output="softmax"))
    assert one.digest == explicit.digest
    assert load_model(bundle(tmp_path / "other", 1, ["road"], output="sigmoid")).digest != one.digest


def test_a_bundle_of_several_sigmoids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="of several sigmoids more than one may be on at a pixel"):
        load_model(bundle(tmp_path / "bundle", 3, ["road", "car", "sky"], output="sigmoid"))


def test_another_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="output"):
        load_model(bundle(tmp_path / "bundle", 1, ["road"], output="tanh"))


@pytest.mark.parametrize(("n_channels", "names"), [(3, ["road", "car"]), (2, ["road", "car", "sky"]), (2, ["road"])])
def test_other_than_a_channel_per_class_is_refused(tmp_path: Path, n_channels: int, names: list[str]) -> None:
    with pytest.raises(BundleError, match=f"class_names has {len(names)} classes, the network {n_channels}"):
        load_model(bundle(tmp_path / "bundle", n_channels, names))


def test_a_sigmoid_comes_back_from_a_bundle(tmp_path: Path) -> None:
    model = load_model(bundle(tmp_path / "first", 1, ["road"], output="sigmoid"))
    again = load_model(model.save_bundle(tmp_path / "second"))
    assert again.digest == model.digest
    assert json.loads((tmp_path / "second" / "model.json").read_text())["output"] == "sigmoid"


def test_a_sigmoid_of_ones_own_comes_back_from_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "channels_of_mine.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    network = importlib.import_module("channels_of_mine").Channels(1).eval().requires_grad_(False)
    model = Model(SigmoidNetwork(network), ("background", "road"), UNIT, name="by hand")
    again = load_model(model.save_bundle(tmp_path / "bundle", arguments={"n": 1}))
    image = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(again.network(image), model.network(image))
    assert again.class_names == model.class_names


ONE_CHANNEL = [
    "pspnet-resnet50?n_classes=1&width=1",
    "torchvision:lraspp_mobilenet_v3_large?num_classes=1",
    "smp:FPN/mobilenet_v2?classes=1",
]


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_a_name_with_one_class_is_refused(name: str) -> None:
    with pytest.raises(ModelOptionError, match=r"one output channel.*output=sigmoid"):
        load_model(name)


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_a_name_says_that_its_channel_is_a_sigmoids(name: str) -> None:
    with pytest.warns(UntrainedNetworkWarning):
        model = load_model(f"{name}&output=sigmoid")
    assert model.class_names == ("class 0", "class 1")
    assert "output=sigmoid" in model.source


def test_a_sigmoid_of_several_classes_is_refused() -> None:
    with pytest.raises(ModelOptionError, match="one channel"):
        load_model("pspnet-resnet50?n_classes=2&width=1&output=sigmoid")


def test_a_data_set_of_other_than_two_classes_does_not_go_with_a_sigmoid() -> None:
    with pytest.raises(ModelOptionError, match="has 21 classes, the network 2"):
        load_model("pspnet-resnet50?width=1&output=sigmoid&dataset=voc-21")


def test_an_unknown_output_of_a_name_is_refused() -> None:
    with pytest.raises(ModelError, match="output must be softmax or sigmoid, not 'tanh'"):
        load_model("pspnet-resnet50?n_classes=2&width=1&output=tanh")


def huggingface_checkpoint(folder: Path, n_labels: int, **settings: Any) -> Path:
    import transformers

    define_missing_operators()
    config = transformers.SegformerConfig(
        num_encoder_blocks=4,
        depths=[1] * 4,
        hidden_sizes=[4] * 4,
        num_attention_heads=[1] * 4,
        decoder_hidden_size=4,
        id2label={index: f"thing {index}" for index in range(n_labels)},
        label2id={f"thing {index}": index for index in range(n_labels)},
        **settings,
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    transformers.SegformerImageProcessor().save_pretrained(folder)
    return folder


def test_a_checkpoint_of_one_label_is_refused_unless_it_is_said_to_be_a_sigmoid(tmp_path: Path) -> None:
    folder = huggingface_checkpoint(tmp_path / "checkpoint", 1)
    with pytest.raises(ModelOptionError, match="one output channel"):
        load_model(f"hf:{folder}")
    assert load_model(f"hf:{folder}?output=sigmoid").class_names == ("background", "thing 0")


def test_a_checkpoint_of_several_labels_per_pixel_is_refused(tmp_path: Path) -> None:
    folder = huggingface_checkpoint(tmp_path / "checkpoint", 3, problem_type="multi_label_classification")
    with pytest.raises(ModelOptionError, match="several classes at once"):
        load_model(f"hf:{folder}")
