"""Which pixels count: rectangles, circles, masks; what is written for them; and that sums are of exactly those."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from toolkit.models import Model
from toolkit.segmentation import (
    Area,
    Circle,
    Ellipse,
    Mask,
    PictureError,
    Protocol,
    Segmenter,
    mean_probabilities,
    segment_image,
)
from toolkit.sources import SourceError

PROTOCOL = Protocol(scales=(0.5, 1.0), crop_size=40, stride=30, flip=True)
HEIGHT, WIDTH = 50, 80

AREAS: dict[str, Any] = {
    "band": {"bottom": 0.13},
    "rectangle": {"top": 0.1, "bottom": 0.2, "left": 0.25, "right": 0.05},
    "circle": "circle",
    "ellipse": {"ellipse": {"center": [0.4, 0.5], "radii": [0.3, 0.45]}},
    "circle without its lower third": {"circle": {"radius": 0.45}, "bottom": 1 / 3},
    "one pixel": {"circle": {"center": [0.5 / WIDTH, 0.5 / HEIGHT], "radius": 0.4 / HEIGHT}},
}


@pytest.fixture(scope="module")
def pixels(photo: Any) -> np.ndarray:
    return np.asarray(Image.fromarray(photo("horses.jpg")).resize((WIDTH, HEIGHT)))


@pytest.mark.parametrize("words", AREAS.values(), ids=AREAS)
@pytest.mark.usefixtures("every_way")
def test_the_composition_is_a_plain_count_on_the_label_map(small_model: Model, pixels: np.ndarray, words: Any) -> None:
    whole = segment_image(pixels, small_model, PROTOCOL, soft_composition=True)
    found = segment_image(pixels, small_model, PROTOCOL, soft_composition=True, area=words)
    area = Area.of(words)
    assert area is not None
    counted = area.counted(HEIGHT, WIDTH)
    assert counted is not None
    np.testing.assert_array_equal(found.labels, whole.labels)
    expected = np.bincount(whole.labels[counted], minlength=small_model.n_classes) / counted.sum()
    np.testing.assert_array_equal(found.composition, expected)
    assert found.valid_fraction == counted.sum() / counted.size
    probabilities = mean_probabilities(pixels, small_model, PROTOCOL).double().numpy()[:, counted]
    assert found.confidence == pytest.approx(probabilities.max(0).mean(), abs=1e-6)
    np.testing.assert_allclose(found.soft_composition, probabilities.mean(1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("band_floats", [5 * WIDTH, 2**26])
def test_it_does_not_matter_how_many_rows_come_at_a_time(
    small_model: Model, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch, band_floats: int
) -> None:
    monkeypatch.setattr("toolkit.segmentation.memory._LEAST_BAND_ROWS", 1)
    monkeypatch.setitem(__import__("toolkit.segmentation.memory", fromlist=["x"])._BAND_FLOATS, "cpu", band_floats)
    found = segment_image(pixels, small_model, PROTOCOL, area="circle")
    labels = segment_image(pixels, small_model, PROTOCOL).labels
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    counted = (rows - HEIGHT / 2) ** 2 + (columns - WIDTH / 2) ** 2 <= (HEIGHT / 2) ** 2
    np.testing.assert_array_equal(found.composition, np.bincount(labels[counted], minlength=5) / counted.sum())


def test_all_of_a_picture_gives_the_same_bits_as_no_area(small_model: Model, pixels: np.ndarray) -> None:
    plain = segment_image(pixels, small_model, PROTOCOL)
    for area in ("everything", Area(), {}, {"bottom": 0}, {"mask": np.ones((3, 4))}):
        found = segment_image(pixels, small_model, PROTOCOL, area=area)
        np.testing.assert_array_equal(found.composition, plain.composition)
        assert (found.confidence, found.valid_fraction) == (plain.confidence, 1.0)


def test_images_that_share_batches_keep_their_own_areas(small_model: Model, pixels: np.ndarray) -> None:
    segmenter = Segmenter(small_model, PROTOCOL)
    masks = [None, *(np.arange(WIDTH) < edge for edge in (10, 40))]
    masks = [None if mask is None else np.broadcast_to(mask, (HEIGHT, WIDTH)).copy() for mask in masks]
    futures = [segmenter.add(pixels, mask) for mask in masks]
    segmenter.finish()
    assert [future.result().valid_fraction for future in futures] == [1.0, 10 / WIDTH, 40 / WIDTH]


class TestShapes:
    @pytest.mark.parametrize("side", [1, 2, 10, 33, 480])
    def test_a_pixel_is_in_a_band_if_its_centre_is(self, side: int) -> None:
        counted = Area(bottom=0.1, top=0.25).counted(side, 7)
        expected = [0.25 * side < row + 0.5 < side - 0.1 * side for row in range(side)]
        assert (np.ones(side, bool) if counted is None else counted[:, 0]).tolist() == expected

    @pytest.mark.parametrize("percent", [1, 10, 30, 35, 70, 90])
    def test_a_centre_on_the_very_edge_is_outside(self, percent: int) -> None:
        for side in range(1, 121):
            for name in ("top", "bottom"):
                expected = [100 * (2 * row + 1) > 2 * percent * side for row in range(side)]
                expected = expected if name == "top" else expected[::-1]
                if any(expected):
                    counted = Area.of({name: percent / 100}).counted(side, 3)  # type: ignore[union-attr]
                    assert (np.ones(side, bool) if counted is None else counted[:, 0]).tolist() == expected

    @pytest.mark.parametrize(("height", "width"), [(400, 400), (480, 640), (900, 300)])
    def test_the_inscribed_circle_has_its_share(self, height: int, width: int) -> None:
        counted = Area(circle=Circle()).counted(height, width)
        assert counted is not None
        assert counted.mean() == pytest.approx(np.pi * (min(height, width) / 2) ** 2 / (height * width), abs=1e-3)

    def test_the_ellipse_fills_the_picture(self) -> None:
        counted = Area(ellipse=Ellipse()).counted(300, 800)
        assert counted is not None
        assert counted.mean() == pytest.approx(np.pi / 4, abs=1e-3)

    def test_all_parts_must_hold(self) -> None:
        parts = [Area(circle=Circle()), Area(bottom=0.3)]
        circle, band = (part.counted(40, 40) for part in parts)
        both = Area(circle=Circle(), bottom=0.3).counted(40, 40)
        assert circle is not None
        np.testing.assert_array_equal(both, circle & band)

    def test_an_area_that_leaves_nothing_of_a_picture_is_an_error_with_a_code(self) -> None:
        with pytest.raises(PictureError, match="no pixel of 1 × 1 lies in") as caught:
            Area(left=0.6).counted(1, 1)
        assert caught.value.code == "area_empty"
        assert pickle.loads(pickle.dumps(caught.value)).code == "area_empty"


class TestMasks:
    def test_a_mask_is_resized_to_its_nearest_pixel(self) -> None:
        mask = Mask.of(np.array([[0, 255], [255, 0]], np.uint8))
        np.testing.assert_array_equal(mask.resized(4, 6), np.kron([[0, 1], [1, 0]], np.ones((2, 3))).astype(bool))
        np.testing.assert_array_equal(mask.resized(2, 2), [[False, True], [True, False]])

    @pytest.mark.parametrize("greatest", [1, 255])
    def test_zero_and_one_mean_what_zero_and_255_mean(self, greatest: int) -> None:
        values = np.eye(5, dtype=np.uint8) * greatest
        np.testing.assert_array_equal(Mask.of(values).resized(5, 5), np.eye(5, dtype=bool))

    def test_it_is_known_by_its_content(self, tmp_path: Path) -> None:
        image = Image.new("L", (64, 48))
        ImageDraw.Draw(image).rectangle([0, 0, 64, 36], fill=255)
        image.save(tmp_path / "a.png")
        image.convert("RGB").save(tmp_path / "b.bmp")
        image.save(tmp_path / "c.jpg", quality=60)
        areas = [Area.of(str(tmp_path / name)) for name in ("a.png", "b.bmp", "c.jpg")]
        assert len({str(area.to_dict()) for area in areas if area}) == 1
        assert len(set(areas)) == 1
        other = Area.of({"mask": np.ones((48, 64)) * (np.arange(64) < 32)})
        assert other is not None
        assert areas[0] is not None
        assert other.to_dict() != areas[0].to_dict()

    def test_it_travels_with_its_content(self, tmp_path: Path) -> None:
        Image.new("L", (8, 8), 0).save(tmp_path / "mask.png")
        area = Area(mask=Mask.read(tmp_path / "mask.png"), bottom=0.1)
        (tmp_path / "mask.png").unlink()
        assert pickle.loads(pickle.dumps(area)) == area

    @pytest.mark.parametrize("brightness", [0, 255])
    def test_a_mask_with_transparent_pixels_may_mean_either(self, tmp_path: Path, brightness: int) -> None:
        drawn = np.full((6, 9, 4), brightness, np.uint8)
        drawn[..., 3] = 0
        drawn[2:4, 3:6, 3] = 255
        Image.fromarray(drawn).save(tmp_path / "mask.png")
        with pytest.raises(SourceError, match="mask with transparent pixels; save it in black and white"):
            Area.of(str(tmp_path / "mask.png"))

    def test_a_mask_that_is_opaque_may_have_an_alpha_channel(self, tmp_path: Path) -> None:
        drawn = np.full((6, 9, 4), 255, np.uint8)
        drawn[:3, :, :3] = 0
        Image.fromarray(drawn).save(tmp_path / "mask.png")
        assert Mask.read(tmp_path / "mask.png").resized(6, 9).sum() == 27

    def test_a_mask_with_nothing_in_it_leaves_nothing(self) -> None:
        with pytest.raises(PictureError, match="no pixel"):
            Area(mask=Mask.of(np.zeros((3, 3)))).counted(10, 10)


class TestTransparency:
    @pytest.fixture
    def path(self, pixels: np.ndarray, tmp_path: Path) -> Path:
        """A photo whose upper 20 rows are transparent, the next 10 nearly."""
        alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        alpha[:20], alpha[20:25], alpha[25:30] = 0, 127, 128
        Image.fromarray(np.concatenate([pixels, alpha], axis=2)).save(tmp_path / "photo.png")
        return tmp_path / "photo.png"

    def test_transparent_pixels_count_unless_asked(self, small_model: Model, path: Path) -> None:
        assert segment_image(path, small_model, PROTOCOL).valid_fraction == 1

    def test_what_is_less_than_half_opaque_is_outside(self, small_model: Model, path: Path) -> None:
        found = segment_image(path, small_model, PROTOCOL, area="opaque")
        expected = np.bincount(found.labels[25:].ravel(), minlength=5) / (25 * WIDTH)
        np.testing.assert_array_equal(found.composition, expected)

    def test_it_lies_as_the_turned_picture_does(self, small_model: Model, path: Path, tmp_path: Path) -> None:
        with Image.open(path) as image:
            exif = image.getexif()
            exif[0x0112] = 6
            image.save(tmp_path / "turned.png", exif=exif)
        found = segment_image(tmp_path / "turned.png", small_model, PROTOCOL, area="opaque")
        assert found.labels.shape == (WIDTH, HEIGHT)
        expected = np.bincount(found.labels[:, :25].ravel(), minlength=5) / (25 * WIDTH)
        np.testing.assert_array_equal(found.composition, expected)

    @pytest.mark.parametrize("mode", ["P", "LA", "1", "L;16"])
    def test_of_any_kind_of_picture(self, small_model: Model, tmp_path: Path, mode: str) -> None:
        seen = np.arange(WIDTH) < 30
        path = tmp_path / "photo.png"
        if mode == "LA":
            grey = np.full((HEIGHT, WIDTH), 90, np.uint8)
            with_alpha = np.stack([grey, np.broadcast_to(seen * 255, grey.shape)], axis=2)
            Image.fromarray(with_alpha.astype(np.uint8)).save(path)
        elif mode == "L;16":
            values = np.broadcast_to(np.where(seen, 30_000, 7), (HEIGHT, WIDTH)).astype(np.uint16)
            Image.fromarray(values).save(path, transparency=7)
        else:
            values = np.broadcast_to(seen * (1 if mode == "P" else 255), (HEIGHT, WIDTH)).astype(np.uint8)
            image = Image.fromarray(values).convert("1") if mode == "1" else Image.fromarray(values, "P")
            if mode == "P":
                image.putpalette([255, 0, 0, 0, 128, 0])
            image.save(path, transparency=0)
        assert segment_image(path, small_model, PROTOCOL, area="opaque").valid_fraction == 30 / WIDTH

    def test_a_jpeg_knows_none(self, small_model: Model, pixels: np.ndarray, tmp_path: Path) -> None:
        Image.fromarray(pixels).save(tmp_path / "photo.jpg")
        assert segment_image(tmp_path / "photo.jpg", small_model, PROTOCOL, area="opaque").valid_fraction == 1


class TestWords:
    @pytest.mark.parametrize(
        ("words", "area"),
        [
            (None, None),
            ("everything", None),
            ({}, None),
            ("circle", Area(circle=Circle())),
            ("ellipse", Area(ellipse=Ellipse())),
            ("opaque", Area(opaque=True)),
            ("{bottom: 0.1}", Area(bottom=0.1)),
            ('{"bottom": 0.1, "circle": true}', Area(bottom=0.1, circle=Circle())),
            ({"circle": {"center": (0.5, 0.6)}}, Area(circle=Circle((0.5, 0.6)))),
            ({"circle": False, "top": 0.5}, Area(top=0.5)),
            ({"mask_column": "mask"}, Area(mask_column="mask")),
        ],
    )
    def test_what_may_be_said(self, words: Any, area: Area | None) -> None:
        assert Area.of(words) == area

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("cirle", r"did you mean 'circle'\?"),
            ({"botom": 0.1}, r"did you mean 'bottom'\?"),
            ({"circle": {"centre": [0.5, 0.5]}}, r"did you mean 'center'\?"),
            ({"bottom": 10}, "area: bottom must be a fraction in .0, 1., not 10"),
            ({"bottom": "0.1"}, "area: bottom must be a fraction"),
            ({"bottom": 0.6, "top": 0.4}, "leave nothing"),
            ({"circle": {"radius": 0}}, "area: radius of the circle"),
            ({"circle": {"center": [0.5]}}, "area: center of the circle must be two numbers"),
            ({"circle": 0.4}, "area: circle must be true, or a mapping"),
            ({"opaque": "yes"}, "area: opaque must be True or False"),
            ("{bottom: 0.1", "cannot be read"),
            ("{bottom: 0.1, bottom: 0.2}", "says 'bottom' twice"),
            ("{circle: {radius: 0.1, radius: 0.2}}", "says 'radius' twice"),
            ("{bottom: 0,1}", "decimals have a point"),
            (0.1, "area has no 0.1"),
        ],
    )
    def test_what_may_not(self, words: Any, message: str) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            Area.of(words)

    def test_what_is_stored_is_what_leaves_something_out(self) -> None:
        assert Area(bottom=0.1, circle=Circle(), opaque=True).to_dict() == {
            "bottom": 0.1,
            "circle": {"center": [0.5, 0.5], "radius": 0.5},
            "opaque": True,
        }

    def test_a_column_of_masks_needs_a_catalog(self, small_model: Model, pixels: np.ndarray) -> None:
        with pytest.raises(ValueError, match="mask_column='mask' is for the images of a catalog"):
            segment_image(pixels, small_model, PROTOCOL, area={"mask_column": "mask"})

    def test_an_array_knows_no_transparency(self, small_model: Model, pixels: np.ndarray) -> None:
        with pytest.raises(ValueError, match="opaque needs an image's file"):
            segment_image(pixels, small_model, PROTOCOL, area="opaque")


def test_of_a_fisheye_picture_the_dark_around_its_circle_does_not_count(make_pixel_model: Any) -> None:
    """Sky within 60° of the middle, ground beyond, black around: the fraction of sky is (60/90)², radius by angle."""
    side = 500
    rows, columns = np.mgrid[:side, :side] + 0.5
    radius = np.hypot(rows - side / 2, columns - side / 2) / (side / 2)
    picture = np.zeros((side, side, 3), np.uint8)
    picture[radius <= 1] = (120, 100, 80)
    picture[radius <= 2 / 3] = (90, 150, 240)
    model = make_pixel_model(4)
    found = segment_image(picture, model, Protocol(crop_size=100, stride=100), area="circle")
    sky, ground = found.labels[side // 2, side // 2], found.labels[side // 2, 20]
    assert found.valid_fraction == pytest.approx(np.pi / 4, abs=1e-3)
    assert found.composition[sky] == pytest.approx(4 / 9, abs=1e-3)
    assert found.composition[ground] == pytest.approx(5 / 9, abs=1e-3)
