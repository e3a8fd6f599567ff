"""How a street becomes pixels: exact coverage, no seams between strips, nothing that cannot be painted."""

import numpy as np
import pytest

from streetscenes.camera import Camera, in_front, normal_of
from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.lighting import draw_light
from streetscenes.noise import Noise
from streetscenes.outlines import centres, cover
from streetscenes.painting import paint
from streetscenes.parts import Blob
from streetscenes.shading import Studio
from streetscenes.street import Street, draw_street, draw_view

ALL_ROWS = slice(0, 20)


def drawn(seed: int, height: int, width: int) -> tuple[Street, Studio]:
    draws = Draws(np.random.SeedSequence(seed))
    light, view = draw_light(draws.part(0)), draw_view(draws.part(1))
    street = draw_street(view, light, draws.part(2))
    return street, Studio(Camera.of(view, height, width), light, Noise.drawn(draws.part(3)))


@pytest.mark.parametrize("seed", range(2))
def test_strips_do_not_show(seed: int) -> None:
    street, studio = drawn(seed, 45, 80)
    sensor = Draws(np.random.SeedSequence(9))
    image, labels = paint(street, studio, sensor)
    for pixels_per_strip in (1, 7 * 80, 32 * 80):
        in_strips, labels_in_strips = paint(street, studio, sensor, pixels_per_strip=pixels_per_strip)
        np.testing.assert_array_equal(labels_in_strips, labels)
        np.testing.assert_array_equal(in_strips, image)


@pytest.mark.parametrize("seed", range(6))
def test_every_face_is_flat_and_convex(seed: int) -> None:
    street, _ = drawn(seed, 64, 128)
    parts = [*street.ground, *(part for thing in street.things for part in thing.parts)]
    for face in parts:
        if isinstance(face, Blob):
            continue
        normal = np.array(normal_of(face.corners))
        corners = np.array(face.corners)
        assert np.abs((corners - corners[0]) @ normal).max() < 1e-6 * (1 + np.abs(corners).max())
        edges = np.roll(corners, -1, axis=0) - corners
        turns = np.cross(edges, np.roll(edges, -1, axis=0)) @ normal
        assert turns.min() > -1e-9, face


def labels_by_distance(street: Street, studio: Studio) -> np.ndarray:
    """What each pixel's ray meets first, whatever the order of painting; what is equally far hides what came before."""
    camera = studio.camera
    rows, columns = slice(0, camera.height), slice(0, camera.width)
    across, upward = camera.rays(centres(rows), centres(columns))
    met = np.full((camera.height, camera.width), np.inf)
    label_ids = np.full(met.shape, Label.SKY, np.uint8)
    for part in [*street.ground, *(part for thing in street.things for part in thing.parts)]:
        if isinstance(part, Blob):
            depth = np.full(met.shape, part.centre[2])
            inside = studio.cover_blob(part, (rows, columns)).inside & (depth > 0.4)
        else:
            normal, corners = normal_of(part.corners), in_front(part.corners)
            coverage = cover([camera.project(corner) for corner in corners], rows, camera.width) if corners else None
            distance = np.dot(normal, np.subtract(part.corners[0], (0.0, camera.altitude, 0.0)))
            if coverage is None or (part.one_sided and distance >= 0):
                continue
            inside = np.zeros(met.shape, bool)
            inside[coverage.rows, coverage.columns] = coverage.inside
            with np.errstate(divide="ignore"):
                depth = distance / (normal[0] * across + normal[1] * upward + normal[2])
        inside = inside & (depth <= met * 1.01 + 0.1)
        met[inside], label_ids[inside] = depth[inside], part.label
    return label_ids


@pytest.mark.parametrize("seed", range(4))
def test_what_is_nearer_hides_what_is_farther(seed: int) -> None:
    street, studio = drawn(seed, 80, 160)
    _, painted = paint(street, studio, Draws(np.random.SeedSequence(0)))
    assert (painted == labels_by_distance(street, studio)).mean() > 0.99


def test_the_shares_of_a_polygon_add_up_to_its_area() -> None:
    polygon = [(2.3, 1.7), (13.1, 4.2), (11.6, 15.9), (4.4, 12.8)]
    coverage = cover(polygon, ALL_ROWS, 20)
    assert coverage is not None
    x, y = np.array(polygon).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2
    assert coverage.share.sum() == pytest.approx(area, rel=0.01)
    assert coverage.inside.sum() == pytest.approx(area, rel=0.03)


def test_a_bar_thinner_than_a_pixel_covers_its_share() -> None:
    coverage = cover([(5.4, 2.0), (5.6, 2.0), (5.6, 18.0), (5.4, 18.0)], ALL_ROWS, 20)
    assert coverage is not None
    assert coverage.share.sum() == pytest.approx(0.2 * 16, rel=0.01)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_polygon_may_go_round_either_way(turn: int) -> None:
    coverage = cover([(2.0, 2.0), (9.0, 2.0), (9.0, 6.0), (2.0, 6.0)][::turn], ALL_ROWS, 20)
    assert coverage is not None
    assert coverage.inside.sum() == 28


@pytest.mark.parametrize(
    "polygon",
    [
        [(30.0, 2.0), (40.0, 2.0), (35.0, 9.0)],
        [(3.0, -9.0), (9.0, -9.0), (5.0, -2.0)],
        [(3.0, 3.0), (9.0, 9.0), (3.0, 3.0)],
    ],
    ids=["beside", "above", "without area"],
)
def test_what_lies_outside_or_has_no_area_covers_nothing(polygon: list[tuple[float, float]]) -> None:
    assert cover(polygon, ALL_ROWS, 20) is None


def test_what_reaches_behind_the_camera_is_cut_off_in_front_of_it() -> None:
    kept = in_front(((1.0, 0.0, -3.0), (1.0, 2.0, -3.0), (1.0, 2.0, 8.0), (1.0, 0.0, 8.0)))
    assert len(kept) == 4
    assert all(corner[2] > 0 for corner in kept)
    assert in_front(((1.0, 0.0, -3.0), (1.0, 2.0, -3.0), (2.0, 0.0, -1.0))) == []


def test_a_camera_sees_twice_as_far_half_as_large() -> None:
    _, studio = drawn(0, 100, 200)
    camera = studio.camera
    near, far = (camera.project((1.0, 0.0, depth))[0] - camera.project((0.0, 0.0, depth))[0] for depth in (10.0, 20.0))
    assert near == pytest.approx(2 * far)
