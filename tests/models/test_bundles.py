"""A model on disk goes anywhere as it is, and is refused when it is not what it says."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from toolkit.models import BundleError, Model, load_bundle, load_model, load_model_descriptor

BUILT_IN = "deeplabv3-mobilenetv2-voc"
WEIGHTS = "model.safetensors"

Definition = dict[str, Any]


@pytest.fixture(scope="module")
def original() -> Model:
    """The bundle that comes with the toolkit."""
    return load_model(BUILT_IN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the built-in bundle that a test may spoil."""
    copy: Path = tmp_path / "my bundle"
    shutil.copytree(load_model_descriptor(BUILT_IN).bundle, copy)
    return copy


def edit(folder: Path, change: Callable[[Definition], Any]) -> None:
    """Change the definition of a bundle."""
    path = folder / "model.json"
    definition = json.loads(path.read_text(encoding="utf-8"))
    change(definition)
    path.write_text(json.dumps(definition), encoding="utf-8")


def put_weights(folder: Path, data: bytes) -> None:
    """Exchange the weights of a bundle, and say so in its definition."""
    (folder / WEIGHTS).write_bytes(data)
    edit(folder, lambda definition: definition["weights"].update(sha256=hashlib.sha256(data).hexdigest()))


def test_a_copied_bundle_is_the_same_model(folder: Path, original: Model) -> None:
    copy = load_model(folder)
    image = torch.randn(1, 3, 33, 47, generator=torch.Generator().manual_seed(4))
    assert copy.digest == original.digest
    assert (copy.class_names, copy.normalization, copy.palette) == (
        original.class_names,
        original.normalization,
        original.palette,
    )
    assert torch.equal(copy.network(image), original.network(image))


def test_a_copied_bundle_is_loaded_again_by_its_path(folder: Path) -> None:
    copy = load_bundle(folder)
    assert copy.source == str(folder.resolve())
    assert load_model(copy.source).digest == copy.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda definition: definition.update(name="mine"),
        lambda definition: definition.update(palette=definition["palette"][::-1]),
        lambda definition: definition.pop("palette"),
        lambda definition: definition.update(weights=dict(reversed(definition["weights"].items()))),
        lambda definition: definition.update(name=definition.pop("name")),
    ],
    ids=["name", "colours", "no colours", "order of the weights' keys", "order of keys"],
)
def test_what_changes_no_label_map_keeps_the_digest(
    folder: Path, original: Model, change: Callable[[Definition], Any]
) -> None:
    edit(folder, change)
    assert load_bundle(folder).digest == original.digest


def test_renamed_weights_keep_the_digest(folder: Path, original: Model) -> None:
    (folder / WEIGHTS).rename(folder / "weights.safetensors")
    edit(folder, lambda definition: definition["weights"].update(file="weights.safetensors"))
    assert load_bundle(folder).digest == original.digest


def test_a_renamed_model_goes_by_its_new_name(folder: Path) -> None:
    edit(folder, lambda definition: definition.update(name="mine"))
    assert load_bundle(folder).name == "mine"


@pytest.mark.parametrize(
    "change",
    [
        lambda definition: definition["normalization"].update(mean=[0, 0, 0]),
        lambda definition: definition["normalization"].update(std=[1, 1, 1]),
        lambda definition: definition.update(class_names=definition["class_names"][::-1]),
        lambda definition: definition.update(size_divisor=8),
        lambda definition: definition.update(size_divisor=8, size_remainder=1),
    ],
    ids=["mean", "std", "classes", "divisor", "remainder"],
)
def test_what_changes_a_label_map_changes_the_digest(
    folder: Path, original: Model, change: Callable[[Definition], Any]
) -> None:
    edit(folder, change)
    assert load_bundle(folder).digest != original.digest


def test_other_weights_change_the_digest(folder: Path, original: Model) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-3] ^= 1  # the mantissa of the last weight
    put_weights(folder, bytes(data))
    assert load_bundle(folder).digest != original.digest


