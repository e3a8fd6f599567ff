"""The fast path gives what the plain sequential reference gives, whatever the image and the protocol."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.models import Model
from toolkit.paths import data_catalog
from toolkit.segmentation import Protocol, levels, mean_probabilities, reference_probabilities

TOLERANCE = 1e-4
"""Largest difference of a probability and of a class fraction; the promise of the fast path."""


@dataclass(frozen=True)
class Case:
    """One image and the way to segment it."""

    height: int
    width: int
    protocol: Protocol
    seed: int
    batch_size: int

    @property
    def pixels(self) -> np.ndarray:
        """Noise, uint8 ``(height, width, 3)``."""
        return noise(self.height, self.width, self.seed)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Coarse blobs with noise on them, so that neighbouring tiles differ."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    blobs = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return np.clip(blobs + generator.integers(-40, 41, blobs.shape), 0, 255).astype(np.uint8)


def compare_with_reference(pixels: np.ndarray, model: Model, protocol: Protocol, batch_size: int = 4) -> float:
    """Hold probabilities, labels and composition against the reference's; the share of equal labels."""
    expected = reference_probabilities(pixels, model, protocol)
    found = mean_probabilities(pixels, model, protocol, batch_size=batch_size)
    assert found.shape == (model.n_classes, *pixels.shape[:2])
    assert found.dtype == torch.float32
    probabilities = found.numpy()
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(probabilities.sum(0), 1, rtol=0, atol=1e-5)

    second, first = np.sort(expected, axis=0)[-2:]
    tied = first - second <= TOLERANCE
    labels, expected_labels = probabilities.argmax(0), expected.argmax(0)
    assert (labels == expected_labels)[~tied].all()
    difference = np.abs(composition(labels, model.n_classes) - composition(expected_labels, model.n_classes)).max()
    assert difference <= TOLERANCE + tied.mean()
    return float((labels == expected_labels).mean())


