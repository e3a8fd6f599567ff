"""A saved model is the same model wherever it is loaded, or is not saved at all."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from toolkit.models import BundleError, Model, Normalization, PSPNet, load_model
from toolkit.models.providers import DeepLabV3MobileNetV2

MakeNoise = Callable[..., Tensor]
RunPython = Callable[[str], str]

pytestmark = pytest.mark.filterwarnings("ignore::toolkit.models.UntrainedNetworkWarning")

NORMALIZATION = Normalization((1, 2, 3), (4, 5, 6))

USERS_FILE = """
import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self, n_classes, dilation=1):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(3, 3, 3, padding=dilation, dilation=dilation)
        self.second.weight = self.first.weight
        self.head = nn.Conv2d(3, n_classes, 1)

    def forward(self, image):
        return self.head(self.second(torch.relu(self.first(image))))


class Outer:
    class Inner(nn.Conv2d):
        pass
"""


@pytest.fixture
def users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the user's, imported."""
    (tmp_path / "users_network.py").write_text(USERS_FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_network", raising=False)
    return importlib.import_module("users_network")


def by_hand(network: nn.Module, n_classes: int, **fields: Any) -> Model:
    return Model(network.eval(), tuple(f"c{index}" for index in range(n_classes)), NORMALIZATION, "mine", **fields)


def logits(model: Model, image: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = model.network(image)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "deeplabv3-mobilenetv2-voc",
        "pspnet-resnet50?dataset=voc-21&width=4",
        "torchvision:lraspp_mobilenet_v3_large?num_classes=4",
        "smp:FPN/resnet18?classes=3&decoder_pyramid_channels=32&decoder_segmentation_channels=32",
    ],
)
def test_a_saved_model_is_the_same_model(name: str, tmp_path: Path, noise: MakeNoise) -> None:
    model = load_model(name)
    folder = model.save_bundle(tmp_path / "bundle")
    copy = load_model(folder)
    side = model.round_up(65)
    torch.testing.assert_close(logits(copy, noise(side, side)), logits(model, noise(side, side)), rtol=1e-4, atol=1e-4)
    for field in ("class_names", "normalization", "palette", "name", "rules"):
        assert getattr(copy, field) == getattr(model, field)
    assert copy.source == str(folder)
    if name != "deeplabv3-mobilenetv2-voc":  # whose file holds a note on its origin
        assert copy.digest == model.digest
    assert load_model(copy.save_bundle(tmp_path / "again")).digest == copy.digest


def test_a_bundle_needs_no_weights_file_and_no_data_catalog(
    small_pspnet: Model, small_weights: Path, tmp_path: Path, run_python: RunPython
) -> None:
    weights = shutil.copy(small_weights, tmp_path)
    model = load_model(f"pspnet-resnet50?n_classes=5&width=4&weights={weights}")
    model.save_bundle(tmp_path / "here")
    Path(weights).unlink()
    (tmp_path / "here").rename(tmp_path / "there")
    program = (
        f"import os; os.environ['SEGSCAPE_DATA_CATALOG'] = {str(tmp_path)!r}\n"
        f"from toolkit.models import load_model; print(load_model({str(tmp_path / 'there')!r}).digest)"
    )
    assert run_python(program).strip() == small_pspnet.digest


def test_the_weights_saved_are_those_that_the_network_has_now(tmp_path: Path) -> None:
    model = load_model("pspnet-resnet50?n_classes=2&width=1")
    model.network.cls[4].bias.add_(1)
    copy = load_model(model.save_bundle(tmp_path / "tuned"))
    assert torch.equal(copy.network.cls[4].bias, model.network.cls[4].bias)
    assert copy.digest != model.digest


@pytest.mark.parametrize(
    "network",
    [DeepLabV3MobileNetV2(n_classes=3), PSPNet(101, 3, width=2, blocks=(1, 2, 1, 1))],
    ids=lambda network: type(network).__name__,
)
def test_a_model_built_by_hand_of_a_known_network_is_saved(
    network: nn.Module, tmp_path: Path, noise: MakeNoise
) -> None:
    model = by_hand(network, 3)
    copy = load_model(model.save_bundle(tmp_path / "bundle"))
    assert copy.network.arguments == network.arguments
    torch.testing.assert_close(logits(copy, noise()), logits(model, noise()))


def test_a_class_of_the_users_own_is_saved_with_its_file(
    users_module: ModuleType, tmp_path: Path, noise: MakeNoise
) -> None:
    arguments = {"n_classes": 4, "dilation": 2}
    model = by_hand(users_module.Tied(**arguments), 4, size_divisor=2, align_corners=True)
    folder = model.save_bundle(tmp_path / "bundle", arguments=arguments)
    (tmp_path / "users_network.py").unlink()
    copy = load_model(folder)
    torch.testing.assert_close(logits(copy, noise(64, 64)), logits(model, noise(64, 64)))
    assert copy.rules == model.rules
    assert (folder / "users_network.py").read_text() == USERS_FILE
    definition = json.loads((folder / "model.json").read_text())
    assert definition["code"].keys() == {"file", "class", "sha256"}
    assert load_model(copy.save_bundle(tmp_path / "again")).digest == copy.digest


