"""Weights from files: read in every common form, checked by name and shape, and never run."""

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from toolkit.models import Model, ModelOptionError, WeightsError, load_model
from toolkit.models.weights import fit_weights, read_weights

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor(1.5)}


class Evil:
    """A pickle that runs a program when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def same(found: Any, expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {"state_dict": TENSORS, "epoch": 3, "optimizer": {"lr": 0.1}},
        {"model": TENSORS},
        {f"module.{name}": tensor for name, tensor in TENSORS.items()},
        {"state_dict": {f"module.{name}": tensor for name, tensor in TENSORS.items()}},
    ],
    ids=["plain", "ordered", "state_dict", "model", "module.", "semseg"],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_a_torch_file_is_read_in_every_common_form(tmp_path: Path, content: Any, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(content, path)
    assert same(read_weights(path).tensors, TENSORS)


def test_safetensors_are_read_with_the_names_of_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(TENSORS, path, metadata={"class_names": json.dumps(["sky", "road"])})
    weights = read_weights(path)
    assert same(weights.tensors, TENSORS)
    assert weights.class_names == ("sky", "road")


@pytest.mark.parametrize("metadata", [None, {}, {"class_names": "sky, road"}, {"class_names": "[1, 2]"}])
def test_other_metadata_names_no_classes(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(TENSORS, path, metadata=metadata)
    assert read_weights(path).class_names == ()


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    content = {"state_dict": Evil(tmp_path / "ran")}
    torch.save(content, tmp_path / "torch.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(content, protocol=2))
    for name in ("torch.pth", "plain.pth"):
        with pytest.raises(WeightsError, match="without running code"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused_by_its_name(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file(TENSORS, path) if suffix == ".safetensors" else torch.save(TENSORS, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(WeightsError, match=rf"weights {path}: cannot be read"):
        read_weights(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"\x00" * 64, b"\xff" * 64, b"PK\x03\x04", b"{}"], ids=repr)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [([1, 2], "list"), ({}, "not a state dict"), ({"epoch": 3}, "'epoch' is int"), (torch.ones(2), "Tensor")],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError, match=words):
        read_weights(path)


@pytest.mark.parametrize(("name", "words"), [("none.pth", "no such file"), ("weights.h5", "must end in")])
def test_a_file_that_is_missing_or_of_another_suffix_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_weights(tmp_path / name)


def test_missing_unexpected_and_misshapen_weights_are_counted_and_named() -> None:
    network = torch.nn.ModuleDict({name: torch.nn.Conv2d(3, 4, 1) for name in "abcde"})
    given = {f"{name}.weight": torch.zeros(4, 3, 1, 1) for name in "bcde"}
    given |= {"b.bias": torch.zeros(5), "z": torch.ones(1)}
    with pytest.raises(WeightsError) as refusal:
        fit_weights(network, given, "file.pth")
    text = str(refusal.value)
    assert text.startswith("file.pth: the weights do not fit the network")
    assert "5 missing: a.bias, a.weight, c.bias and 2 more" in text
    assert "1 unexpected: z" in text
    assert "1 of another shape: b.bias (5 in the weights, 4 in the network)" in text


def test_batch_norms_need_no_counts_of_batches() -> None:
    network = torch.nn.BatchNorm2d(2)
    old = {name: tensor + 1 for name, tensor in network.state_dict().items() if name != "num_batches_tracked"}
    network = torch.nn.Sequential(network)
    fit_weights(network, {f"0.{name}": tensor for name, tensor in old.items()}, "old.pth")
    assert torch.equal(network.state_dict()["0.running_var"], torch.full((2,), 2.0))


def test_published_weights_load_by_name(small_pspnet: Model, small_weights: Path) -> None:
    model = load_model(f"pspnet-resnet50?n_classes=5&width=4&weights={small_weights}")
    assert same(model.network.state_dict(), small_pspnet.network.state_dict())
    assert model.digest == small_pspnet.digest
    assert load_model(model.source).digest == model.digest


def test_the_form_of_the_file_does_not_change_the_digest(small_pspnet: Model, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(small_pspnet.network.state_dict(), path)
    assert load_model(f"pspnet-resnet50?n_classes=5&width=4&weights={path}").digest == small_pspnet.digest


def test_the_source_holds_an_absolute_path(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_weights.parent)
    model = load_model(f"pspnet-resnet50?n_classes=5&width=4&weights={small_weights.name}")
    monkeypatch.chdir(tmp_path)
    assert load_model(model.source).digest == model.digest


def test_another_number_of_classes_is_refused_by_shape(small_weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"aux\.4\.weight \(5×16×1×1 in the weights, 6×16×1×1 in the network\)"):
        load_model(f"pspnet-resnet50?n_classes=6&width=4&weights={small_weights}")


def test_weights_of_another_depth_are_refused_by_name(small_weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"missing: layer3\.10\.bn1\.bias"):
        load_model(f"pspnet-resnet101?n_classes=5&width=4&weights={small_weights}")


def test_a_data_set_of_another_number_of_classes_is_refused(small_weights: Path) -> None:
    with pytest.raises(ModelOptionError, match="dataset=voc-21 has 21 classes, the network 5"):
        load_model(f"pspnet-resnet50?n_classes=5&width=4&dataset=voc-21&weights={small_weights}")


def test_class_names_of_the_checkpoint_come_first(small_pspnet: Model, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    names = ["sky", "tree", "road", "car", "person"]
    save_file(small_pspnet.network.state_dict(), path, metadata={"class_names": json.dumps(names)})
    assert load_model(f"pspnet-resnet50?n_classes=5&width=4&weights={path}").class_names == tuple(names)
    assert small_pspnet.class_names == ("class 0", "class 1", "class 2", "class 3", "class 4")


def test_another_normalization_may_be_given(small_weights: Path) -> None:
    name = f"pspnet-resnet50?n_classes=5&width=4&weights={small_weights}"
    model = load_model(f"{name}&mean=123.68,116.779,103.939&std=1,1,1")
    assert (model.normalization.mean, model.normalization.std) == ((123.68, 116.779, 103.939), (1, 1, 1))
    assert model.digest != load_model(name).digest
    with pytest.raises(ModelOptionError, match="std must be 3 numbers above 0"):
        load_model(f"{name}&std=0,1,1")
