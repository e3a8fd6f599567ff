"""360° panoramas: weighted by solid angle, whole at the seam, and what cannot be one."""

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toolkit.models import Model, Normalization
from toolkit.segmentation import (
    PictureError,
    Projection,
    Protocol,
    columns_around,
    levels,
    mean_probabilities,
    perspective_views,
    reference_probabilities,
    segment_image,
)

TOLERANCE = 1e-3
"""Of fractions of the sphere whose value is known."""

PROTOCOLS = {
    "sliding": Protocol(scales=(0.5, 1.0), crop_size=40, stride=30, flip=True),
    "mirrored as a whole": Protocol(crop_size=40, stride=30, flip=True, flip_merge="image"),
    "semseg": Protocol.preset("semseg", crop_size=41, base_size=100, scales=(0.75, 1.25)),
    "whole": Protocol.preset("csail"),
    "segformer": Protocol.preset("segformer", base_size=64, scales=(1.0,)),
    "logits": Protocol.preset("mmseg1", crop_size=33, stride=22, scales=(0.75, 1.0)),
    "slices": Protocol(mode="slices", slices=(2, 3), slice_overlap=0.2),
    "gaussian": Protocol(crop_size=40, stride=20, blend="gaussian"),
    "pillow": Protocol.preset("keras", crop_size=40, stride=30),
}


class _Colours(nn.Module):
    """Two classes: the first where red is above a half."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([200.0, -200.0]))

    def forward(self, image: Tensor) -> Tensor:
        return (image[:, :1] - 0.5) * self.weight.view(1, 2, 1, 1)


@pytest.fixture(scope="module")
def red() -> Model:
    unit = Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
    return Model(_Colours().eval().requires_grad_(False), ("red", "other"), unit, name="red")


def directions(height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(right, up, ahead) of each pixel's centre of a panorama."""
    latitude = np.pi / 2 - (np.arange(height)[:, None] + 0.5) * np.pi / height
    longitude = (np.arange(2 * height) + 0.5) * np.pi / height - np.pi
    up = np.sin(latitude) + 0 * longitude
    return np.cos(latitude) * np.sin(longitude), up, np.cos(latitude) * np.cos(longitude)


def painted(inside: np.ndarray) -> np.ndarray:
    """A picture that is red where it is inside."""
    return np.where(inside[..., None], np.array([255, 0, 0]), np.array([0, 0, 255])).astype(np.uint8)


def fraction(model: Model, inside: np.ndarray, projection: Any = "equirectangular") -> float:
    found = segment_image(painted(inside), model, Protocol(crop_size=256, stride=256), projection=projection)
    assert found.composition.sum() == pytest.approx(1)
    return float(found.composition[0])


