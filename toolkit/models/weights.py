"""Weights from files, into networks, and back into files.

They are read without running what a file holds, and checked name by name, shape by shape. They are written as
safetensors bytes that depend on the weights alone, so that their checksum is an identity: the safetensors library
promises a format, not an order of tensors or a spelling of the header; both are fixed here. Source of the format: the
safetensors specification (8 bytes header length, JSON header, tensors without gaps).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from toolkit.models.errors import WeightsError
from toolkit.models.wrapped import published_weights, put_weights

_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_WRAPPERS = ("state_dict", "model")
_NAMED_AT_MOST = 3

_CODES = {
    torch.float32: "F32",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights in a file."""

    tensors: Mapping[str, Tensor]
    """By name, on the CPU."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, where the file has them."""


def read_weights(path: Path) -> Weights:
    """Read a state dict from a file; nothing in the file is run.

    Parameters
    ----------
    path : pathlib.Path
        A ``.safetensors`` file, or one written by ``torch.save`` (``.pth``, ``.pt``, ``.bin``, ``.ckpt``): a state
        dict, or a dictionary that holds one under ``"state_dict"`` or ``"model"``. A prefix ``module.`` of all names,
        which data-parallel training leaves there, is taken off.

    Returns
    -------
    Weights
        Class names are those in the safetensors metadata, under ``class_names`` as a JSON list.

    Raises
    ------
    WeightsError
        The file does not exist, is damaged or truncated, is of another kind, or is a pickle that would run code.
    """
    if path.suffix not in _SUFFIXES:
        raise WeightsError(f"weights {path}: the file must end in {', '.join(_SUFFIXES)}")
    if not path.is_file():
        raise WeightsError(f"weights {path}: no such file")
    return _read_safetensors(path) if path.suffix == ".safetensors" else Weights(_read_pickle(path))


def fit_weights(network: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Put weights by their names into a network; ``origin`` says in messages where they come from.

    Raises
    ------
    WeightsError
        Weights are missing, unexpected, or of another shape; the message names some of them.
    """
    expected = published_weights(network)
    # Files written before batch norms counted their batches are complete without the counts.
    counters = {name for name in expected if name.endswith(".num_batches_tracked")}
    found = {
        "missing": sorted(expected.keys() - tensors.keys() - counters),
        "unexpected": sorted(tensors.keys() - expected.keys()),
        "of another shape": [
            f"{name} ({_shape(tensors[name])} in the weights, {_shape(expected[name])} in the network)"
            for name in sorted(expected.keys() & tensors.keys())
            if tensors[name].shape != expected[name].shape
        ],
    }
    problems = [f"{len(names)} {kind}: {_some(names)}" for kind, names in found.items() if names]
    if problems:
        raise WeightsError(
            f"{origin}: the weights do not fit the network: {'; '.join(problems)}. "
            "Are they of this architecture, and of this number of classes?"
        )
    try:
        put_weights(network, {**{name: expected[name] for name in counters}, **tensors})
    except RuntimeError as error:
        raise WeightsError(f"{origin}: the weights do not fit the network: {error}") from error


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
            return Weights(_without_prefix(tensors), _class_names(file.metadata() or {}))
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"weights {path}: cannot be read as safetensors: {error}") from error


def _class_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    try:
        names = json.loads(metadata.get("class_names", "[]"))
    except ValueError:
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in as many ways as there are bytes
        raise WeightsError(
            f"weights {path}: cannot be read as a state dict without running code that it may hold: {error}"
        ) from error
    return _without_prefix(_state_dict(content, path))


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"weights {path}: holds {type(content).__name__}, not a state dict (tensors by name)")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"weights {path}: {name!r} is {type(value).__name__}, not a tensor; give a state dict, plain or "
                f"under {' or '.join(map(repr, _WRAPPERS))}"
            )
    return dict(content)


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if tensors and all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 of the file that `write_weights` would write."""
    checksum = hashlib.sha256()
    for piece in _pieces(tensors):
        checksum.update(piece)
    return checksum.hexdigest()


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write a safetensors file, and tell its sha256.

    Floating-point tensors of any precision are written as float32; a tensor with several names is written under each.

    Raises
    ------
    TypeError
        A tensor is of a type that networks do not have, such as complex numbers.
    """
    checksum = hashlib.sha256()
    with path.open("wb") as file:
        for piece in _pieces(tensors):
            file.write(piece)
            checksum.update(piece)
    return checksum.hexdigest()


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes of the file, in order."""
    stored_types = {name: _stored_type(name, tensor) for name, tensor in tensors.items()}
    # Wide types first, so that every tensor is aligned.
    order = sorted(tensors, key=lambda name: (-stored_types[name].itemsize, name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        begin, end = end, end + tensors[name].numel() * stored_types[name].itemsize
        header[name] = {
            "dtype": _CODES[stored_types[name]],
            "shape": list(tensors[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        tensor = tensors[name].detach().to("cpu", stored_types[name]).contiguous()
        yield tensor.reshape(-1).view(torch.uint8).numpy().data


def _stored_type(name: str, tensor: Tensor) -> torch.dtype:
    stored = torch.float32 if tensor.is_floating_point() else tensor.dtype
    if stored not in _CODES:
        raise TypeError(f"weight {name} is of type {tensor.dtype}, which cannot be stored")
    return stored
