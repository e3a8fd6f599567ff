"""The descriptors of the data catalog are right, and wrong ones are refused with a reason."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from toolkit.models import DescriptorError, UnknownNameError, descriptors
from toolkit.models.descriptors import (
    list_datasets,
    list_models,
    load_dataset,
    load_model_descriptor,
)
from toolkit.paths import data_catalog

N_CLASSES = {
    "ade20k-150": 150,
    "camvid-11": 11,
    "camvid-32": 32,
    "cityscapes-19": 19,
    "cityscapes-35": 35,
    "synthia": 23,
    "voc-21": 21,
}
BUILT_IN = "deeplabv3-mobilenetv2-voc"

Document = dict[str, Any]
Edit = Callable[[Document], Any]


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the descriptors that a test may spoil."""
    shutil.copytree(data_catalog() / "datasets", tmp_path / "datasets")
    (tmp_path / "models").mkdir()
    for path in (data_catalog() / "models").glob("*.yaml"):
        shutil.copy(path, tmp_path / "models")
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path))
    return tmp_path


def _edit(path: Path, edit: Edit) -> None:
    document = yaml.safe_load(path.read_text())
    edit(document)
    path.write_text(yaml.safe_dump(document))


def test_every_data_set_is_listed() -> None:
    assert list_datasets() == sorted(N_CLASSES)


def test_the_built_in_model_is_listed() -> None:
    assert BUILT_IN in list_models()


