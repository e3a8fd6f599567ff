"""Weights as safetensors bytes that depend on the weights alone, so that their checksum is an identity.

The safetensors library promises a format, not an order of tensors or a spelling of the header; both are fixed here.
Source of the format: the safetensors specification (8 bytes header length, JSON header, tensors without gaps).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

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


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 of the file that `write_weights` would write."""
    checksum = hashlib.sha256()
    for piece in _pieces(tensors):
        checksum.update(piece)
    return checksum.hexdigest()


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write a safetensors file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    tensors : mapping
        By name. Floating-point tensors of any precision are written as float32; a tensor with several names is written
        under each.

    Returns
    -------
    str
        The file's sha256.

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
