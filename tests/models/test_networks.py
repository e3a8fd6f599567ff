"""The built-in architecture takes images of any size, and models know which sizes they take."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.models import Model, Normalization
from toolkit.models.providers import ARCHITECTURES, DeepLabV3MobileNetV2

KINDS = [(1, 0), (8, 0), (8, 1), (32, 0), (2, 1), (3, 2)]
"""Divisor and remainder of the sides that networks take."""


def model_of(kind: tuple[int, int]) -> Model:
    """A model of which only the sizes matter."""
    divisor, remainder = kind
    return Model(
        torch.nn.Identity(),
        ("a", "b"),
        Normalization((0, 0, 0), (1, 1, 1)),
        size_divisor=divisor,
        size_remainder=remainder,
    )


@pytest.fixture(scope="module")
def network() -> DeepLabV3MobileNetV2:
    """Seven classes, random weights."""
    torch.manual_seed(5)
    return DeepLabV3MobileNetV2(n_classes=7).eval().requires_grad_(False)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (64, 64)])
@pytest.mark.parametrize("n_images", [1, 3])
def test_logits_lie_on_every_eighth_pixel(network: DeepLabV3MobileNetV2, size: tuple[int, int], n_images: int) -> None:
    images = torch.randn(n_images, 3, *size, generator=torch.Generator().manual_seed(1))
    logits = network(images)
    assert logits.shape == (n_images, 7, *(-(-side // 8) for side in size))
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_images_of_a_batch_do_not_see_each_other(network: DeepLabV3MobileNetV2) -> None:
    images = torch.randn(3, 3, 33, 41, generator=torch.Generator().manual_seed(2))
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(network(images), alone, rtol=0, atol=1e-5)


def test_the_network_does_not_change_its_input(network: DeepLabV3MobileNetV2) -> None:
    image = torch.randn(1, 3, 17, 17, generator=torch.Generator().manual_seed(3))
    before = image.clone()
    network(image)
    assert torch.equal(image, before)


def test_the_built_in_architecture_goes_by_its_name() -> None:
    assert ARCHITECTURES["deeplabv3-mobilenetv2"] is DeepLabV3MobileNetV2


def test_its_logits_are_upsampled_from_corner_to_corner() -> None:
    assert DeepLabV3MobileNetV2.align_corners


often = settings(deadline=None, max_examples=200, derandomize=True)


@often
@given(side=st.integers(1, 5000), kind=st.sampled_from(KINDS))
def test_rounding_up_gives_the_smallest_side_that_is_taken(side: int, kind: tuple[int, int]) -> None:
    model = model_of(kind)
    rounded = model.round_up(side)
    assert rounded >= side
    assert model.accepts(rounded)
    assert not any(model.accepts(between) for between in range(side, rounded))


@often
@given(side=st.integers(1, 5000), kind=st.sampled_from(KINDS))
def test_a_side_that_is_taken_is_left_alone(side: int, kind: tuple[int, int]) -> None:
    model = model_of(kind)
    assert model.accepts(side) == (model.round_up(side) == side)


@pytest.mark.parametrize(
    ("kind", "side", "expected"),
    [((1, 0), 473, 473), ((8, 1), 473, 473), ((8, 1), 474, 481), ((32, 0), 473, 480), ((32, 0), 1, 32), ((8, 1), 1, 1)],
)
def test_known_sides_round_to_known_sides(kind: tuple[int, int], side: int, expected: int) -> None:
    assert model_of(kind).round_up(side) == expected
