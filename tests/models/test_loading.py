"""Models by name, and what importing them costs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from toolkit.models import (
    Model,
    Normalization,
    UnknownNameError,
    list_models,
    load_dataset,
    load_model,
    load_model_descriptor,
)
from toolkit.paths import data_catalog

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


def test_the_digest_is_the_same_in_every_process(model: Model) -> None:
    code = f"from toolkit.models import load_model; print(load_model({BUILT_IN!r}).digest)"
    assert run_python(code).strip() == model.digest


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
    with pytest.raises(UnknownNameError, match=r"model\.pth"):
        load_model(tmp_path / "model.pth")


@pytest.mark.parametrize("name", [None, 5, b"deeplab", ["deeplab"]])
def test_what_is_neither_a_name_nor_a_path_is_refused(name: Any) -> None:
    with pytest.raises(TypeError, match=type(name).__name__):
        load_model(name)


def run_python(code: str) -> str:
    """What a fresh interpreter prints."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def modules_after(code: str) -> set[str]:
    """The top-level modules that are imported once a fresh interpreter has run the code."""
    return set(run_python(f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})").split())


@pytest.mark.parametrize("code", ["import toolkit", "import toolkit; dir(toolkit); toolkit.__version__"])
def test_importing_the_toolkit_does_not_import_torch(code: str) -> None:
    assert modules_after(code).isdisjoint({"torch", "torchvision", "zarr", "ipyparallel"})


@pytest.mark.parametrize("package", ["toolkit.models", "toolkit.segmentation"])
def test_the_numerical_heart_needs_no_catalog_and_no_cluster(package: str) -> None:
    modules = modules_after(f"import {package}")
    assert modules.isdisjoint({"zarr", "xarray", "pandas", "ipyparallel", "matplotlib", "ipywidgets"})
