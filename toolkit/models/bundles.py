"""A model on disk: a directory with ``model.json`` (the definition), weights as safetensors, and code if it needs some.

Code of a bundle runs with all rights of whoever loads it; load only bundles that you trust.
"""

import errno
import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from toolkit.models.building import BuildError, build_network
from toolkit.models.definitions import (
    InputRules,
    NetworkDefinition,
    Normalization,
    SourceCode,
    digest_of,
    document_of,
)
from toolkit.models.messages import shortened
from toolkit.models.model import Model
from toolkit.models.probing import ProbeError, probe
from toolkit.models.user_code import UserCodeError
from toolkit.models.weights import WeightsError, fit_weights

DEFINITION_FILE = "model.json"
_MOST_DEFINITION_BYTES = 16 * 2**20
_MOST_CODE_BYTES = 16 * 2**20
_MOST_WEIGHT_BYTES = 64 * 2**30
_LARGEST_DIVISOR = 1024
_LARGEST_NUMBER = 1e9
_RGB = 3


class BundleError(ValueError):
    """A bundle that cannot be used: incomplete, of another format, or not what its digest says."""


def load_bundle(folder: Path, source: str = "") -> Model:
    """Load the model in a bundle directory.

    Code that the bundle brings runs unsandboxed, with the rights of this process.

    Parameters
    ----------
    folder : pathlib.Path
        Directory with ``model.json`` and the files that it names.
    source : str
        What ``load_model`` takes to get this model again; the folder by default.

    Returns
    -------
    Model
        In evaluation mode, on the CPU.

    Raises
    ------
    BundleError
        A file is missing, not readable or outside the folder, the definition lacks something, a sha256 differs from
        the definition's, the code fails, or the weights do not fit the network.
    """
    document = _read_document(folder)
    weights = _read_checked(folder, document["weights"], "weights", _MOST_WEIGHT_BYTES)
    definition = NetworkDefinition(
        document.get("architecture", ""), document.get("arguments", {}), _read_code(folder, document)
    )
    try:
        network = build_network(definition, folder=folder)
        fit_weights(network, _tensors(folder, weights), str(folder))
    except (BuildError, UserCodeError) as error:
        raise BundleError(f"bundle {document['name']!r} ({folder}): {error}") from (error.__cause__ or error)
    except WeightsError as error:
        raise BundleError(f"bundle {document['name']!r}: {error}") from error
    try:
        own_rules = InputRules.of(network)
        rules = InputRules(*(document.get(key, value) for key, value in vars(own_rules).items()))
    except ValueError as error:
        raise BundleError(f"bundle {document['name']!r} ({folder}): {error}") from error
    class_names = tuple(document["class_names"])
    _check_outputs(folder, document["name"], network, rules, len(class_names))
    normalization = Normalization(tuple(document["normalization"]["mean"]), tuple(document["normalization"]["std"]))
    identity = document_of(definition, class_names, normalization, rules, own_rules)
    return Model(
        network=network,
        class_names=class_names,
        normalization=normalization,
        name=document["name"],
        digest=digest_of(identity, document["weights"]["sha256"]),
        source=source or str(folder.resolve()),
        palette=tuple(tuple(color) for color in document.get("palette", ())),
        **vars(rules),
        definition=definition,
    )


def files_of(folder: Path) -> list[Path]:
    """The files that make a bundle, relative to its directory.

    Raises
    ------
    BundleError
        Its definition cannot be read.
    """
    document = _read_document(folder)
    named = [document[part]["file"] for part in ("weights", "code") if part in document]
    return [Path(name) for name in (DEFINITION_FILE, *named)]


def _check_outputs(folder: Path, name: str, network: nn.Module, rules: InputRules, n_classes: int) -> None:
    try:
        n_outputs = probe(network, rules).shape[1]
    except ProbeError as error:
        raise BundleError(f"bundle {name!r} ({folder}): {error}") from (error.__cause__ or error)
    if n_outputs != n_classes:
        raise BundleError(f"{folder}: class_names holds {n_classes} names, but the network has {n_outputs} outputs")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST_DIVISOR


def _is_numbers(value: object, least: float) -> bool:
    return (
        isinstance(value, list)
        and len(value) == _RGB
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
        and all(abs(one) <= _LARGEST_NUMBER and one >= least for one in value)  # not: infinite, or not a number
    )


def _is_color(value: object) -> bool:
    return _is_numbers(value, 0) and isinstance(value, list) and all(type(one) is int and one <= 255 for one in value)


