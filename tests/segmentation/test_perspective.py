"""Views cut out of a panorama show what a camera in its middle would see."""

from typing import Any

import numpy as np
import pytest

from toolkit.segmentation import perspective_views


def panorama(height: int) -> np.ndarray:
    """The direction that each pixel shows, (right, up, ahead) of unit length, float64 ``(height, 2 · height, 3)``."""
    latitude = np.pi / 2 - (np.arange(height)[:, None] + 0.5) * np.pi / height
    longitude = (np.arange(2 * height) + 0.5) * np.pi / height - np.pi
    shown = (np.cos(latitude) * np.sin(longitude), np.sin(latitude), np.cos(latitude) * np.cos(longitude))
    return np.stack(np.broadcast_arrays(*shown), axis=2)


def rays(height: int, width: int, fov: float) -> np.ndarray:
    """Where the pixels of an unturned camera look, of unit length."""
    focal = width / 2 / np.tan(np.radians(fov) / 2)
    right = np.arange(width) + 0.5 - width / 2
    up = height / 2 - np.arange(height)[:, None] - 0.5
    looks = np.stack(np.broadcast_arrays(right, up, focal), axis=2)
    return np.asarray(looks / np.linalg.norm(looks, axis=2, keepdims=True))


@pytest.mark.parametrize("fov", [30, 90, 120])
def test_straight_ahead_a_pixel_shows_its_own_direction(fov: float) -> None:
    (view,) = perspective_views(panorama(512), fov, yaw=0, size=(61, 101))
    np.testing.assert_allclose(view, rays(61, 101, fov), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("yaw", "pitch", "ahead"),
    [
        (0, 0, (0, 0, 1)),
        (90, 0, (1, 0, 0)),
        (-90, 0, (-1, 0, 0)),
        (180, 0, (0, 0, -1)),
        (0, 90, (0, 1, 0)),
        (0, -90, (0, -1, 0)),
        (45, 0, (0.5**0.5, 0, 0.5**0.5)),
        (90, 30, (0.75**0.5, 0.5, 0)),
        (270, -60, (-0.5, -(0.75**0.5), 0)),
        (450, 0, (1, 0, 0)),
    ],
)
def test_the_middle_of_a_view_is_where_it_looks(yaw: float, pitch: float, ahead: tuple[float, ...]) -> None:
    (view,) = perspective_views(panorama(512), 60, yaw=yaw, pitch=pitch, size=21)
    np.testing.assert_allclose(view[10, 10], ahead, rtol=0, atol=1e-4)
    if abs(pitch) < 90:
        assert view[0, 10, 1] > view[20, 10, 1]  # up is up


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(30, 20, 0), (180, 0, 0), (-100, -75, 0), (10, 88, 0), (70, 10, 35)]
)
def test_a_turned_camera_sees_angles_as_they_are(yaw: float, pitch: float, roll: float) -> None:
    """Also over the seam and the pole, where the panorama's columns crowd."""
    (view,) = perspective_views(panorama(1024), 80, yaw=yaw, pitch=pitch, roll=roll, size=(60, 80))
    own = rays(60, 80, 80).reshape(-1, 3)
    seen = view.reshape(-1, 3)
    np.testing.assert_allclose(seen[::37] @ seen[::41].T, own[::37] @ own[::41].T, rtol=0, atol=1e-3)


def test_a_rolled_camera_turns_clockwise_so_that_the_horizon_turns_the_other_way() -> None:
    (view,) = perspective_views(panorama(512), 60, yaw=0, roll=90, size=21)
    assert view[10, 20, 1] < -0.4  # the right of the picture is down


def test_views_of_different_yaws_show_one_thing_at_their_common_border() -> None:
    left, right = perspective_views(panorama(1024), 90, yaw=[0, 90], size=200)
    np.testing.assert_allclose(left[:, -1], right[:, 0], rtol=0, atol=0.012)  # a pixel apart


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_the_type_stays(dtype: Any) -> None:
    values = np.ones((20, 40, 3), dtype)
    views = perspective_views(values, size=8)
    assert views.dtype == dtype
    assert views.shape == (4, 8, 8, 3)
    assert (views == 1).all()


def test_label_maps_keep_their_classes() -> None:
    labels = np.random.default_rng(0).choice(np.array([3, 200], np.uint8), (40, 80))
    views = perspective_views(labels, 100, yaw=[0, 33], pitch=[10, -80])
    assert set(np.unique(views)) == {3, 200}
    assert perspective_views(labels, size=5, interpolation="bilinear").max() <= 200


def test_by_default_a_view_is_as_fine_as_the_panorama() -> None:
    assert perspective_views(np.zeros((512, 1024)), 90, yaw=0).shape == (1, 326, 326)  # 1024 / π


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fov": 180}, "fov must be an angle in degrees"),
        ({"fov": "90"}, "fov must be"),
        ({"yaw": [0, 1], "pitch": [0, 1, 2]}, "yaw has 2 angles, others have 3"),
        ({"yaw": "north"}, "yaw must be an angle in degrees"),
        ({"size": (10, 20, 3)}, r"size must be \(height, width\)"),
        ({"size": 0}, "size must be a whole number"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"pixels": np.zeros((10, 30))}, "twice as wide as high, not 30 × 10"),
        ({"pixels": "panorama.jpg"}, "pixels must be a numpy array"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        perspective_views(**{"pixels": np.zeros((10, 20, 3), np.uint8), **arguments})
