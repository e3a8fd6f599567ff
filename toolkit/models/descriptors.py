"""What is known of data sets and models by name: the checked YAML descriptors of the data catalog."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from toolkit.models.errors import DescriptorError, UnknownNameError, alternatives
from toolkit.models.schemas import check
from toolkit.paths import data_catalog

_Kind = Literal["dataset", "model"]
_WORDS: dict[_Kind, str] = {"dataset": "data set", "model": "model"}


@dataclass(frozen=True)
class LabelFormat:
    """How the masks of a data set are stored."""

    encoding: Literal["index", "index16", "color"]
    """8-bit values or palette indices, 16-bit values, or the classes' colours as RGB."""
    image_suffix: str
    """End of an image's file name, such as ``_leftImg8bit.png``; what precedes it is shared by image and mask."""
    label_suffix: str
    """End of a mask's file name, such as ``_gtFine_labelIds.png``."""
    channel: int
    """Channel that holds the class, in the order of the file, where a mask has several."""
    stored_values: tuple[int, ...]
    """Value of each class in the files, ``(n_classes,)``; any other means the ignore index. Unused for ``color``."""


@dataclass(frozen=True)
class DatasetDescriptor:
    """The classes of a data set and the form of its masks; index in every tuple: the class id."""

    name: str
    """Name by which it is loaded, such as ``ade20k-150``."""
    title: str
    """Name for people."""
    class_names: tuple[str, ...]
    """Names as the data set spells them, ``(n_classes,)``."""
    palette: tuple[tuple[int, int, int], ...]
    """Red, green and blue of each class, 0 to 255, ``(n_classes, 3)``."""
    ignored: tuple[int, ...]
    """Ids of the classes that stand for no thing (void) and are not counted; often empty."""
    ignore_index: int | None
    """Value in label maps that is never counted and that pads; None: there is no such value."""
    label_format: LabelFormat
    """How the masks are stored."""
    licence: str
    """What the data set's owners allow."""
    origin: str
    """Publication and home."""
    mapping: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    """By name of another data set: the id of each class there, ``(n_classes,)``, or that data set's ignore index."""


@dataclass(frozen=True)
class ModelDescriptor:
    """What is known of a trained model besides its weights."""

    name: str
    """Name by which it is loaded."""
    title: str
    """Name for people."""
    bundle: Path
    """Folder that holds ``model.safetensors``."""
    dataset: str
    """Name of the data set whose classes it tells apart."""
    mean: tuple[float, float, float]
    """Subtracted from red, green and blue, in units of 0 to 255."""
    std: tuple[float, float, float]
    """Divides red, green and blue after that, in units of 0 to 255."""
    licence: str
    """SPDX identifier of the weights' licence."""
    origin: str
    """Where the weights come from, and the publications."""
    digest: str
    """``sha256:`` and the checksum of ``model.safetensors``."""
    parameters: int | None = None
    """Number of learned values; None: not stated."""
    input: str = ""
    """Size and preparation of the pictures that it was trained on; empty: not stated."""


def _folder(kind: _Kind) -> Path:
    return data_catalog() / f"{kind}s"


def _list(kind: _Kind) -> list[str]:
    return sorted(path.stem for path in _folder(kind).glob("*.yaml"))


def _path(kind: _Kind, name: str) -> Path:
    known = _list(kind)
    if name not in known:
        exist = f"there are {alternatives(name, known)}" if known else f"{_folder(kind)} holds none"
        raise UnknownNameError(f"Unknown {_WORDS[kind]} {name!r}: {exist}")
    return _folder(kind) / f"{name}.yaml"


def _read(kind: _Kind, name: str) -> tuple[Path, dict[str, Any]]:
    """Read a descriptor and check it by its schema."""
    import yaml

    path = _path(kind, name)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DescriptorError(f"{path}: not valid YAML in UTF-8: {error}") from error
    check(document, kind, path, DescriptorError)
    if document["name"] != name:
        raise DescriptorError(f"{path}: name: {document['name']!r} is not the file's name; write {name!r}")
    return path, document


