"""Bundles that bring their network's code: it runs, is checked, and its errors are reported as the bundle's."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from toolkit.models import BundleError, load_model

MakeNoise = Callable[..., Tensor]

CODE = '''
"""A network of the user's."""

import torch
from torch import nn


class Street(nn.Module):
    size_divisor = 4

    def __init__(self, n_classes, width=4):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=4, padding=1)
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, image):
        return self.head(torch.relu(self.stem(image)))
'''
ARGUMENTS = {"n_classes": 3}

WriteBundle = Callable[..., Path]


def weights_of(code: str, arguments: dict[str, Any]) -> dict[str, Tensor]:
    names: dict[str, Any] = {"__name__": "street"}
    exec(code, names)
    torch.manual_seed(2)
    return dict(names["Street"](**arguments).state_dict())


@pytest.fixture
def write_bundle(tmp_path: Path) -> WriteBundle:
    """Write a bundle with code, as a person would."""

    def write(text: str = CODE, folder: str = "street", **changes: Any) -> Path:
        place = tmp_path / folder
        place.mkdir()
        (place / "network.py").write_text(text, encoding="utf-8")
        save_file(weights_of(CODE, ARGUMENTS), place / "model.safetensors")
        definition = {
            "name": "street",
            "code": {"file": "network.py", "class": "Street"},
            "arguments": ARGUMENTS,
            "class_names": ["sky", "road", "car"],
            "normalization": {"mean": [0, 0, 0], "std": [255, 255, 255]},
            "weights": {
                "file": "model.safetensors",
                "sha256": hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest(),
            },
            **changes,
        }
        (place / "model.json").write_text(json.dumps(definition))
        return place

    return write


def test_a_class_in_a_file_becomes_a_network(write_bundle: WriteBundle, noise: MakeNoise) -> None:
    model = load_model(write_bundle())
    assert model.network(noise(8, 12)).shape == (2, 3, 2, 3)
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_sizes_and_corners_come_from_the_class_or_the_definition(write_bundle: WriteBundle) -> None:
    assert load_model(write_bundle()).rules == type(load_model(write_bundle(folder="b")).rules)(4, 0, False)
    given = load_model(write_bundle(folder="given", size_divisor=8, size_remainder=1, align_corners=True))
    assert (given.size_divisor, given.size_remainder, given.align_corners) == (8, 1, True)


def test_saying_what_the_class_says_anyway_keeps_the_digest(write_bundle: WriteBundle) -> None:
    said = load_model(write_bundle(folder="said", size_divisor=4, size_remainder=0, align_corners=False))
    assert said.digest == load_model(write_bundle()).digest


def test_other_code_is_another_model(write_bundle: WriteBundle) -> None:
    same = load_model(write_bundle(folder="same"))
    other = load_model(write_bundle(CODE.replace("relu", "tanh"), folder="other"))
    assert load_model(write_bundle()).digest == same.digest != other.digest


def test_two_versions_of_a_file_do_not_mix(write_bundle: WriteBundle, noise: MakeNoise) -> None:
    first = load_model(write_bundle())
    second = load_model(write_bundle(CODE.replace("relu(self", "zeros_like(self"), folder="b"))
    assert type(first.network) is not type(second.network)
    assert second.network(noise(8, 8)).std((0, 2, 3)).max() == 0 < first.network(noise(8, 8)).std()


def test_it_runs_under_a_name_of_its_own_and_leaves_nothing_behind(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    before = set(sys.modules)
    network = load_model(folder).network
    added = {name for name in set(sys.modules) - before if "network" in name or "Street" in name or "bundle" in name}
    assert added <= {type(network).__module__}
    assert "network" not in sys.modules
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors", "network.py"]


@pytest.mark.parametrize("sha256", [None, hashlib.sha256(CODE.encode()).hexdigest()])
def test_a_checksum_may_be_left_out(write_bundle: WriteBundle, sha256: str | None) -> None:
    code = {"file": "network.py", "class": "Street"} | ({"sha256": sha256} if sha256 else {})
    assert load_model(write_bundle(code=code)).name == "street"


def test_code_that_was_exchanged_is_not_run(write_bundle: WriteBundle, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(CODE.encode()).hexdigest()
    evil = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n{CODE}"
    folder = write_bundle(evil, code={"file": "network.py", "class": "Street", "sha256": sha256})
    with pytest.raises(BundleError, match=r"network\.py have sha256 .*exchanged"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        ("class Street(", SyntaxError, "SyntaxError"),
        ("import no_such_package", ModuleNotFoundError, "No module named 'no_such_package'"),
        ("1 / 0", ZeroDivisionError, "division by zero"),
        ("raise SystemExit(3)", SystemExit, "SystemExit"),
        ("from . import sibling", ImportError, "ImportError"),
        (CODE.replace("super().__init__()", "raise KeyError('depth')"), KeyError, "'depth'"),
        (
            CODE.replace("return self.head", "raise OSError('no camera')\n        return self.head"),
            OSError,
            "no camera",
        ),
    ],
    ids=["syntax", "import", "error", "exit", "relative", "constructor", "forward"],
)
def test_errors_of_the_code_are_reported_with_the_bundles_name(
    write_bundle: WriteBundle, code: str, cause: type[BaseException], words: str
) -> None:
    with pytest.raises(BundleError, match=f"bundle 'street'.*{words}") as refusal:
        load_model(write_bundle(code))
    assert isinstance(refusal.value.__cause__, cause)


def test_mended_code_runs_after_broken_code_failed(write_bundle: WriteBundle) -> None:
    folder = write_bundle("1 / 0")
    with pytest.raises(BundleError):
        load_model(folder)
    (folder / "network.py").write_text(CODE)
    assert load_model(folder).n_classes == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Steet", "no network class 'Steet'; it has 'Street'. Did you mean"),
        ("torch", "no network class 'torch'"),
    ],
)
def test_a_class_that_is_not_there_is_refused_with_those_that_are(
    write_bundle: WriteBundle, name: str, words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        load_model(write_bundle(code={"file": "network.py", "class": name}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return {'out': self.head(self.stem(image))}", "gives dict, not a tensor of logits"),
        ("return self.head(self.stem(image)).argmax(1)", r"gives \(1, 9, 9\)"),
        ("return self.stem(image)", "class_names has 3 classes, the network 4"),
    ],
)
def test_a_network_that_gives_something_else_is_refused(write_bundle: WriteBundle, body: str, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        load_model(write_bundle(CODE.replace("return self.head(torch.relu(self.stem(image)))", body)))


def test_a_network_that_needs_larger_images_is_tried_with_those(write_bundle: WriteBundle) -> None:
    assertion = "assert image.shape[-1] > 100, 'too small'\n        return self.head"
    assert load_model(write_bundle(CODE.replace("return self.head", assertion))).n_classes == 3


@pytest.mark.parametrize("arguments", [{}, {"n_classes": 3, "depth": 4}], ids=["missing", "unknown"])
def test_wrong_arguments_are_refused(write_bundle: WriteBundle, arguments: dict[str, int]) -> None:
    with pytest.raises(BundleError, match=r"class 'Street' of network\.py does not take the arguments"):
        load_model(write_bundle(arguments=arguments))


@pytest.mark.parametrize("file", ["../evil.py", "/etc/passwd", "sub/../../evil.py", "link.py", "missing.py", "."])
def test_code_lies_in_the_bundle(write_bundle: WriteBundle, tmp_path: Path, file: str) -> None:
    (tmp_path / "evil.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n{CODE}")
    folder = write_bundle(code={"file": file, "class": "Street"})
    (folder / "link.py").symlink_to(tmp_path / "evil.py")
    with pytest.raises(BundleError, match=r"the code .*(lies outside|cannot be read)"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "code", [{"file": "network.py"}, {"class": "Street"}, "network.py", {"file": "a", "class": "b", "x": "c"}, None]
)
def test_a_malformed_entry_is_refused(write_bundle: WriteBundle, code: Any) -> None:
    with pytest.raises(BundleError, match=r"model\.json: code"):
        load_model(write_bundle(code=code))


def test_architecture_and_code_exclude_each_other(write_bundle: WriteBundle) -> None:
    with pytest.raises(BundleError, match="architecture and code exclude each other"):
        load_model(write_bundle(architecture="pspnet"))
