"""One image, in this process: what goes in, what comes out, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from toolkit.models import Model
from toolkit.paths import data_catalog
from toolkit.segmentation import Protocol, check_compatible, label_dtype, segment_image
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


@pytest.mark.parametrize(("n_classes", "dtype"), [(1, np.uint8), (5, np.uint8), (300, np.uint16)])
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


@pytest.mark.parametrize(("n_classes", "dtype"), [(1, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_the_label_type_changes_above_256_classes(n_classes: int, dtype: type[np.unsignedinteger]) -> None:
    assert label_dtype(n_classes) == dtype


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_the_batch_size_does_not_change_the_result(small_model: Model, pixels: np.ndarray, batch_size: int) -> None:
    result = segment_image(pixels, small_model, PROTOCOL, batch_size=batch_size)
    np.testing.assert_array_equal(result.labels, segment_image(pixels, small_model, PROTOCOL).labels)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_no_tiles_is_refused(small_model: Model, pixels: np.ndarray, batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size.*{batch_size}"):
        segment_image(pixels, small_model, PROTOCOL, batch_size=batch_size)


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


@pytest.mark.parametrize(
    ("kind", "crop_size", "nearest"),
    [
        ((32, 0), 473, "448 or 480"),
        ((8, 1), 480, "473 or 481"),
        ((8, 1), 474, "473 or 481"),
        ((8, 0), 473, "472 or 480"),
    ],
)
def test_a_crop_that_the_network_does_not_take_is_refused_with_those_it_takes(
    random_model: Callable[..., Model], kind: tuple[int, int], crop_size: int, nearest: str
) -> None:
    with pytest.raises(ValueError, match=rf"crop_size={crop_size} .*random .*{kind[0]}k \+ {kind[1]}.*{nearest}"):
        check_compatible(random_model(5, *kind), Protocol(crop_size=crop_size))


def test_a_crop_of_no_pixels_is_not_proposed(random_model: Callable[..., Model]) -> None:
    with pytest.raises(ValueError, match=r"crop_size=5 .*\b32\b") as refusal:
        check_compatible(random_model(5, 32), Protocol(crop_size=5))
    assert " 0 and" not in str(refusal.value)


@pytest.mark.parametrize(("kind", "crop_size"), [((1, 0), 473), ((8, 1), 473), ((32, 0), 480), ((8, 0), 480)])
def test_a_crop_that_the_network_takes_is_compatible(
    random_model: Callable[..., Model], pixels: np.ndarray, kind: tuple[int, int], crop_size: int
) -> None:
    model, protocol = random_model(5, *kind), Protocol(crop_size=crop_size)
    check_compatible(model, protocol)
    assert segment_image(pixels, model, protocol).labels.shape == (60, 60)


@pytest.mark.parametrize("kind", [(32, 0), (8, 1)])
def test_tiles_of_any_size_are_refused_where_the_network_takes_only_some(
    random_model: Callable[..., Model], kind: tuple[int, int]
) -> None:
    crop_size = 96 + kind[1]
    with pytest.raises(ValueError, match=r"padding='none' .*random .*'bottom_right' or 'center'"):
        check_compatible(random_model(5, *kind), Protocol(crop_size=crop_size, padding="none"))


def test_tiles_of_any_size_are_compatible_with_a_network_that_takes_all(small_model: Model) -> None:
    check_compatible(small_model, Protocol(padding="none"))


@pytest.mark.parametrize("padding", ["bottom_right", "center", "none"])
@pytest.mark.parametrize("kind", [(32, 0), (8, 1)])
def test_a_whole_image_is_always_compatible(
    random_model: Callable[..., Model], pixels: np.ndarray, kind: tuple[int, int], padding: Any
) -> None:
    protocol = Protocol(mode="whole", padding=padding)
    check_compatible(random_model(5, *kind), protocol)
    assert segment_image(pixels, random_model(5, *kind), protocol).labels.shape == (60, 60)


def test_an_incompatible_protocol_is_refused_before_the_image_is_read(random_model: Callable[..., Model]) -> None:
    with pytest.raises(ValueError, match="crop_size=473"):
        segment_image("nowhere.jpg", random_model(5, 32), Protocol(crop_size=473))