def _check_classes(path: Path, classes: list[dict[str, Any]], encoding: str, stored_values: tuple[int, ...]) -> None:
    """Check what a schema cannot say of a list of classes."""
    for index, entry in enumerate(classes):
        if entry["id"] != index:
            raise DescriptorError(
                f"{path}: classes[{index}].id: {entry['id']} is out of order; ids count from 0 without gaps, so "
                f"this one is {index}"
            )
    unique: dict[str, tuple[Iterable[Any], str]] = {
        "name": ((entry["name"] for entry in classes), "names are unique"),
        "stored": (stored_values, "values are unique"),
    }
    if encoding == "color":
        colors = (tuple(entry["color"]) for entry in classes)
        unique["color"] = (colors, "colours are unique where masks are stored as colours")
    for key, (values, words) in unique.items():
        seen: set[Any] = set()
        for index, value in enumerate(values):
            if value in seen:
                raise DescriptorError(f"{path}: classes[{index}].{key}: {value!r} is that of an earlier class; {words}")
            seen.add(value)


def _lookup_table(path: Path, names: list[str], target_name: str, pairs: Mapping[str, str]) -> tuple[int, ...]:
    """Turn a mapping by class name into the other data set's id of each class."""
    place = f"{path}: mapping.{target_name}"
    try:
        _, target = _read("dataset", target_name)
    except UnknownNameError as error:
        raise DescriptorError(f"{place}: {error}") from error
    ids = {entry["name"]: entry["id"] for entry in target["classes"]}
    for own, other in pairs.items():
        if own not in names:
            raise DescriptorError(f"{place}.{own}: is not a class of this data set; it has {_quoted(names)}")
        if other not in ids:
            raise DescriptorError(f"{place}.{own}: {other!r} is not a class of {target_name}; it has {_quoted(ids)}")
    left_out = [name for name in names if name not in pairs]
    if left_out and target["ignore_index"] is None:
        raise DescriptorError(
            f"{place}: {_quoted(left_out)} left out, but {target_name} has no ignore_index; map every class"
        )
    return tuple(ids[pairs[name]] if name in pairs else target["ignore_index"] for name in names)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def list_datasets() -> list[str]:
    """Names of the data sets that are described in the data catalog, sorted."""
    return _list("dataset")


def list_models() -> list[str]:
    """Names of the models that are described in the data catalog, sorted."""
    return _list("model")


def load_dataset(name: str) -> DatasetDescriptor:
    """Load the descriptor of a data set; the data themselves are not touched.

    Parameters
    ----------
    name : str
        One of ``list_datasets()``, such as ``"ade20k-150"``.

    Raises
    ------
    UnknownNameError
        If the data catalog describes no data set of this name.
    DescriptorError
        If the descriptor is not valid.

    Examples
    --------
    >>> load_dataset("voc-21").class_names[15]
    'person'
    """
    path, document = _read("dataset", name)
    classes, stored = document["classes"], document["label_format"]
    offset = stored.pop("offset", 0)
    stored_values = tuple(entry.get("stored", entry["id"] + offset) for entry in classes)
    _check_classes(path, classes, stored["encoding"], stored_values)
    names = [entry["name"] for entry in classes]
    return DatasetDescriptor(
        **{key: document[key] for key in ("name", "title", "licence", "origin", "ignore_index")},
        class_names=tuple(names),
        palette=tuple(tuple(entry["color"]) for entry in classes),
        ignored=tuple(entry["id"] for entry in classes if entry.get("ignored", False)),
        label_format=LabelFormat(channel=stored.pop("channel", 0), stored_values=stored_values, **stored),
        mapping={
            target: _lookup_table(path, names, target, pairs) for target, pairs in document.get("mapping", {}).items()
        },
    )


def load_model_descriptor(name: str) -> ModelDescriptor:
    """Load the descriptor of a model; its weights are not read.

    Parameters
    ----------
    name : str
        One of ``list_models()``, such as ``"deeplabv3-mobilenetv2-voc"``.

    Raises
    ------
    UnknownNameError
        If the data catalog describes no model of this name.
    DescriptorError
        If the descriptor is not valid, or names a data set that is not described.

    Examples
    --------
    >>> load_model_descriptor("deeplabv3-mobilenetv2-voc").dataset
    'voc-21'
    """
    path, document = _read("model", name)
    try:
        _path("dataset", document["dataset"])
    except UnknownNameError as error:
        raise DescriptorError(f"{path}: dataset: {error}") from error
    normalization: dict[str, Any] = {key: tuple(values) for key, values in document.pop("normalization").items()}
    return ModelDescriptor(bundle=path.parent / document.pop("bundle"), **document, **normalization)
