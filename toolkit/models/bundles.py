"""A model on disk: a directory with ``model.json`` (the definition) and its weights as safetensors."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from toolkit.models.model import Model, Normalization
from toolkit.models.networks import ARCHITECTURES

DEFINITION_FILE = "model.json"
_RGB = 3
_PROBE_SIDE = 33


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
    model = Model(
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
    _check_channels(folder, model)
    return model


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_numbers(value: object, least: float) -> bool:
    return (
        isinstance(value, list)
        and len(value) == _RGB
        and all(isinstance(one, int | float) and math.isfinite(one) and one >= least for one in value)
    )


# What each key must hold: the words for a message, and the check.
_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("text", _is_text),
    "architecture": ("text", _is_text),
    "class_names": (
        "a list of different names",
        lambda value: (
            isinstance(value, list) and bool(value) and all(map(_is_text, value)) and len({*value}) == len(value)
        ),
    ),
    "normalization": (
        "an object with mean and std, three numbers each, std above 0",
        lambda value: (
            isinstance(value, dict)
            and set(value) == {"mean", "std"}
            and _is_numbers(value["mean"], -math.inf)
            and _is_numbers(value["std"], 1e-6)
        ),
    ),
    "weights": (
        "an object with file and sha256",
        lambda value: (
            isinstance(value, dict) and set(value) == {"file", "sha256"} and all(map(_is_text, value.values()))
        ),
    ),
    "arguments": ("an object", lambda value: isinstance(value, dict)),
    "palette": (
        "a list of RGB colours",
        lambda value: isinstance(value, list) and all(_is_numbers(color, 0) for color in value),
    ),
    "size_divisor": ("a whole number of at least 1", lambda value: _is_count(value, 1)),
    "size_remainder": ("a whole number of at least 0", lambda value: _is_count(value, 0)),
}
_OPTIONAL = {"arguments", "palette", "size_divisor", "size_remainder"}


def _read_definition(folder: Path) -> dict[str, Any]:
    path = folder / DEFINITION_FILE
    try:
        definition = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(definition, dict):
        raise BundleError(f"{path} must hold a JSON object, not {type(definition).__name__}")
    missing = sorted(set(_KEYS) - _OPTIONAL - set(definition))
    unknown = sorted(set(definition) - set(_KEYS))
    if missing or unknown:
        raise BundleError(f"{path}: missing keys {missing}, unknown keys {unknown}")
    for key, value in definition.items():
        words, holds = _KEYS[key]
        if not holds(value):
            raise BundleError(f"{path}: {key} must be {words}, not {value!r}")
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
    except (TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{folder}: architecture {architecture!r} does not take these arguments: {error}") from error


def _load_weights(folder: Path, network: nn.Module, data: bytes) -> None:
    try:
        network.load_state_dict(load_safetensors(data), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{folder}: the weights do not fit the architecture: {error}") from error


def _check_channels(folder: Path, model: Model) -> None:
    side = model.round_up(_PROBE_SIDE)
    with torch.inference_mode():
        channels = model.network(torch.zeros(1, _RGB, side, side)).shape[1]
    if channels != model.n_classes:
        raise BundleError(
            f"{folder}: class_names holds {model.n_classes} names, but the network has {channels} outputs"
        )


def _digest(definition: dict[str, Any]) -> str:
    # Name and palette change nothing in a label map, so they are not part of the identity.
    identity = {key: value for key, value in definition.items() if key not in ("name", "palette")}
    identity["weights"] = definition["weights"]["sha256"]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