@pytest.mark.parametrize("kind", ["bundle", "dataset", "model"])
def test_a_schema_is_valid_and_describes_every_property(kind: str) -> None:
    schema = json.loads((data_catalog() / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def properties(node: Any) -> Any:
        if isinstance(node, dict):
            yield from node.get("properties", {}).items()
            for child in node.values():
                yield from properties(child)

    assert [name for name, property_schema in properties(schema) if not property_schema.get("description")] == []


@pytest.mark.parametrize(("name", "n_classes"), N_CLASSES.items())
def test_a_data_set_has_its_number_of_classes(name: str, n_classes: int) -> None:
    dataset = load_dataset(name)
    assert len(dataset.class_names) == len(dataset.palette) == len(dataset.label_format.stored_values) == n_classes


@pytest.mark.parametrize("name", ["camvid-11", "camvid-32", "cityscapes-19", "voc-21"])
def test_colours_are_unique_where_the_data_sets_are(name: str) -> None:
    palette = load_dataset(name).palette
    assert len(set(palette)) == len(palette)


@pytest.mark.parametrize(
    ("name", "class_id", "class_name", "color"),
    [
        ("ade20k-150", 0, "wall", (120, 120, 120)),
        ("ade20k-150", 2, "sky", (6, 230, 230)),
        ("ade20k-150", 4, "tree", (4, 200, 3)),
        ("ade20k-150", 6, "road", (140, 140, 140)),
        ("ade20k-150", 7, "bed", (204, 5, 255)),
        ("ade20k-150", 149, "flag", (92, 0, 255)),
        ("camvid-11", 0, "Sky", (128, 128, 128)),
        ("camvid-11", 10, "Bicyclist", (0, 128, 192)),
        ("camvid-32", 17, "Road", (128, 64, 128)),
        ("cityscapes-19", 0, "road", (128, 64, 128)),
        ("cityscapes-19", 18, "bicycle", (119, 11, 32)),
        ("cityscapes-35", 7, "road", (128, 64, 128)),
        ("cityscapes-35", 34, "license plate", (0, 0, 142)),
        ("synthia", 10, "pedestrian", (220, 20, 60)),
        ("voc-21", 15, "person", (192, 128, 128)),
        ("voc-21", 20, "tvmonitor", (0, 64, 128)),
    ],
)
def test_a_well_known_class_is_right(name: str, class_id: int, class_name: str, color: tuple[int, int, int]) -> None:
    dataset = load_dataset(name)
    assert (dataset.class_names[class_id], dataset.palette[class_id]) == (class_name, color)


@pytest.mark.parametrize(
    ("name", "ignore_index", "ignored"),
    [
        ("ade20k-150", 255, ()),
        ("camvid-11", 11, ()),
        ("camvid-32", 30, (30,)),
        ("cityscapes-19", 255, ()),
        ("cityscapes-35", 255, (0, 1, 2, 3, 4, 5, 6)),
        ("synthia", 0, (0,)),
        ("voc-21", 255, ()),
    ],
)
def test_what_is_not_counted_is_marked(name: str, ignore_index: int, ignored: tuple[int, ...]) -> None:
    dataset = load_dataset(name)
    assert (dataset.ignore_index, dataset.ignored) == (ignore_index, ignored)


@pytest.mark.parametrize(
    ("name", "stored_values"),
    [
        ("ade20k-150", tuple(range(1, 151))),
        ("cityscapes-35", (*range(34), -1)),
        ("voc-21", tuple(range(21))),
    ],
)
def test_stored_values_follow_offset_and_exceptions(name: str, stored_values: tuple[int, ...]) -> None:
    assert load_dataset(name).label_format.stored_values == stored_values


@pytest.mark.parametrize(
    ("name", "target", "reached"),
    [
        ("cityscapes-35", "cityscapes-19", 19),
        ("camvid-32", "camvid-11", 11),
        ("synthia", "cityscapes-19", 19),
    ],
)
def test_a_mapping_reaches_every_class_of_its_target(name: str, target: str, reached: int) -> None:
    table, ignore_index = load_dataset(name).mapping[target], load_dataset(target).ignore_index
    assert len(table) == N_CLASSES[name]
    assert set(table) - {ignore_index} == set(range(reached))


def test_cityscapes_label_ids_become_train_ids() -> None:
    table = load_dataset("cityscapes-35").mapping["cityscapes-19"]
    assert table[7:14] == (0, 1, 255, 255, 2, 3, 4)
    assert table[34] == 255


def test_a_class_that_is_ignored_is_ignored_after_mapping() -> None:
    for name in list_datasets():
        dataset = load_dataset(name)
        for target, table in dataset.mapping.items():
            assert {table[class_id] for class_id in dataset.ignored} <= {load_dataset(target).ignore_index}


def test_a_descriptor_travels_to_another_process() -> None:
    dataset = load_dataset("synthia")
    assert pickle.loads(pickle.dumps(dataset)) == dataset
    assert isinstance(hash(dataset), int)


@pytest.mark.parametrize("name", list_models())
def test_a_model_matches_its_weights_and_data_set(name: str) -> None:
    model = load_model_descriptor(name)
    digest = hashlib.sha256((model.bundle / "model.safetensors").read_bytes()).hexdigest()
    assert model.digest == f"sha256:{digest}"
    assert model.dataset in list_datasets()
    assert (model.bundle / "LICENSE").is_file()


def test_the_built_in_model_scales_pixels_to_minus_one_to_one() -> None:
    model = load_model_descriptor(BUILT_IN)
    assert [(pixel - model.mean[0]) / model.std[0] for pixel in (0, 255)] == [-1, 1]


def test_an_unknown_data_set_offers_the_close_match_and_lists_all() -> None:
    with pytest.raises(UnknownNameError, match="Unknown data set 'cityscapes19'") as caught:
        load_dataset("cityscapes19")
    assert "Did you mean 'cityscapes-19'?" in str(caught.value)
    assert all(repr(name) in str(caught.value) for name in N_CLASSES)


def test_an_unknown_model_lists_what_exists() -> None:
    with pytest.raises(UnknownNameError, match=f"Unknown model 'resnet': there are '{BUILT_IN}'"):
        load_model_descriptor("resnet")


def test_a_name_is_not_a_path(catalog: Path) -> None:
    (catalog / "secret.yaml").write_text("name: secret")
    with pytest.raises(UnknownNameError):
        load_dataset("../secret")


def test_an_empty_catalog_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path))
    assert list_datasets() == list_models() == []
    with pytest.raises(UnknownNameError, match=r"datasets holds none"):
        load_dataset("voc-21")