def composition(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Fraction of each class."""
    return np.bincount(labels.ravel(), minlength=n_classes) / labels.size


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    """(height, width) from a single pixel to panoramas of 4:1."""
    short = draw(st.integers(1, 40))
    long = draw(st.integers(short, 4 * short))
    return draw(st.sampled_from([(short, long), (long, short)]))


@st.composite
def cases(draw: st.DrawFn, modes: tuple[str, ...] = ("slide", "whole")) -> Case:
    """Any image with any protocol that cuts it into a bounded number of tiles."""
    height, width = draw(sizes())
    settings: dict[str, Any] = {
        "scales": draw(
            st.lists(st.floats(0.1, 1.75).map(lambda scale: round(scale, 3)), min_size=1, max_size=6, unique=True)
        ),
        "scale_base": draw(st.sampled_from(["original", "long", "short"])),
        "mode": draw(st.sampled_from(modes)),
        "padding": draw(st.sampled_from(["bottom_right", "center", "none"])),
        "pad_value": draw(st.sampled_from(["mean", "zero"])),
        "flip": draw(st.booleans()),
        "merge": draw(st.sampled_from(["probabilities", "logits"])),
        "blend": draw(st.sampled_from(["constant", "gaussian"])),
        "resize": draw(st.sampled_from(["bilinear", "pil"])),
    }
    if settings["scale_base"] != "original":
        settings["base_size"] = draw(st.integers(1, 100 if settings["scale_base"] == "long" else 30))
    longest = max(side for level in levels(height, width, Protocol(**settings)) for side in (level.height, level.width))
    # At most five tiles along each axis.
    smallest_crop = math.ceil(longest / 4)
    special = [crop for crop in {height, width, height - 1, width - 1, longest, longest + 1} if crop >= smallest_crop]
    crop_size = draw(st.one_of(st.integers(smallest_crop, longest + 9), st.sampled_from(special or [longest])))
    stride = draw(st.integers(max(1, math.ceil((longest - crop_size) / 4)), crop_size))
    protocol = Protocol(**settings, crop_size=crop_size, stride=stride)
    return Case(height, width, protocol, seed=draw(st.integers(0, 99)), batch_size=draw(st.integers(1, 7)))


@settings(deadline=None, max_examples=800, derandomize=True)
@given(case=cases())
def test_the_fast_path_equals_the_reference(small_model: Model, case: Case) -> None:
    compare_with_reference(case.pixels, small_model, case.protocol, case.batch_size)


@pytest.mark.parametrize("merge", ["probabilities", "logits"])
@pytest.mark.parametrize("padding", ["bottom_right", "center", "none"])
@pytest.mark.parametrize("size", [(1, 1), (1, 24), (24, 1), (23, 25), (24, 24), (25, 25), (25, 24), (11, 96), (96, 24)])
def test_sizes_around_the_crop_equal_the_reference(
    small_model: Model, size: tuple[int, int], padding: Any, merge: Any
) -> None:
    protocol = Protocol(crop_size=24, stride=17, padding=padding, merge=merge, blend="gaussian", flip=True)
    compare_with_reference(noise(*size), small_model, protocol)


@pytest.mark.parametrize(("crop_size", "stride"), [(1, 1), (2, 1), (2, 2), (7, 1), (7, 7)])
def test_the_smallest_crops_and_strides_equal_the_reference(small_model: Model, crop_size: int, stride: int) -> None:
    protocol = Protocol(scales=(0.7, 1.3), crop_size=crop_size, stride=stride, blend="gaussian")
    compare_with_reference(noise(9, 7), small_model, protocol, batch_size=7)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(case=cases(modes=("whole",)), kind=st.sampled_from([(8, 0), (8, 1), (32, 0), (2, 1)]))
def test_a_whole_image_is_padded_to_a_size_that_the_network_takes(
    random_model: Callable[..., Model], case: Case, kind: tuple[int, int]
) -> None:
    compare_with_reference(case.pixels, random_model(5, *kind), case.protocol, case.batch_size)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (10, 1)])
def test_an_image_of_one_row_or_column_in_a_network_of_8k_plus_1(
    random_model: Callable[..., Model], size: tuple[int, int]
) -> None:
    compare_with_reference(noise(*size), random_model(5, 8, 1), Protocol(mode="whole", pad_value="zero"))


@settings(deadline=None, max_examples=20, derandomize=True)
@given(case=cases())
def test_the_batch_size_does_not_change_the_result(small_model: Model, case: Case) -> None:
    alone, *batched = (
        mean_probabilities(case.pixels, small_model, case.protocol, batch_size=batch_size) for batch_size in (1, 3, 50)
    )
    for probabilities in batched:
        torch.testing.assert_close(probabilities, alone, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(case=cases(modes=("slide",)), scale=st.floats(0.2, 2))
def test_where_tiles_lie_does_not_matter_to_a_network_without_context(
    pixel_model: Model, case: Case, scale: float
) -> None:
    """Checks the tiles against no tiles, and so both procedures at once."""
    settings = case.protocol.to_dict() | {"scales": [scale], "scale_base": "original", "base_size": None}
    settings |= {"crop_size": 20, "stride": min(settings["stride"], 20)}
    tiled = mean_probabilities(case.pixels, pixel_model, Protocol(**settings))
    whole = mean_probabilities(
        case.pixels,
        pixel_model,
        Protocol(scales=(scale,), mode="whole", merge=case.protocol.merge, resize=case.protocol.resize),
    )
    torch.testing.assert_close(tiled, whole, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("merge", ["probabilities", "logits"])
@pytest.mark.parametrize("segment", [mean_probabilities, reference_probabilities])
def test_one_tile_at_scale_1_is_the_softmax_of_the_network(
    small_model: Model, segment: Callable[..., Any], merge: Any
) -> None:
    pixels = noise(20, 30)
    normalization = small_model.normalization
    image = (torch.tensor(pixels).float() - torch.tensor(normalization.mean)) / torch.tensor(normalization.std)
    expected = small_model.network(image.permute(2, 0, 1)[None])[0].softmax(0)
    found = torch.as_tensor(segment(pixels, small_model, Protocol(mode="whole", merge=merge)))
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-5)


def test_flips_make_the_result_mirror_with_the_image(small_model: Model) -> None:
    pixels = noise(21, 33)
    protocol = Protocol(scales=(0.8, 1.2), mode="whole", flip=True)
    mirrored = mean_probabilities(np.ascontiguousarray(pixels[:, ::-1]), small_model, protocol)
    torch.testing.assert_close(mirrored.flip(-1), mean_probabilities(pixels, small_model, protocol), rtol=0, atol=1e-5)


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[::-1], np.s_[:, :, ::-1], np.s_[::2, ::3]])
@pytest.mark.parametrize("resize", ["bilinear", "pil"])
def test_pixels_may_be_a_view_of_another_array(small_model: Model, view: Any, resize: Any) -> None:
    """OpenCV's users turn BGR to RGB by ``pixels[:, :, ::-1]``."""
    protocol = Protocol(scales=(0.5, 1.0), crop_size=24, resize=resize)
    compare_with_reference(noise(30, 45)[view], small_model, protocol)


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(scales=(0.5, 0.75, 1.0, 1.25), crop_size=129, stride=86, flip=True),
        Protocol(scales=(1.0, 1.5), crop_size=97, padding="center", pad_value="zero", merge="logits", blend="gaussian"),
        Protocol(scales=(0.5, 1.0), scale_base="long", base_size=161, mode="whole", resize="pil", flip=True),
    ],
    ids=["several scales", "logits and gaussian", "whole"],
)
@pytest.mark.parametrize("photo", ["horses.jpg", "basketball1.png", "licenseplate_motion.jpg"])
def test_the_built_in_model_equals_the_reference_on_photos(built_in: Model, photo: str, protocol: Protocol) -> None:
    with Image.open(data_catalog() / "samples" / photo) as image:
        image.thumbnail((160, 160))
        pixels = np.asarray(image.convert("RGB"))
    assert compare_with_reference(pixels, built_in, protocol, batch_size=3) >= 0.999
