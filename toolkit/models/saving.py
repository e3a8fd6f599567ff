"""Write a model as a bundle: to the side first, tried out there, then put in its place at once."""

import inspect
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from toolkit.models.bundles import DEFINITION_FILE, BundleError, load_bundle
from toolkit.models.definitions import InputRules, NetworkDefinition, SourceCode, document_of
from toolkit.models.model import Model
from toolkit.models.networks import ARCHITECTURES
from toolkit.models.networks.wrapped import published_weights
from toolkit.models.probing import ProbeError, probe
from toolkit.models.serialization import write_weights

_WEIGHTS_FILE = "model.safetensors"
_TOLERANCE = 1e-3


def save_bundle(model: Model, path: str | Path, *, arguments: Mapping[str, Any] | None = None) -> Path:
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


def _definition(model: Model, arguments: Mapping[str, Any] | None) -> NetworkDefinition:
    if model.definition is not None:
        if arguments is not None:
            raise ValueError(f"model {model.name!r} knows how its network is built; leave arguments out")
        return model.definition
    network = model.network
    arguments = getattr(network, "arguments", {}) if arguments is None else arguments
    if not isinstance(arguments, Mapping):
        raise TypeError(f"arguments must be a mapping, not {type(arguments).__name__}")
    for architecture, network_class in ARCHITECTURES.items():
        if type(network) is network_class:
            return NetworkDefinition(architecture, dict(arguments))
    return NetworkDefinition(arguments=dict(arguments), code=_source_code(model))


def _source_code(model: Model) -> SourceCode:
    network_class = type(model.network)
    title = f"the network of {model.name!r} is of class {network_class.__qualname__}"
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


def _write(model: Model, definition: NetworkDefinition, folder: Path) -> None:
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


def _check(model: Model, folder: Path) -> None:
    """Load what was written, and compare its logits with the model's on an image of noise."""
    try:
        copy = load_bundle(folder)
        expected = probe(model.network, model.rules).float().cpu()
        found = probe(copy.network, model.rules)
    except (BundleError, ProbeError) as error:
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