class TestSolidAngle:
    @pytest.mark.parametrize("height", [768, 1024, 1500])
    @pytest.mark.parametrize("angle", [20.0, 53.0, 90.0, 121.5])
    def test_a_cap_of_sky(self, red: Model, height: int, angle: float) -> None:
        _, up, _ = directions(height)
        inside = up > np.cos(np.radians(angle))
        assert fraction(red, inside) == pytest.approx((1 - np.cos(np.radians(angle))) / 2, abs=TOLERANCE)

    @pytest.mark.parametrize("height", [180, 360])
    @pytest.mark.parametrize("angle", [10, 45, 60])
    def test_a_cap_whose_border_is_one_of_pixels_is_exact(self, red: Model, height: int, angle: int) -> None:
        _, up, _ = directions(height)
        expected = (1 - np.cos(np.radians(angle))) / 2
        assert fraction(red, up > np.cos(np.radians(angle))) == pytest.approx(expected, abs=1e-12)

    def test_by_pixels_it_is_another(self, red: Model) -> None:
        _, up, _ = directions(360)
        assert fraction(red, up > np.cos(np.radians(60)), None) == pytest.approx(60 / 180)
        assert fraction(red, up > np.cos(np.radians(60))) == pytest.approx(1 / 4)

    @pytest.mark.parametrize("height", [360, 1024, 2000])
    def test_a_band(self, red: Model, height: int) -> None:
        _, up, _ = directions(height)
        inside = (up > np.sin(np.radians(-20))) & (up < np.sin(np.radians(35)))
        expected = (np.sin(np.radians(35)) - np.sin(np.radians(-20))) / 2
        assert fraction(red, inside) == pytest.approx(expected, abs=TOLERANCE)

    @pytest.mark.parametrize("height", [256, 512, 1024])
    @pytest.mark.parametrize("normal", [(0, 1, 0), (1, 0, 0), (0.3, 0.5, -0.8)])
    def test_a_hemisphere(self, red: Model, height: int, normal: tuple[float, ...]) -> None:
        inside = sum(one * axis for one, axis in zip(normal, directions(height), strict=True)) > 0
        assert fraction(red, np.asarray(inside)) == pytest.approx(0.5, abs=TOLERANCE)

    @pytest.mark.parametrize("height", [256, 512, 1024])
    @pytest.mark.parametrize("angle", [25.0, 70.0])
    def test_a_tilted_cap(self, red: Model, height: int, angle: float) -> None:
        normal = np.array([0.4, 0.6, -0.7]) / np.linalg.norm([0.4, 0.6, -0.7])
        inside = sum(one * axis for one, axis in zip(normal, directions(height), strict=True))
        expected = (1 - np.cos(np.radians(angle))) / 2
        assert fraction(red, np.asarray(inside) > np.cos(np.radians(angle))) == pytest.approx(expected, abs=TOLERANCE)

    def test_of_a_part_of_the_sphere(self, red: Model) -> None:
        _, up, _ = directions(720)
        part = up[:540] > np.sin(np.radians(30))  # down to 45° below the horizon
        expected = (1 - 0.5) / (1 + np.sqrt(0.5))
        found = fraction(red, part, {"equirectangular": {"bottom": -45}})
        assert found == pytest.approx(expected, abs=1e-12)

    def test_confidence_and_soft_composition_are_weighted_alike(self, small_model: Model, noise: Any) -> None:
        pixels, protocol = noise(40, 80), PROTOCOLS["sliding"]
        found = segment_image(pixels, small_model, protocol, projection="equirectangular", soft_composition=True)
        around = columns_around(40, 80, protocol)
        probabilities = mean_probabilities(pixels, small_model, protocol, around=around).double().numpy()
        weights = np.broadcast_to(Projection().row_weights(40)[:, None] / 80, (40, 80))
        np.testing.assert_allclose(found.soft_composition, (probabilities * weights).sum((1, 2)), rtol=0, atol=1e-6)
        assert found.confidence == pytest.approx((probabilities.max(0) * weights).sum(), abs=1e-6)
        expected = [(weights * (found.labels == label)).sum() for label in range(5)]
        np.testing.assert_allclose(found.composition, expected, rtol=0, atol=1e-12)

    def test_with_an_area_it_is_of_its_solid_angle(self, red: Model) -> None:
        _, up, _ = directions(360)
        sky = painted(up > 0.5)
        found = segment_image(sky, red, Protocol(crop_size=256), projection="equirectangular", area={"bottom": 0.25})
        valid = (1 + np.sqrt(0.5)) / 2
        assert found.valid_fraction == pytest.approx(valid, abs=1e-12)
        assert found.composition[0] == pytest.approx(0.25 / valid, abs=1e-12)


class TestSeam:
    @pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
    @pytest.mark.usefixtures("every_way")
    def test_the_fast_path_is_the_plain_loop_on_the_panorama_with_its_ends(
        self, small_model: Model, noise: Callable[..., np.ndarray], protocol: Protocol
    ) -> None:
        pixels = noise(48, 96)
        around = columns_around(48, 96, protocol)
        assert around > 0
        found = mean_probabilities(pixels, small_model, protocol, around=around).numpy()
        expected = reference_probabilities(pixels, small_model, protocol, around=around)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        labels = segment_image(pixels, small_model, protocol, projection="equirectangular").labels
        assert (labels == expected.argmax(0)).mean() >= 0.999

    @pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
    def test_scales_are_those_of_the_panorama_without(self, protocol: Protocol) -> None:
        around = columns_around(200, 400, protocol)
        for plain, wider in zip(levels(200, 400, protocol), levels(200, 400, protocol, around=around), strict=True):
            assert plain.height == wider.height
            fitted = max(protocol.size_multiple, 1)
            assert abs(wider.width - plain.width * (400 + 2 * around) / 400) <= fitted

    @pytest.mark.parametrize("columns", [1, 40, 100, 133])
    @pytest.mark.parametrize("flip", [False, True])
    def test_a_rolled_panorama_has_rolled_labels(self, columns: int, flip: bool) -> None:
        model = _blurring_model()
        protocol = Protocol(scales=(0.5, 1.0), crop_size=64, stride=32, flip=flip)
        pixels = _smooth_panorama(100)
        plain = segment_image(pixels, model, protocol, projection="equirectangular").labels
        rolled = segment_image(np.roll(pixels, columns, 1), model, protocol, projection="equirectangular").labels
        back = np.roll(rolled, -columns, 1)
        near = np.r_[0:20, 180:200, (np.arange(-20, 20) - columns) % 200]  # both seams
        assert (plain == back)[:, near].mean() >= 0.95
        assert (plain == back)[:, near].mean() >= (plain == back).mean() - 0.01  # no worse than elsewhere

    def test_without_the_projection_the_seam_differs(self) -> None:
        model, protocol = _blurring_model(), Protocol(crop_size=64, stride=32)
        pixels = _smooth_panorama(100)
        flat, round_ = (
            segment_image(pixels, model, protocol, projection=projection).labels
            for projection in (None, "equirectangular")
        )
        ends = np.r_[0:6, 194:200]
        truth = segment_image(np.roll(pixels, 100, 1), model, protocol).labels
        truth = np.roll(truth, -100, 1)  # here the seam lies in the middle
        assert (round_ == truth)[:, ends].mean() > (flat == truth)[:, ends].mean()

    def test_at_most_a_quarter_of_the_panorama_is_added(self) -> None:
        assert columns_around(100, 200, Protocol(crop_size=473)) == 50
        assert columns_around(2000, 4000, Protocol(crop_size=473, scales=(0.5, 1.0))) == 473