def _is_object(value: object, needed: set[str], optional: Collection[str] = ()) -> bool:
    return isinstance(value, dict) and needed <= set(value) <= needed.union(optional)


# What each key must hold: the words for a message, and the check.
_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("text", _is_text),
    "architecture": ("text", _is_text),
    "code": (
        "an object with file, class and, if wished, sha256",
        lambda value: _is_object(value, {"file", "class"}, {"sha256"}) and all(map(_is_text, value.values())),
    ),
    "class_names": (
        "a list of different names",
        lambda value: (
            isinstance(value, list) and bool(value) and all(map(_is_text, value)) and len({*value}) == len(value)
        ),
    ),
    "normalization": (
        "an object with mean and std, three numbers each, std above 0",
        lambda value: (
            _is_object(value, {"mean", "std"})
            and _is_numbers(value["mean"], -_LARGEST_NUMBER)
            and _is_numbers(value["std"], 1e-6)
        ),
    ),
    "weights": (
        "an object with file and sha256",
        lambda value: _is_object(value, {"file", "sha256"}) and all(map(_is_text, value.values())),
    ),
    "arguments": ("an object", lambda value: isinstance(value, dict)),
    "palette": (
        "a list of RGB colours, whole numbers from 0 to 255",
        lambda value: isinstance(value, list) and all(map(_is_color, value)),
    ),
    "size_divisor": (f"a whole number from 1 to {_LARGEST_DIVISOR}", lambda value: _is_count(value, 1)),
    "size_remainder": (f"a whole number from 0 to {_LARGEST_DIVISOR}", lambda value: _is_count(value, 0)),
    "least_side": (f"a whole number from 1 to {_LARGEST_DIVISOR}", lambda value: _is_count(value, 1)),
    "align_corners": ("true or false", lambda value: isinstance(value, bool)),
}
_NEEDED = {"name", "class_names", "normalization", "weights"}


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / DEFINITION_FILE
    try:
        document = json.loads(_read_file(path, _MOST_DEFINITION_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise BundleError(f"{path} must hold a JSON object, not {type(document).__name__}")
    missing = sorted(_NEEDED - set(document))
    if "architecture" not in document and "code" not in document:
        missing = sorted([*missing, "architecture"])
    unknown = sorted(set(document) - set(_KEYS))
    if missing or unknown:
        raise BundleError(f"{path}: missing keys {missing}, unknown keys {unknown}")
    if "architecture" in document and "code" in document:
        raise BundleError(f"{path}: architecture and code exclude each other")
    for key, value in document.items():
        words, holds = _KEYS[key]
        if not holds(value):
            raise BundleError(f"{path}: {key} must be {words}, not {shortened(value)}")
    n_colors = len(document.get("palette", ()))
    if n_colors not in (0, len(document["class_names"])):
        raise BundleError(f"{path}: palette has {n_colors} colours, class_names {len(document['class_names'])} names")
    return document


def _read_file(path: Path, most_bytes: int | None = None) -> bytes:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")  # opening a pipe would wait for ever
    if most_bytes is not None and path.stat().st_size > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes} bytes")
    return path.read_bytes()


def _read_checked(folder: Path, entry: dict[str, str], what: str, most_bytes: int | None = None) -> bytes:
    """The content of a file of the bundle, which is what its sha256 says, where it has one."""
    path = folder / entry["file"]
    try:
        # Nor by way of another folder: save_bundle would write it there.
        if ".." in path.parts[len(folder.parts) :] or not path.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"the {what} {entry['file']!r} lies outside {folder}; a bundle holds all of its files")
        content = _read_file(path, most_bytes)
    except OSError as error:
        raise BundleError(f"the {what} {path} cannot be read: {error.strerror}") from error
    except MemoryError as error:
        size = path.stat().st_size
        raise BundleError(f"the {what} {path} have {size} bytes, for which memory does not suffice") from error
    except UnicodeError as error:
        raise BundleError(f"the {what} {entry['file']!r} is no name of a file: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.get("sha256", found):
        raise BundleError(
            f"the {what} {path} have sha256 {found}, but {DEFINITION_FILE} says {entry['sha256']}; "
            "the file is damaged or was exchanged: fetch it again"
        )
    return content


def _read_code(folder: Path, document: dict[str, Any]) -> SourceCode | None:
    if "code" not in document:
        return None
    entry = document["code"]
    return SourceCode(entry["file"], entry["class"], _read_checked(folder, entry, "code", _MOST_CODE_BYTES))


def _tensors(folder: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return dict(load_safetensors(content))
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{folder}: the weights do not fit the network: no safetensors: {error}") from error
