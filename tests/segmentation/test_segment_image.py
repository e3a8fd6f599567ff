"""One image, in this process: what goes in, what comes out, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from toolkit.models import Model
from toolkit.paths import data_catalog
from toolkit.segmentation import Protocol, mean_probabilities, segment_image
from toolkit.sources import SourceError

PROTOCOL = Protocol(crop_size=40, stride=30)
PHOTO = data_catalog() / "samples" / "giraffe.jpg"


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """A shrunk photo, uint8 ``(60, 60, 3)``."""
    with Image.open(PHOTO) as image:
        return np.asarray(image.convert("RGB").resize((60, 60)))


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_gives_what_its_pixels_give(
    small_model: Model, pixels: np.ndarray, tmp_path: Path, kind: type[Any]
) -> None:
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    of_path = segment_image(kind(tmp_path / "photo.png"), small_model, PROTOCOL)
    of_pixels = segment_image(pixels, small_model, PROTOCOL)
    np.testing.assert_array_equal(of_path.labels, of_pixels.labels)
    np.testing.assert_array_equal(of_path.composition, of_pixels.composition)


def test_the_labels_are_as_large_as_the_image(small_model: Model) -> None:
    assert segment_image(np.zeros((7, 5, 3), np.uint8), small_model, PROTOCOL).labels.shape == (7, 5)


@pytest.mark.parametrize("size", [(1, 1), (37, 90), (60, 60)])
def test_the_composition_is_the_share_of_each_label(small_model: Model, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    result = segment_image(pixels, small_model, PROTOCOL)
    assert result.composition.dtype == np.float64
    assert result.composition.sum() == pytest.approx(1)
    np.testing.assert_allclose(result.composition, np.bincount(result.labels.ravel(), minlength=5) / result.labels.size)


@pytest.mark.parametrize(("n_classes", "dtype"), [(2, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_labels_have_the_smallest_type_that_holds_them(
    random_model: Callable[..., Model], pixels: np.ndarray, n_classes: int, dtype: type[np.unsignedinteger]
) -> None:
    result = segment_image(pixels, random_model(n_classes), PROTOCOL)
    assert result.labels.dtype == dtype
    assert result.composition.shape == (n_classes,)
    np.testing.assert_allclose(
        result.composition, np.bincount(result.labels.ravel(), minlength=n_classes) / result.labels.size
    )


def test_labels_above_255_survive(random_model: Callable[..., Model], pixels: np.ndarray) -> None:
    model = random_model(300)
    model.network.head.bias[299] = 1000.0
    assert (segment_image(pixels, model, PROTOCOL).labels == 299).all()


def test_the_confidence_is_the_mean_greatest_probability(small_model: Model, pixels: np.ndarray) -> None:
    protocol = Protocol(scales=(0.5, 1.0), crop_size=40, flip=True, flip_merge="image")
    expected = mean_probabilities(pixels, small_model, protocol).amax(0).mean().item()
    assert segment_image(pixels, small_model, protocol).confidence == pytest.approx(expected, abs=1e-6)


def test_a_model_at_a_loss_has_the_least_confidence(random_model: Callable[..., Model], pixels: np.ndarray) -> None:
    model = random_model(4)
    model.network.head.weight.zero_()
    model.network.head.bias.zero_()
    assert segment_image(pixels, model, PROTOCOL).confidence == pytest.approx(1 / 4)


def test_the_soft_composition_is_the_mean_probability_of_each_class(small_model: Model, pixels: np.ndarray) -> None:
    protocol = Protocol(scales=(0.5, 1.0), crop_size=40, flip=True, flip_merge="image")
    soft = segment_image(pixels, small_model, protocol, soft_composition=True).soft_composition
    assert soft is not None
    assert soft.dtype == np.float64
    assert soft.sum() == pytest.approx(1)
    expected = mean_probabilities(pixels, small_model, protocol).mean(dim=(1, 2)).numpy()
    np.testing.assert_allclose(soft, expected, rtol=0, atol=1e-6)


def test_the_soft_composition_is_there_on_request_only(small_model: Model, pixels: np.ndarray) -> None:
    assert segment_image(pixels, small_model, PROTOCOL).soft_composition is None


def test_logits_that_are_not_finite_are_refused(random_model: Callable[..., Model], pixels: np.ndarray) -> None:
    model = random_model()
    model.network.head.bias[1] = float("nan")
    with pytest.raises(ArithmeticError, match=r"random .*not finite.*weights and normalisation"):
        segment_image(pixels, model, PROTOCOL)


@pytest.mark.parametrize("memory", [0, 10**5])
def test_an_image_that_needs_more_memory_than_there_is_is_refused(
    small_model: Model, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=memory))
    monkeypatch.setattr("toolkit.segmentation.segmenter._SMALL", 0)
    with pytest.raises(MemoryError, match=r"60 × 60 pixels take .* GiB, 0\.0 GiB are free; use smaller scales"):
        segment_image(pixels, small_model, PROTOCOL)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_the_batch_size_does_not_change_the_result(small_model: Model, pixels: np.ndarray, batch_size: int) -> None:
    result = segment_image(pixels, small_model, PROTOCOL, batch_size=batch_size)
    np.testing.assert_array_equal(result.labels, segment_image(pixels, small_model, PROTOCOL).labels)


def test_the_default_protocol_is_used_without_one(small_model: Model, pixels: np.ndarray) -> None:
    by_default = segment_image(pixels, small_model)
    np.testing.assert_array_equal(by_default.labels, segment_image(pixels, small_model, Protocol()).labels)


def test_the_pixels_are_not_changed(small_model: Model, pixels: np.ndarray) -> None:
    mine = pixels.copy()
    mine.flags.writeable = False
    segment_image(mine, small_model, PROTOCOL)
    np.testing.assert_array_equal(mine, pixels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, bool])
def test_pixels_that_are_not_8_bit_are_refused(small_model: Model, dtype: type[Any]) -> None:
    with pytest.raises(TypeError, match=f"uint8, not {np.dtype(dtype)}"):
        segment_image(np.zeros((4, 4, 3), dtype), small_model)


@pytest.mark.parametrize(
    "shape", [(4, 4), (4, 4, 1), (4, 4, 4), (3, 4, 4), (1, 4, 4, 3), (), (0, 4, 3), (4, 0, 3), (4, 4, 0)]
)
def test_pixels_of_another_shape_are_refused(small_model: Model, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"pixels must have shape \(height, width, 3\)") as refusal:
        segment_image(np.zeros(shape, np.uint8), small_model)
    assert str(shape) in str(refusal.value)


@pytest.mark.parametrize(
    "given", [None, 5, [[[1, 2, 3]]], Image.new("RGB", (4, 4))], ids=lambda given: type(given).__name__
)
def test_what_is_neither_pixels_nor_a_path_is_refused(small_model: Model, given: Any) -> None:
    with pytest.raises(TypeError, match=f"pixels.*{type(given).__name__}"):
        segment_image(given, small_model)


@pytest.mark.parametrize("data", [b"", b"no picture", PHOTO.read_bytes()[:2000]], ids=["empty", "text", "truncated"])
def test_a_file_that_is_no_whole_picture_is_refused(small_model: Model, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"photo\.jpg"):
        segment_image(path, small_model)


def test_a_missing_file_is_refused(small_model: Model, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.jpg") as refusal:
        segment_image(tmp_path / "nowhere.jpg", small_model)
    assert refusal.value.code == "missing"
