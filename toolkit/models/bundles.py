"""A model on disk: a directory with ``model.json`` (the definition) and its weights as safetensors."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from toolkit.models.model import Model, Normalization
from toolkit.models.networks import ARCHITECTURES

DEFINITION_FILE = "model.json"
_REQUIRED = ("name", "architecture", "class_names", "normalization", "weights")
_OPTIONAL = ("arguments", "palette", "size_divisor", "size_remainder")


class BundleError(ValueError):
    """A bundle that cannot be used: incomplete, of another format, or not what its digest says."""


def load_bundle(folder: Path, source: str = "") -> Model:
    """Load the model in a bundle directory.

    Parameters
    ----------
    folder : pathlib.Path
        Directory with ``model.json`` and the safetensors file that it names.
    source : str
        What ``load_model`` takes to get this model again; the folder by default.

    Returns
    -------
    Model
        In evaluation mode, on the CPU.

    Raises
    ------
    BundleError
        A file is missing or not readable, the definition lacks something, the weights' sha256 differs from the
        definition's, or the weights do not fit the architecture.
    """
    definition = _read_definition(folder)
    weights = _read_weights(folder, definition["weights"])
    network = _build_network(folder, definition)
    _load_weights(folder, network, weights)
    normalization = definition["normalization"]
    return Model(
        network=network.eval().requires_grad_(False),
        class_names=tuple(definition["class_names"]),
        normalization=Normalization(tuple(normalization["mean"]), tuple(normalization["std"])),
        name=definition["name"],
        digest=_digest(definition),
        source=source or str(folder.resolve()),
        palette=tuple(tuple(color) for color in definition.get("palette", ())),
        size_divisor=definition.get("size_divisor", 1),
        size_remainder=definition.get("size_remainder", 0),
    )


def _read_definition(folder: Path) -> dict[str, Any]:
    path = folder / DEFINITION_FILE
    try:
        definition = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(definition, dict):
        raise BundleError(f"{path} must hold a JSON object, not {type(definition).__name__}")
    missing = [key for key in _REQUIRED if key not in definition]
    unknown = sorted(set(definition) - {*_REQUIRED, *_OPTIONAL})
    if missing or unknown:
        raise BundleError(f"{path}: missing keys {missing}, unknown keys {unknown}")
    return definition


def _read_weights(folder: Path, weights: dict[str, str]) -> bytes:
    path = folder / weights["file"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"the weights {path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != weights["sha256"]:
        raise BundleError(
            f"the weights {path} have sha256 {found}, but {DEFINITION_FILE} says {weights['sha256']}; "
            "the file is damaged or was exchanged: fetch it again"
        )
    return data


def _build_network(folder: Path, definition: dict[str, Any]) -> nn.Module:
    architecture = definition["architecture"]
    if architecture not in ARCHITECTURES:
        raise BundleError(f"{folder}: architecture {architecture!r} is unknown; there are {sorted(ARCHITECTURES)}")
    try:
        return ARCHITECTURES[architecture](**definition.get("arguments", {}))
    except TypeError as error:
        raise BundleError(f"{folder}: architecture {architecture!r} does not take these arguments: {error}") from error


def _load_weights(folder: Path, network: nn.Module, data: bytes) -> None:
    try:
        network.load_state_dict(load_safetensors(data), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{folder}: the weights do not fit the architecture: {error}") from error


def _digest(definition: dict[str, Any]) -> str:
    # Name and palette change nothing in a label map, so they are not part of the identity.
    identity = {key: value for key, value in definition.items() if key not in ("name", "palette")}
    identity["weights"] = definition["weights"]["sha256"]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
