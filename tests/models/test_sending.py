"""Models sent in parts to a machine that cannot load them otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from toolkit import Model
from toolkit.models import BundleError, sending
from toolkit.models.sending import BundlePart, load_kept, parts_of, receive_part


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSCAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def parts(model: Model) -> list[BundlePart]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "_PART_BYTES", 2**20)
        return list(parts_of(model))


def test_what_arrives_is_the_model(model: Model, parts: list[BundlePart], cache: Path) -> None:
    assert load_kept(model.digest) is None
    for part in parts:
        receive_part(part)
    kept = load_kept(model.digest)
    assert kept is not None
    assert kept.digest == model.digest
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(kept.network.state_dict()[name], tensor)
    assert [path.name for path in (cache / "models").iterdir()] == [model.digest]


def test_two_may_send_the_same_at_once(model: Model, parts: list[BundlePart], cache: Path) -> None:
    others = [replace(part, parcel="another") for part in parts]
    for one, other in zip(parts, others, strict=True):
        receive_part(one)
        receive_part(other)
    assert load_kept(model.digest) is not None
    assert [path.name for path in (cache / "models").iterdir()] == [model.digest]


def test_what_is_another_model_than_it_says_is_refused(parts: list[BundlePart], cache: Path) -> None:
    *first, last = [replace(part, digest="f" * 64) for part in parts]
    for part in first:
        receive_part(part)
    with pytest.raises(BundleError, match=r"digest f{16}… was sent, .* arrived"):
        receive_part(last)
    assert list((cache / "models").iterdir()) == []


def test_what_lost_a_part_is_refused(parts: list[BundlePart], cache: Path) -> None:
    assert len(parts) > 3
    for part in [*parts[:2], *parts[3:-1]]:
        receive_part(part)
    with pytest.raises(BundleError):
        receive_part(parts[-1])
    assert list((cache / "models").iterdir()) == []


def test_what_is_damaged_on_the_disk_is_not_used(model: Model, parts: list[BundlePart], cache: Path) -> None:
    for part in parts:
        receive_part(part)
    weights = next((cache / "models" / model.digest).glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert load_kept(model.digest) is None
    assert not (cache / "models" / model.digest).exists()


@pytest.mark.parametrize("digest", ["../..", "", "a/b"])
def test_a_digest_is_no_path(digest: str) -> None:
    assert load_kept(digest) is None
