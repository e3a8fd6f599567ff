"""The kernels for a CPU give what tensors give, and the same bits however their work is divided."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toolkit.models import Model
from toolkit.segmentation import Protocol, SegmentedImage, fused, mean_probabilities, segment_image
from toolkit.segmentation.fused import is_possible

MakeImage = Callable[..., np.ndarray]

CPU = torch.device("cpu")
PROTOCOLS = {
    "scales": Protocol(scales=(0.5, 1.0, 1.3), crop_size=65, flip=True, blend="gaussian"),
    "one pass": Protocol(crop_size=65, stride=40, flip=True),
    "mirrored pass": Protocol.preset("mmseg1", crop_size=65, flip=True),
    "straight to the image": Protocol.preset("csail", base_size=300, long_limit=450, scales=(1.0,), flip=True),
}


@contextmanager
def step_by_step() -> Iterator[None]:
    """Without kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "_kernels", lambda: None)
        yield


@contextmanager
def threads(n: int) -> Iterator[None]:
    """So many."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def segmented(pixels: np.ndarray, model: Model, protocol: Protocol) -> SegmentedImage:
    """With the mean of all probabilities."""
    return segment_image(pixels, model, protocol, soft_composition=True)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_photo_gives_what_it_gives_step_by_step(built_in: Model, photo: MakeImage, protocol: Protocol) -> None:
    pixels = photo("horses.jpg", 200)
    found = segmented(pixels, built_in, protocol)
    with step_by_step():
        expected = segmented(pixels, built_in, protocol)
    assert len(np.unique(expected.labels)) > 1
    assert (found.labels == expected.labels).mean() >= 0.9999
    np.testing.assert_allclose(found.composition, expected.composition, rtol=0, atol=1e-6 + 1 / pixels[..., 0].size)
    assert found.confidence == pytest.approx(expected.confidence, abs=1e-6)
    np.testing.assert_allclose(found.soft_composition, expected.soft_composition, rtol=0, atol=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize(("n_threads", "band_rows"), [(3, 1000), (1, 23), (2, 41)])
def test_the_bits_depend_neither_on_threads_nor_on_bands(
    small_model: Model, noise: MakeImage, protocol: Protocol, n_threads: int, band_rows: int
) -> None:
    pixels = noise(90, 1100)  # several blocks in both directions
    with threads(1):
        expected = segmented(pixels, small_model, protocol)
    with threads(n_threads), pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.segmentation.image.band_rows", lambda *_: band_rows)
        found = segmented(pixels, small_model, protocol)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.soft_composition, expected.soft_composition)
    assert found.confidence == expected.confidence


@pytest.mark.parametrize("n_classes", [1, 2, 21, 300])
def test_of_classes_that_are_equally_likely_the_first_is_taken(n_classes: int) -> None:
    total = torch.randint(0, 4, (40, 7, n_classes), generator=torch.Generator().manual_seed(5)).float()
    labels, greatest, mass = fused.summarise(total.permute(2, 0, 1), soft=True)
    np.testing.assert_array_equal(labels, total.numpy().argmax(2))
    np.testing.assert_allclose(greatest, total.numpy().max(2).sum(1))
    np.testing.assert_allclose(mass, total.numpy().sum(1))


class _Changed(nn.Module):
    """A network whose logits something is done to."""

    def __init__(self, inside: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inside = inside
        self._change = change

    def forward(self, crops: Tensor) -> Tensor:
        return self._change(self.inside(crops))


def _without_a_class(logits: Tensor) -> Tensor:
    return torch.cat([logits[:, :1], torch.full_like(logits[:, 1:2], -torch.inf), logits[:, 2:]], dim=1)


@pytest.mark.parametrize("model_name", ["small_model", "pixel_model"])
@pytest.mark.parametrize(
    "change", [lambda logits: 500 * logits, _without_a_class], ids=["neighbours that agree on nothing", "-inf"]
)
@pytest.mark.parametrize("merge", ["probabilities", "logits"])
def test_extreme_logits_give_what_they_give_step_by_step(
    request: pytest.FixtureRequest, noise: MakeImage, change: Any, merge: Any, model_name: str
) -> None:
    known: Model = request.getfixturevalue(model_name)
    model = Model(_Changed(known.network, change).eval(), known.class_names, known.normalization, name="extreme")
    protocol = Protocol(mode="whole", scales=(1.0, 2.0), merge=merge, flip=True)
    found = mean_probabilities(noise(50, 60), model, protocol)
    with step_by_step():
        expected = mean_probabilities(noise(50, 60), model, protocol)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3, equal_nan=True)
    torch.testing.assert_close(found.isnan(), expected.isnan())


def test_without_numba_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "toolkit.segmentation.kernels", raising=False)
    monkeypatch.delattr("toolkit.segmentation.kernels", raising=False)
    fused._kernels.cache_clear()
    try:
        assert not is_possible(CPU)
    finally:
        fused._kernels.cache_clear()


def test_kernels_are_for_a_cpu_only() -> None:
    assert is_possible(CPU)
    assert not is_possible(torch.device("cuda"))