def test_the_sizes_that_a_network_takes_come_from_the_definition(folder: Path) -> None:
    edit(folder, lambda definition: definition.update(size_divisor=8, size_remainder=1))
    model = load_bundle(folder)
    assert (model.size_divisor, model.size_remainder) == (8, 1)


@pytest.mark.parametrize("position", [0, 5000, -1])
def test_one_flipped_byte_in_the_weights_is_noticed(folder: Path, position: int) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[position] ^= 0xFF
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(BundleError, match=r"model\.safetensors have sha256 [0-9a-f]{64}.*damaged"):
        load_model(folder)


def test_truncated_weights_are_noticed(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-1])
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        load_model(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(BundleError, match=r"model\.safetensors cannot be read: No such file"):
        load_model(folder)


def test_a_missing_definition_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"model\.json cannot be read"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("key", ["name", "architecture", "class_names", "normalization", "weights"])
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    edit(folder, lambda definition: definition.pop(key))
    with pytest.raises(BundleError, match=rf"model\.json: document: '{key}' is a required property"):
        load_model(folder)


def test_an_unknown_key_is_named(folder: Path) -> None:
    edit(folder, lambda definition: definition.update(classes=21))
    with pytest.raises(BundleError, match=r"model\.json: document: .*'classes' was unexpected.*allowed: 'name'"):
        load_model(folder)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"name: yaml"])
def test_a_definition_that_is_no_json_is_refused(folder: Path, data: bytes) -> None:
    (folder / "model.json").write_bytes(data)
    with pytest.raises(BundleError, match=r"model\.json cannot be read as JSON"):
        load_model(folder)


