"""torchvision's networks: what they give is what torchvision's own forward gives before its upsampling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from toolkit.models import ModelOptionError, UnknownNameError, WeightsError, define_missing_operators, load_model

MakeNoise = Callable[..., Tensor]

pytestmark = pytest.mark.filterwarnings("ignore::toolkit.models.UntrainedNetworkWarning")

SMALL = "torchvision:lraspp_mobilenet_v3_large"


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "fcn_resnet50"])
@pytest.mark.parametrize("size", [(64, 64), (65, 47)])
def test_upsampled_logits_equal_torchvisions_own(name: str, size: tuple[int, int], noise: MakeNoise) -> None:
    model = load_model(f"torchvision:{name}?num_classes=6")
    image = noise(*size)
    with torch.inference_mode():
        logits = model.network(image)
        expected = model.network.wrapped(image)["out"]
    assert logits.shape[-1] < size[1]
    upsampled = F.interpolate(logits, size, mode="bilinear", align_corners=model.align_corners)
    assert torch.equal(upsampled, expected)


def test_the_same_seed_gives_the_same_network_and_leaves_random_numbers_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    digests = [load_model(f"{SMALL}?num_classes=2{seed}").digest for seed in ("", "&seed=0", "&seed=1")]
    assert torch.equal(torch.rand(3), expected)
    assert digests[0] == digests[1] != digests[2]


def test_weights_of_a_training_program_load(tmp_path: Path) -> None:
    from torchvision.models import get_model

    trained = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3)
    torch.save({"model": trained.state_dict(), "epoch": 1}, tmp_path / "model_1.pth")
    model = load_model(f"{SMALL}?num_classes=3&weights={tmp_path / 'model_1.pth'}")
    assert torch.equal(model.network.wrapped.classifier.low_classifier.bias, trained.classifier.low_classifier.bias)
    with pytest.raises(WeightsError, match="of another shape"):
        load_model(f"{SMALL}?num_classes=4&weights={tmp_path / 'model_1.pth'}")


def test_weights_with_an_auxiliary_head_bring_it_along(tmp_path: Path, noise: MakeNoise) -> None:
    name = "torchvision:deeplabv3_mobilenet_v3_large"
    model = load_model(f"{name}?num_classes=3&aux_loss=true")
    torch.save(model.network.wrapped.state_dict(), tmp_path / "weights.pth")
    again = load_model(f"{name}?num_classes=3&weights={tmp_path / 'weights.pth'}")
    assert again.digest == model.digest
    logits, auxiliary = again.network.train()(noise())
    assert logits.shape[:2] == auxiliary.shape[:2] == (2, 3)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the published weights is on this machine, so that no server is asked for it."""
    define_missing_operators()
    from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights as Published

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / Published.DEFAULT.url.rpartition("/")[2]).touch()


@pytest.mark.usefixtures("kept")
def test_published_weights_bring_their_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def fetch(url: str, **options: Any) -> dict[str, Tensor]:
        asked.append({"url": url, **options})
        return dict(load_model(f"{SMALL}?num_classes=21").network.wrapped.state_dict())

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", fetch)
    model = load_model(f"{SMALL}?weights=DEFAULT")
    assert (model.class_names[0], model.class_names[15], model.n_classes) == ("background", "person", 21)
    assert [(call["check_hash"], call["weights_only"]) for call in asked] == [(True, True)]
    assert model.source == f"{SMALL}?weights=DEFAULT"


@pytest.mark.usefixtures("kept")
def test_published_weights_that_cannot_be_fetched_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", fail)
    with pytest.raises(WeightsError, match=r"cannot be fetched from .*no route to host"):
        load_model(f"{SMALL}?weights=COCO_WITH_VOC_LABELS_V1")


def test_an_unknown_network_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"'fcn_resnet50', .*Did you mean 'fcn_resnet50'\?"):
        load_model("torchvision:fcn_resnet5")


@pytest.mark.parametrize(
    ("options", "words"),
    [("n_classes=3", "Did you mean 'num_classes'"), ("aux_loss=true", "unknown option 'aux_loss'"), ("seed=x", "seed")],
)
def test_wrong_options_are_refused(options: str, words: str) -> None:
    with pytest.raises(ModelOptionError, match=words):
        load_model(f"{SMALL}?{options}")
