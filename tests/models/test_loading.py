"""Models by name, and what importing them costs."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from toolkit.models import (
    Model,
    ModelOptionError,
    Normalization,
    UnknownNameError,
    UntrainedNetworkWarning,
    list_models,
    load_dataset,
    load_model,
    load_model_descriptor,
)
from toolkit.paths import data_catalog

RunPython = Callable[[str], str]

BUILT_IN = "deeplabv3-mobilenetv2-voc"


@pytest.fixture(scope="module")
def model() -> Model:
    """The built-in model."""
    return load_model(BUILT_IN)


def test_the_built_in_model_has_the_classes_and_colours_of_its_data_set(model: Model) -> None:
    dataset = load_dataset("voc-21")
    assert model.n_classes == 21
    assert model.class_names == dataset.class_names
    assert model.palette == dataset.palette


def test_the_built_in_model_knows_its_normalization(model: Model) -> None:
    assert model.normalization == Normalization((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
    descriptor = load_model_descriptor("deeplabv3-mobilenetv2-voc")
    assert model.normalization == Normalization(descriptor.mean, descriptor.std)


def test_the_built_in_model_knows_its_name_and_where_it_came_from(model: Model) -> None:
    assert (model.name, model.source) == (BUILT_IN, BUILT_IN)


def test_the_built_in_model_takes_any_size(model: Model) -> None:
    assert all(model.accepts(side) for side in (1, 7, 473, 513))


def test_a_model_is_ready_to_be_used(model: Model) -> None:
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert {parameter.device for parameter in model.network.parameters()} == {torch.device("cpu")}


def test_the_digest_is_a_sha256(model: Model) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", model.digest)


def test_what_a_model_calls_its_source_loads_it_again(model: Model) -> None:
    assert load_model(model.source).digest == model.digest


def test_the_bundle_of_the_built_in_model_loads_by_path(model: Model) -> None:
    folder = data_catalog() / "models" / BUILT_IN
    of_path, of_string = load_model(folder), load_model(str(folder))
    assert of_path.digest == of_string.digest == model.digest
    assert of_path.source == str(folder.resolve())


def test_the_bundle_of_the_built_in_model_loads_by_its_portable_path(model: Model) -> None:
    assert load_model(f"data_catalog:models/{BUILT_IN}").digest == model.digest


@pytest.mark.parametrize("name", ["deeplab", "no/such/folder", "DEEPLABV3-MOBILENETV2-VOC"])
def test_an_unknown_name_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"'{name}'") as refusal:
        load_model(name)
    assert all(known in str(refusal.value) for known in list_models())


def test_a_directory_without_a_definition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"holds no model\.json"):
        load_model(tmp_path)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"weights")
    with pytest.raises(UnknownNameError, match=r"model\.pth.*a file is no model.*weights=.*model\.pth"):
        load_model(tmp_path / "model.pth")


@pytest.mark.parametrize("name", [None, 5, b"deeplab", ["deeplab"]])
def test_what_is_neither_a_name_nor_a_path_is_refused(name: Any) -> None:
    with pytest.raises(TypeError, match=type(name).__name__):
        load_model(name)


@pytest.fixture
def modules_after(run_python: RunPython) -> Callable[[str], set[str]]:
    """The top-level modules that are imported once a fresh interpreter has run the code."""
    code = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return lambda program: set(run_python(program + code).split())


@pytest.mark.parametrize("code", ["import toolkit", "import toolkit; dir(toolkit); toolkit.__version__"])
def test_importing_the_toolkit_does_not_import_torch(code: str, modules_after: Callable[[str], set[str]]) -> None:
    assert modules_after(code).isdisjoint({"torch", "torchvision", "zarr", "ipyparallel"})


@pytest.mark.parametrize("package", ["toolkit.models", "toolkit.segmentation"])
def test_the_numerical_heart_needs_no_catalog_and_no_cluster(
    package: str, modules_after: Callable[[str], set[str]]
) -> None:
    modules = modules_after(f"import {package}")
    assert modules.isdisjoint({"zarr", "xarray", "pandas", "ipyparallel", "matplotlib", "ipywidgets"})
    assert modules.isdisjoint({"torchvision", "transformers", "segmentation_models_pytorch", "yaml", "jsonschema"})


def test_the_built_in_model_loads_on_a_bare_machine(model: Model, run_python: RunPython) -> None:
    missing = ["yaml", "jsonschema", "torchvision", "transformers", "timm", "segmentation_models_pytorch"]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing}))\n"
        f"from toolkit.models import load_model; print(load_model({BUILT_IN!r}).digest)"
    )
    assert run_python(program).strip() == model.digest


@pytest.mark.filterwarnings("ignore::toolkit.models.UntrainedNetworkWarning")
def test_a_data_set_is_known_where_descriptors_cannot_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert load_model("pspnet-resnet50?width=1&dataset=voc-21").class_names[15] == "person"


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("smp:Unet/resnet18?classes=2", ["segmentation_models_pytorch"]),
        ("hf:org/name", ["transformers"]),
        ("torchvision:fcn_resnet50", ["torchvision", "torchvision.models"]),
    ],
)
def test_a_package_that_is_not_installed_is_named(
    name: str, modules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"model '{re.escape(name)}' needs '{modules[0]}"):
        load_model(name)


@pytest.mark.parametrize("options", ["", "&seed=3"])
def test_a_network_without_weights_is_warned_of_and_the_same_each_time(options: str) -> None:
    digests = set()
    for _ in range(2):
        with pytest.warns(UntrainedNetworkWarning, match="random weights.*weights=path"):
            digests.add(load_model(f"pspnet-resnet50?n_classes=2&width=1{options}").digest)
    assert len(digests) == 1


@pytest.mark.filterwarnings("ignore::toolkit.models.UntrainedNetworkWarning")
def test_the_same_seed_gives_the_same_network_in_every_process(run_python: RunPython) -> None:
    name = "pspnet-resnet50?n_classes=2&width=1&seed=5"
    program = (
        "import random, torch, warnings; warnings.simplefilter('ignore'); torch.manual_seed(random.randrange(9**9))\n"
        f"from toolkit.models import load_model; print(load_model({name!r}).digest)"
    )
    assert run_python(program).strip() == load_model(name).digest


def test_the_warning_points_at_the_caller() -> None:
    with pytest.warns(UntrainedNetworkWarning) as warned:
        load_model("pspnet-resnet50?n_classes=2&width=1")
    assert warned[0].filename == __file__


@pytest.mark.parametrize("name", [f"{BUILT_IN}?n_classes=3", f"{data_catalog()}?n_classes=3"])
def test_a_bundle_takes_no_options(name: str) -> None:
    with pytest.raises(ModelOptionError, match="a bundle takes no options"):
        load_model(name)


def test_a_misspelt_name_is_refused_with_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'pspnet-resnet101'\?"):
        load_model("pspnet-resnet11?n_classes=3")


def test_an_unknown_provider_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"'hf:…', .*'smp:…', 'torchvision:…'"):
        load_model("timm:resnet50")


def test_a_bundle_may_lie_in_a_folder_with_a_question_mark(tmp_path: Path, model: Model) -> None:
    folder = tmp_path / "what?n_classes=3"
    shutil.copytree(data_catalog() / "models" / BUILT_IN, folder)
    assert load_model(load_model(folder).source).digest == model.digest


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("deeplabv3", "Did you mean 'deeplabv3-mobilenetv2-voc'"),
        ("PSPNet", "Did you mean 'pspnet-resnet101'"),
        ("deeplabv3_resnet50", "'torchvision:deeplabv3_resnet50'"),
        ("torchvision/fcn_resnet50", "did you mean 'torchvision:fcn_resnet50'"),
        ("hf/nvidia/segformer", "did you mean 'hf:nvidia/segformer'"),
        ("nvidia/segformer-b0", "write 'hf:nvidia/segformer-b0'"),
        ("https://huggingface.co/nvidia/segformer-b0", "write 'hf:nvidia/segformer-b0'"),
        ("", "the name is empty"),
        ("hf:", "hf:ORG/NAME, or hf:DIRECTORY"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=meant):
        load_model(name)


def test_a_path_that_is_no_bundle_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.json").write_text("{}")
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for path, words in {
        tmp_path / "bundle" / "model.json": f"write '{tmp_path / 'bundle'}'",
        tmp_path / "checkpoint": f"write 'hf:{tmp_path / 'checkpoint'}'",
        tmp_path / "empty": "the directory holds no model.json",
        tmp_path / "nothing": "no such directory",
    }.items():
        with pytest.raises(UnknownNameError, match=words):
            load_model(path)


def test_a_network_or_a_model_is_no_name_and_the_error_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"make Model\(network, class_names, normalization\)"):
        load_model(nn.Conv2d(3, 2, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="which is a model already"):
        load_model(load_model("deeplabv3-mobilenetv2-voc"))  # type: ignore[arg-type]