@pytest.mark.parametrize("text", ["[]", "null", '"name"', "5"])
def test_a_definition_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(BundleError, match=r"model\.json: document: .* is not of type 'object'"):
        load_model(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_is_no_finite_number_is_refused(folder: Path, number: str) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"mean": [', f'"mean": [{number}, ').replace(", 127.5]", "]", 1))
    with pytest.raises(BundleError, match=r"model\.json"):
        load_model(folder)


def test_a_mistake_is_named_by_its_place_the_value_and_what_is_allowed(folder: Path) -> None:
    edit(folder, lambda definition: definition["palette"][3].__setitem__(1, 256))
    with pytest.raises(BundleError) as refusal:
        load_model(folder)
    place = f"{folder / 'model.json'}: palette[3][1]: 256 is greater than the maximum of 255"
    assert str(refusal.value) == f"{place} (a whole number from 0 to 255)"


def test_an_unknown_architecture_is_refused_with_those_that_exist(folder: Path) -> None:
    edit(folder, lambda definition: definition.update(architecture="resnet"))
    with pytest.raises(BundleError, match=r"'resnet' is unknown.*deeplabv3-mobilenetv2"):
        load_model(folder)


@pytest.mark.parametrize(
    "arguments", [{"depth": 5}, {"n_classes": "21"}, {"n_classes": -1}, {"n_classes": None}], ids=repr
)
def test_wrong_arguments_of_the_architecture_are_refused(folder: Path, arguments: Any) -> None:
    edit(folder, lambda definition: definition.update(arguments=arguments))
    with pytest.raises(BundleError, match="deeplabv3-mobilenetv2"):
        load_model(folder)


def test_weights_that_do_not_fit_are_refused(folder: Path) -> None:
    edit(folder, lambda definition: definition.update(arguments={"n_classes": 20}))
    with pytest.raises(BundleError, match="do not fit"):
        load_model(folder)


def test_weights_of_another_format_are_refused(folder: Path) -> None:
    put_weights(folder, b"not safetensors")
    with pytest.raises(BundleError, match="do not fit"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        (lambda definition: definition["normalization"].pop("mean"), "mean"),
        (lambda definition: definition["normalization"].pop("std"), "std"),
        (lambda definition: definition["normalization"].update(mean=[127.5]), "mean"),
        (lambda definition: definition["normalization"].update(std=[0, 0, 0]), "std"),
        (lambda definition: definition.update(normalization=None), "normalization"),
        (lambda definition: definition["weights"].pop("file"), "file"),
        (lambda definition: definition["weights"].pop("sha256"), "sha256"),
        (lambda definition: definition.update(weights=WEIGHTS), "weights"),
        (lambda definition: definition.update(architecture=["deeplabv3-mobilenetv2"]), "architecture"),
        (lambda definition: definition.update(class_names=definition["class_names"][:-1]), "class_names"),
        (lambda definition: definition.update(class_names=21), "class_names"),
        (lambda definition: definition.update(size_divisor=0), "size_divisor"),
        (lambda definition: definition.update(size_divisor="8"), "size_divisor"),
        (lambda definition: definition.update(size_divisor=10**9), "size_divisor"),
        (lambda definition: definition.update(size_remainder=-1), "size_remainder"),
        (lambda definition: definition.update(align_corners="yes"), "align_corners"),
        (lambda definition: definition.update(arguments=[21]), "arguments"),
        (lambda definition: definition.update(name=""), "name"),
        (lambda definition: definition["normalization"].update(mean=[True, 0, 0]), "mean"),
        (lambda definition: definition.update(palette=[[0, 0, 0]]), "palette has 1 colours"),
        (lambda definition: definition.update(palette=[[0, 0, 256]] * 21), "palette"),
        (lambda definition: definition.update(class_names=[{"name": "sky"}] * 21), "class_names"),
        (lambda definition: definition["weights"].update(file="model\0"), "weights"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_of_another_form_is_refused_by_its_key(
    folder: Path, change: Callable[[Definition], Any], culprit: str
) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=culprit):
        load_model(folder)


@pytest.mark.parametrize("file", ["../other.safetensors", "/etc/passwd", "a/../../other.safetensors", "link"])
def test_weights_lie_in_the_bundle(folder: Path, file: str) -> None:
    shutil.copy(folder / WEIGHTS, folder.parent / "other.safetensors")
    (folder / "link").symlink_to(folder.parent / "other.safetensors")
    edit(folder, lambda definition: definition["weights"].update(file=file))
    with pytest.raises(BundleError, match=r"lies outside .* a bundle holds all of its files"):
        load_model(folder)


def test_weights_may_lie_in_a_folder_of_the_bundle(folder: Path, original: Model) -> None:
    (folder / "weights").mkdir()
    (folder / WEIGHTS).rename(folder / "weights" / WEIGHTS)
    edit(folder, lambda definition: definition["weights"].update(file=f"weights/{WEIGHTS}"))
    assert load_bundle(folder).digest == original.digest


def test_weights_that_are_a_directory_or_a_pipe_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    with pytest.raises(BundleError, match="it is no regular file"):
        load_model(folder)
    (folder / WEIGHTS).rmdir()
    os.mkfifo(folder / WEIGHTS)
    with pytest.raises(BundleError, match="it is no regular file"):
        load_model(folder)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"name": ' * 100_000, " " * (16 * 2**20 + 1), '{"n": ' + "9" * 10_000 + "}"], ids=len
)
def test_a_definition_that_is_huge_is_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(BundleError, match=r"model\.json"):
        load_bundle(folder)


def test_a_long_value_is_shown_in_part(folder: Path) -> None:
    edit(folder, lambda definition: definition.update(name=["x" * 10_000]))
    with pytest.raises(BundleError, match=r"name: .* is not of type 'string' \(text") as refusal:
        load_model(folder)
    assert len(str(refusal.value)) < 1000


def test_corners_come_from_the_architecture_unless_the_definition_says_otherwise(folder: Path, original: Model) -> None:
    assert original.align_corners
    edit(folder, lambda definition: definition.update(align_corners=False))
    model = load_bundle(folder)
    assert not model.align_corners
    assert model.digest != original.digest


def test_loading_a_bundle_draws_no_random_numbers(folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_bundle(folder)
    assert torch.equal(torch.rand(2), expected)


def test_the_digest_of_the_built_in_model_is_the_one_that_catalogs_hold(original: Model) -> None:
    assert original.digest == "46c55c2bb97455313172baa29480f6549cdfcb01be61140bd6ef64bba18aeca8"