def test_tied_weights_stay_tied(users_module: ModuleType, tmp_path: Path) -> None:
    model = by_hand(users_module.Tied(2), 2)
    network = load_model(model.save_bundle(tmp_path / "bundle", arguments={"n_classes": 2})).network
    assert network.first.weight.data_ptr() == network.second.weight.data_ptr()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (None, "are arguments what its class was called with"),
        ({"n_classes": 5}, "cannot be built again"),
        ({"n_classes": 4, "dilation": 3}, "other logits"),
        ({"n_classes": 4, "dilation": {2}}, "values that JSON holds"),
        ({"n_classes": 4, "dilation": float("nan")}, "values that JSON holds"),
    ],
    ids=["none", "of another shape", "of the same shape", "no JSON", "not a number"],
)
def test_arguments_that_were_not_the_networks_are_noticed(
    users_module: ModuleType, tmp_path: Path, arguments: dict[str, Any] | None, words: str
) -> None:
    model = by_hand(users_module.Tied(4, dilation=2), 4)
    with pytest.raises(BundleError, match=words):
        model.save_bundle(tmp_path / "bundle", arguments=arguments)
    assert {path.name for path in tmp_path.iterdir()} <= {"users_network.py", "__pycache__"}


def test_classes_that_cannot_be_found_again_are_refused(users_module: ModuleType, tmp_path: Path) -> None:
    class Local(nn.Conv2d):
        pass

    namespace: dict[str, Any] = {"nn": nn, "__name__": "a_notebook"}
    exec("class FromNotebook(nn.Conv2d): pass", namespace)
    for network, words in (
        (users_module.Outer.Inner(3, 2, 1), "lies within another"),
        (Local(3, 2, 1), "lies within another"),
        (namespace["FromNotebook"](3, 2, 1), r"import it from a \.py file"),
        (nn.Conv2d(3, 2, 1), "write a class of your own"),
        (nn.Sequential(nn.Conv2d(3, 2, 1)), "write a class of your own"),
    ):
        with pytest.raises(BundleError, match=words):
            by_hand(network, 2).save_bundle(tmp_path / "bundle", arguments={})
    assert not (tmp_path / "bundle").exists()


def test_a_network_that_was_changed_after_it_was_built_is_refused(tmp_path: Path) -> None:
    model = load_model("pspnet-resnet50?n_classes=2&width=1")
    model.network.cls[4] = nn.Conv2d(8, 3, 1)
    changed = replace(model, class_names=("a", "b", "c"))
    with pytest.raises(BundleError, match="was its network changed after it was built"):
        changed.save_bundle(tmp_path / "bundle")
    assert not any(tmp_path.iterdir())


def test_half_precision_is_saved_as_single_precision(tmp_path: Path) -> None:
    model = load_model("pspnet-resnet50?n_classes=2&width=1")
    model.network.bfloat16()
    network = load_model(model.save_bundle(tmp_path / "bundle")).network
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert torch.equal(network.cls[4].weight, model.network.cls[4].weight.float())


@pytest.mark.parametrize("what", ["file", "folder"])
def test_nothing_is_overwritten(tmp_path: Path, small_pspnet: Model, what: str) -> None:
    place = tmp_path / "bundle"
    if what == "file":
        place.write_text("precious")
    else:
        place.mkdir()
        (place / "notes.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="choose another path, or delete it first"):
        small_pspnet.save_bundle(place)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["precious"]


def test_an_empty_directory_is_filled_and_parents_are_made(tmp_path: Path, small_pspnet: Model) -> None:
    (tmp_path / "empty").mkdir()
    assert load_model(small_pspnet.save_bundle(tmp_path / "empty")).digest == small_pspnet.digest
    assert load_model(small_pspnet.save_bundle(tmp_path / "new" / "deep")).digest == small_pspnet.digest


def test_a_write_that_breaks_off_leaves_no_bundle(
    tmp_path: Path, small_pspnet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("toolkit.models.bundles._check", fail)
    with pytest.raises(OSError, match="No space left"):
        small_pspnet.save_bundle(tmp_path / "bundle")
    assert not any(tmp_path.iterdir())


def test_a_network_in_training_mode_is_not_saved(tmp_path: Path) -> None:
    model = load_model("pspnet-resnet50?n_classes=2&width=1")
    model.network.train()
    with pytest.raises(BundleError, match="training mode"):
        model.save_bundle(tmp_path / "bundle")


def test_a_model_that_knows_its_arguments_takes_no_others(small_pspnet: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave arguments out"):
        small_pspnet.save_bundle(tmp_path / "bundle", arguments={"n_classes": 5})


def test_class_names_that_no_bundle_may_have_are_refused(small_pspnet: Model, tmp_path: Path) -> None:
    model = replace(small_pspnet, class_names=("sky",) * 5)
    with pytest.raises(BundleError, match=r"class_names: .* \(a list of different names"):
        model.save_bundle(tmp_path / "bundle")