def _blurring_model() -> Model:
    """Three classes by the mean colour of 25 × 25 pixels, as far as they lie in the tile."""
    network = nn.Sequential(nn.AvgPool2d(25, stride=1, padding=12, count_include_pad=True))
    unit = Normalization((0.0, 0.0, 0.0), (25.0, 25.0, 25.0))
    network.register_parameter("dummy", nn.Parameter(torch.zeros(1)))
    return Model(network.eval().requires_grad_(False), ("red", "green", "blue"), unit, name="blurring")


def _smooth_panorama(height: int) -> np.ndarray:
    """Colours that vary smoothly with the direction, and not in the same way everywhere."""
    right, up, ahead = directions(height)
    waves = [np.sin(5 * right + 3 * up), np.sin(4 * ahead - 2 * right), np.cos(5 * up + 2 * ahead * right)]
    return np.stack([127 + 120 * wave for wave in waves], axis=2).astype(np.uint8)


class TestWhatIsNone:
    @pytest.mark.parametrize("size", [(100, 150), (100, 100), (200, 100), (100, 230)])
    def test_other_sides_are_refused_with_a_code(self, red: Model, size: tuple[int, int]) -> None:
        with pytest.raises(PictureError, match="no panorama of 360° × 180°") as caught:
            segment_image(np.zeros((*size, 3), np.uint8), red, projection="equirectangular")
        assert pickle.loads(pickle.dumps(caught.value)).code == "not_a_panorama"

    @pytest.mark.parametrize("size", [(100, 200), (500, 1001), (1000, 1995)])
    def test_a_pixel_or_two_do_not_matter(self, size: tuple[int, int]) -> None:
        Projection().check(*size)

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (None, None),
            ("equirectangular", Projection()),
            ({"equirectangular": {}}, Projection()),
            ({"equirectangular": {"bottom": -45}}, Projection(bottom=-45.0)),
            ("{equirectangular: {top: 60, bottom: -60}}", Projection(60.0, -60.0)),
        ],
    )
    def test_what_may_be_said(self, words: Any, expected: Projection | None) -> None:
        found = Projection.of(words)
        assert found == expected
        if found is not None:
            assert Projection.of(found.to_json()) == found

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("equirectangle", r"did you mean 'equirectangular'\?"),
            ("cubemap", "projection has no 'cubemap'"),
            ({"equirectangular": {"botom": -45}}, r"did you mean 'bottom'\?"),
            ({"equirectangular": {"bottom": -100}}, "projection: bottom must be a number in"),
            ({"equirectangular": {"top": -100}}, "projection: top"),
            ({"equirectangular": {"top": 10, "bottom": 20}}, "below top=10"),
            ({"equirectangular": 45}, "must be a mapping"),
            (1, "projection has no 1"),
        ],
    )
    def test_what_may_not(self, words: Any, message: str) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            Projection.of(words)


def test_a_flat_picture_gives_the_same_bits_as_before(small_model: Model, noise: Any) -> None:
    pixels, protocol = noise(60, 90), PROTOCOLS["sliding"]
    plain = segment_image(pixels, small_model, protocol)
    again = segment_image(pixels, small_model, protocol, area=None, projection=None)
    assert all(np.array_equal(getattr(plain, one.name), getattr(again, one.name)) for one in dataclasses.fields(plain))


@pytest.mark.parametrize(("height", "tolerance"), [(128, 1e-2), (512, 3e-3), (1024, 1e-3)])
def test_six_sides_of_a_cube_hold_what_the_panorama_holds(height: int, tolerance: float) -> None:
    """Pixels of a view count by the solid angle that they cover."""
    right, up, ahead = directions(height)
    classes = (3 * right + 2 * up > 0.4).astype(int) + 2 * (np.sin(4 * ahead) > up)
    sides = perspective_views(classes, 90, yaw=[0, 90, 180, 270, 0, 0], pitch=[0, 0, 0, 0, 90, -90])
    side = sides.shape[1]
    across = (np.arange(side) + 0.5) * 2 / side - 1
    angle = (1 + across**2 + across[:, None] ** 2) ** -1.5
    of_views = [((sides == one) * angle).sum() / (6 * angle.sum()) for one in range(4)]
    weights = Projection().row_weights(height)[:, None] / (2 * height)
    of_panorama = [((classes == one) * weights).sum() for one in range(4)]
    np.testing.assert_allclose(of_views, of_panorama, rtol=0, atol=tolerance)