@pytest.mark.parametrize(
    ("edit", "place", "reason"),
    [
        (lambda d: d["classes"][3].update(color=[0, 0, 256]), "classes[3].color[2]", "from 0 to 255"),
        (lambda d: d["classes"][3].update(colour=[0, 0, 0]), "classes[3]", "allowed: 'id', 'name', 'color'"),
        (lambda d: d["classes"][3].update(name=False), "classes[3].name", "is not of type 'string'"),
        (lambda d: d["classes"].pop(3), "classes[3].id", "ids count from 0 without gaps"),
        (lambda d: d["classes"][3].update(name="bicycle"), "classes[3].name", "names are unique"),
        (lambda d: d["classes"][3].update(stored=1), "classes[3].stored", "values are unique"),
        (lambda d: d.pop("licence"), "document", "'licence' is a required property"),
        (lambda d: d.update(name="voc"), "name", "write 'voc-21'"),
        (lambda d: d["label_format"].update(encoding="jpeg"), "label_format.encoding", "['index', 'index16', 'color']"),
        (lambda d: d.update(mapping={"city": {"car": "car"}}), "mapping.city", "'cityscapes-19'"),
        (lambda d: d.update(mapping={"synthia": {"cars": "car"}}), "mapping.synthia.cars", "it has 'background'"),
        (lambda d: d.update(mapping={"synthia": {"car": "cars"}}), "mapping.synthia.car", "it has 'void'"),
    ],
)
def test_a_mistake_is_refused_with_file_place_and_what_is_allowed(
    catalog: Path, edit: Edit, place: str, reason: str
) -> None:
    path = catalog / "datasets" / "voc-21.yaml"
    _edit(path, edit)
    with pytest.raises(DescriptorError) as caught:
        load_dataset("voc-21")
    assert str(caught.value).startswith(f"{path}: {place}: ")
    assert reason in str(caught.value)


def test_equal_colours_are_refused_where_masks_are_stored_as_colours(catalog: Path) -> None:
    _edit(catalog / "datasets" / "camvid-32.yaml", lambda d: d["classes"][5].update(color=[64, 128, 64]))
    with pytest.raises(DescriptorError, match=r"classes\[5\].color: .* colours are unique"):
        load_dataset("camvid-32")


def test_a_class_left_out_of_a_mapping_needs_an_ignore_index(catalog: Path) -> None:
    _edit(catalog / "datasets" / "camvid-11.yaml", lambda d: d.update(ignore_index=None))
    assert load_dataset("camvid-11").ignore_index is None
    with pytest.raises(DescriptorError, match=r"mapping.camvid-11: 'Void' left out"):
        load_dataset("camvid-32")


@pytest.mark.parametrize(
    ("edit", "place", "reason"),
    [
        (lambda d: d["normalization"].update(std=[1, 0, 1]), "normalization.std[1]", "a number above 0"),
        (lambda d: d.update(bundle="../elsewhere"), "bundle", "folder beside the descriptor"),
        (lambda d: d.update(digest="md5:0"), "digest", "sha256 of model.safetensors"),
        (lambda d: d.update(dataset="voc21"), "dataset", "Did you mean 'voc-21'?"),
    ],
)
def test_a_mistake_in_a_model_is_refused(catalog: Path, edit: Edit, place: str, reason: str) -> None:
    path = catalog / "models" / f"{BUILT_IN}.yaml"
    _edit(path, edit)
    with pytest.raises(DescriptorError) as caught:
        load_model_descriptor(BUILT_IN)
    assert str(caught.value).startswith(f"{path}: {place}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["classes: [", "", "just text"])
def test_a_file_that_is_no_descriptor_is_refused_by_name(catalog: Path, text: str) -> None:
    path = catalog / "datasets" / "voc-21.yaml"
    path.write_text(text)
    with pytest.raises(DescriptorError) as caught:
        load_dataset("voc-21")
    assert str(caught.value).startswith(f"{path}: ")


def test_importing_needs_no_yaml_and_no_jsonschema() -> None:
    program = "import runpy, sys; sys.modules.update(yaml=None, jsonschema=None); runpy.run_path(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, descriptors.__file__], check=True)
