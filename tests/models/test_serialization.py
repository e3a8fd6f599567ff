"""The same weights give the same bytes, which the safetensors library reads."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from toolkit.models.weights import weights_sha256, write_weights

TENSORS = {
    "b.count": torch.tensor(7),
    "a.weight": torch.arange(12.0).reshape(3, 4),
    "a.mask": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 3),
    "a.index": torch.arange(5, dtype=torch.int32),
}


def test_what_is_written_is_read_by_the_library(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", TENSORS)
    found = load_file(tmp_path / "w.safetensors")
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    returned = write_weights(tmp_path / "w.safetensors", TENSORS)
    content = (tmp_path / "w.safetensors").read_bytes()
    assert returned == weights_sha256(TENSORS) == hashlib.sha256(content).hexdigest()


def test_the_checksum_is_the_same_on_every_machine() -> None:
    expected = "6737d479c130d3ca53a19db1a49ee9c96c6aa26c3ad3494aa311998463da198b"
    assert weights_sha256({"a": torch.arange(3.0)}) == expected


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(TENSORS.items())),
        {**TENSORS, "a.weight": TENSORS["a.weight"].double()},
        {**TENSORS, "a.weight": TENSORS["a.weight"].bfloat16()},
        {**TENSORS, "a.weight": TENSORS["a.weight"].t().contiguous().t()},
        {**TENSORS, "a.weight": torch.nn.Parameter(TENSORS["a.weight"])},
    ],
    ids=["order", "double", "half", "memory", "parameter"],
)
def test_order_precision_and_memory_layout_do_not_change_the_checksum(same: dict[str, Tensor]) -> None:
    assert weights_sha256(same) == weights_sha256(TENSORS)


@pytest.mark.parametrize(
    "other",
    [
        {**TENSORS, "a.weight": TENSORS["a.weight"] + 1},
        {**TENSORS, "a.weight": TENSORS["a.weight"].reshape(4, 3)},
        {**{name: tensor for name, tensor in TENSORS.items() if name != "empty"}, "void": TENSORS["empty"]},
    ],
    ids=["value", "shape", "name"],
)
def test_values_shapes_and_names_change_the_checksum(other: dict[str, Tensor]) -> None:
    assert weights_sha256(other) != weights_sha256(TENSORS)


def test_a_tensor_with_two_names_is_written_under_both(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    write_weights(tmp_path / "w.safetensors", {"encoder": shared, "decoder": shared[:2]})
    found = load_file(tmp_path / "w.safetensors")
    assert torch.equal(found["encoder"], shared)
    assert torch.equal(found["decoder"], shared[:2])


def test_a_type_that_no_network_has_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"weight a is of type torch\.complex64"):
        weights_sha256({"a": torch.zeros(2, dtype=torch.complex64)})
