"""A model on disk: a directory with ``model.json`` (the definition), weights as safetensors, and code if it needs some.

Code of a bundle runs with all rights of whoever loads it; load only bundles that you trust. A bundle is written to the
side first, tried out there, then put in its place at once.
"""

import errno
import hashlib
import inspect
import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from toolkit.models.building import follow, probe
from toolkit.models.definitions import InputRules, NetworkDefinition, Normalization, Output, SourceCode, document_of
from toolkit.models.errors import BundleError, ModelError, WeightsError
from toolkit.models.providers import ARCHITECTURES
from toolkit.models.recipes import Recipe
from toolkit.models.schemas import check
from toolkit.models.sigmoid import SigmoidNetwork
from toolkit.models.weights import fit_weights, write_weights
from toolkit.models.wrapped import published_weights

if TYPE_CHECKING:
    from toolkit.models.model import Model

DEFINITION_FILE = "model.json"
_WEIGHTS_FILE = "model.safetensors"
_SOFTMAX: Output = "softmax"
_SIGMOID: Output = "sigmoid"
_MOST_DEFINITION_BYTES = 16 * 2**20
_MOST_CODE_BYTES = 16 * 2**20
_MOST_WEIGHT_BYTES = 64 * 2**30
_TOLERANCE = 1e-3


def read_bundle(folder: Path, source: str = "") -> Recipe:
    """The recipe in a bundle directory; nothing that it brings is run yet.

    Parameters
    ----------
    folder : pathlib.Path
        Directory with ``model.json`` and the files that it names.
    source : str
        What ``load_model`` takes to get the model again; the folder by default.

    Raises
    ------
    BundleError
        A file is missing, not readable or outside the folder, the definition lacks something, or a sha256 differs from
        the definition's.
    """
    document = _read_document(folder)
    weights = _read_checked(folder, document["weights"], "weights", _MOST_WEIGHT_BYTES)
    code = None
    if "code" in document:
        content = _read_checked(folder, document["code"], "code", _MOST_CODE_BYTES)
        code = SourceCode(document["code"]["file"], document["code"]["class"], content, folder)
    title = f"bundle {document['name']!r} ({folder})"
    return Recipe(
        title=title,
        name=document["name"],
        source=source or str(folder.resolve()),
        definition=NetworkDefinition(
            document.get("architecture", ""), document.get("arguments", {}), code, document.get("output", "softmax")
        ),
        normalization=Normalization(*(tuple(document["normalization"][key]) for key in ("mean", "std"))),
        class_names={"class_names": document["class_names"]},
        put_weights=partial(_put_weights, content=weights, title=title),
        weights_sha256=document["weights"]["sha256"],
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in document.get("palette", ())),
        rules={key: document[key] for key in vars(InputRules()) if key in document},
        refusal=BundleError,
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


def save_bundle(model: "Model", path: str | Path, *, arguments: Mapping[str, Any] | None = None) -> Path:
    """Write a bundle; see `Model.save_bundle`."""
    folder = Path(path).expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; choose another path, or delete it first")
    if model.network.training:
        raise BundleError(f"the network of {model.name!r} is in training mode; call model.network.eval() first")
    definition = _definition(model, arguments)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".partial", dir=folder.parent))
    try:
        _write(model, definition, beside)
        _check(model, beside)
        beside.chmod(0o755)  # as any new directory; temporary ones are closed to others
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _definition(model: "Model", arguments: Mapping[str, Any] | None) -> NetworkDefinition:
    if model.definition is not None:
        if arguments is not None:
            raise ValueError(f"model {model.name!r} knows how its network is built; leave arguments out")
        return model.definition
    network, output = model.network, _SOFTMAX
    if isinstance(network, SigmoidNetwork):
        network, output = network.wrapped, _SIGMOID
    arguments = getattr(network, "arguments", {}) if arguments is None else arguments
    if not isinstance(arguments, Mapping):
        raise TypeError(f"arguments must be a mapping, not {type(arguments).__name__}")
    for architecture, network_class in ARCHITECTURES.items():
        if type(network) is network_class:
            return NetworkDefinition(architecture, dict(arguments), output=output)
    return NetworkDefinition(arguments=dict(arguments), code=_source_code(model.name, network), output=output)


def _source_code(name: str, network: nn.Module) -> SourceCode:
    network_class = type(network)
    title = f"the network of {name!r} is of class {network_class.__qualname__}"
    if network_class.__module__.partition(".")[0] == "torch":
        raise BundleError(f"{title} of torch itself, which does not say what is in it; write a class of your own")
    try:
        file = Path(inspect.getfile(network_class))
        content = file.read_bytes()
    except (OSError, TypeError) as error:
        raise BundleError(f"{title}, which lies in no file; import it from a .py file of its own") from error
    if network_class.__qualname__ != network_class.__name__:
        raise BundleError(f"{title}, which lies within another; move it to the top of {file}")
    return SourceCode(file.name, network_class.__name__, content)


def _write(model: "Model", definition: NetworkDefinition, folder: Path) -> None:
    try:
        sha256 = write_weights(folder / _WEIGHTS_FILE, published_weights(model.network))
        rest = document_of(
            definition, model.class_names, model.normalization, model.rules, InputRules.of(model.network)
        )
        document = {
            "name": model.name,
            **rest,
            **({"palette": [list(map(int, color)) for color in model.palette]} if model.palette else {}),
            "weights": {"file": _WEIGHTS_FILE, "sha256": sha256},
        }
        text = json.dumps(document, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"model {model.name!r} cannot be written: {error}; arguments must be values that JSON holds"
        ) from error
    if definition.code is not None:
        (folder / definition.code.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / definition.code.file).write_bytes(definition.code.content)
    (folder / DEFINITION_FILE).write_text(text + "\n", encoding="utf-8")


def _check(model: "Model", folder: Path) -> None:
    """Load what was written, and compare its logits with the model's on an image of noise."""
    try:
        copy, _, _ = follow(read_bundle(folder))
        expected = probe(model.network, model.rules).float().cpu()
        found = probe(copy, model.rules)
    except ModelError as error:
        raise BundleError(
            f"model {model.name!r} cannot be built again from a bundle ({error}); was its network changed after it was "
            "built, and are arguments what its class was called with?"
        ) from error
    precision = min((parameter.dtype.itemsize for parameter in model.network.parameters()), default=4)
    if precision < torch.float32.itemsize:
        return  # rounded in the model, not in the copy
    largest = float(expected.detach().nan_to_num().abs().max())
    if expected.shape != found.shape or not torch.allclose(
        expected, found, rtol=_TOLERANCE, atol=_TOLERANCE * largest, equal_nan=True
    ):
        raise BundleError(
            f"model {model.name!r} gives other logits when it is built again from a bundle; are arguments what its "
            "class was called with?"
        )


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / DEFINITION_FILE
    try:
        text = _read_file(path, _MOST_DEFINITION_BYTES).decode("utf-8")
        document: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    check(document, "bundle", path, BundleError)
    n_colors, n_classes = len(document.get("palette", ())), len(document["class_names"])
    if n_colors not in (0, n_classes):
        raise BundleError(f"{path}: palette has {n_colors} colours, class_names {n_classes} names")
    return document


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


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


def _put_weights(network: nn.Module, content: bytes, title: str) -> None:
    try:
        fit_weights(network, load_safetensors(content), title)
    except WeightsError as error:
        raise BundleError(str(error)) from error
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise BundleError(f"{title}: the weights do not fit the network: no safetensors: {error}") from error
