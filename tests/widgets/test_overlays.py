"""Label maps over photos: the arithmetic of one, and a sheet of many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from toolkit.catalog import Catalog
from toolkit.widgets import composition_table, overlay, overlay_sheet, plot_composition

MakeRun = Callable[..., str]

COLORS = np.array([[0, 0, 1], [0, 0.5, 0], [1, 1, 1]])
PHOTO = np.array([[[0, 0, 0], [255, 255, 255]], [[10, 20, 30], [200, 100, 50]]], dtype=np.uint8)
LABELS = np.array([[0, 1], [2, 0]], dtype=np.uint8)


class TestOverlay:
    def test_opacity_0_is_the_photo(self) -> None:
        np.testing.assert_array_equal(overlay(PHOTO, LABELS, COLORS, opacity=0), PHOTO)

    def test_opacity_1_is_the_colours(self) -> None:
        shown = overlay(PHOTO, LABELS, COLORS, opacity=1)
        assert shown.tolist() == [[[0, 0, 255], [0, 128, 0]], [[255, 255, 255], [0, 0, 255]]]

    def test_opacity_a_half_lies_between(self) -> None:
        shown = overlay(PHOTO, LABELS, COLORS, opacity=0.5)
        assert shown.tolist() == [[[0, 0, 128], [128, 191, 128]], [[132, 138, 142], [100, 50, 152]]]

    def test_it_is_a_new_picture_of_8_bits(self) -> None:
        before = PHOTO.copy()
        assert overlay(PHOTO, LABELS, COLORS).dtype == np.uint8
        np.testing.assert_array_equal(PHOTO, before)

    def test_label_maps_of_more_than_256_classes_work(self) -> None:
        colors = np.linspace(0, 1, 400)[:, None].repeat(3, axis=1)
        shown = overlay(PHOTO, np.full((2, 2), 399, dtype=np.uint16), colors, opacity=1)
        assert (shown == 255).all()


class TestOverlaySheet:
    def test_each_image_is_shown_beside_its_label_map(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        make_run(catalog, {row: label_map(photos[row]) for row in range(3)})
        pairs = shown_pairs(overlay_sheet(catalog).axes)
        assert [left.get_title(loc="left") for left, _ in pairs] == [photo.name for photo in photos]
        for (left, right), photo in zip(pairs, photos, strict=True):
            pixels = np.asarray(Image.open(photo))
            np.testing.assert_array_equal(picture(left), pixels)
            colors = np.array([[0, 0, 255], [0, 128, 0], [128, 64, 128]]) / 255
            np.testing.assert_array_equal(picture(right), overlay(pixels, label_map(photo), colors))

    def test_the_legend_names_what_is_in_it_largest_first(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        labels = np.full((64, 96), 2, dtype=np.uint8)
        labels[:16] = 0
        make_run(catalog, {0: labels})
        ((_, right),) = shown_pairs(overlay_sheet(catalog).axes)
        assert [text.get_text() for text in right.get_legend().get_texts()] == ["road 75.0%", "sky 25.0%"]

    def test_images_that_failed_are_left_out(self, catalog: Catalog, photos: list[Path], make_run: MakeRun) -> None:
        make_run(catalog, {1: label_map(photos[1])})
        ((left, _),) = shown_pairs(overlay_sheet(catalog).axes)
        assert left.get_title(loc="left") == photos[1].name

    def test_images_can_be_chosen(self, catalog: Catalog, photos: list[Path], make_run: MakeRun) -> None:
        run_id = make_run(catalog, {row: label_map(photos[row]) for row in range(3)})
        pairs = shown_pairs(overlay_sheet(catalog, run_id, [2, 0]).axes)
        assert [left.get_title(loc="left") for left, _ in pairs] == [photos[2].name, photos[0].name]

    @pytest.mark.parametrize(("most", "columns"), [(1, 2), (2, 2), (3, 1), (3, 3)])
    def test_it_shows_so_many_at_most_in_so_many_columns(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun, most: int, columns: int
    ) -> None:
        make_run(catalog, {row: label_map(photos[row]) for row in range(3)})
        figure = overlay_sheet(catalog, most=most, columns=columns)
        assert len(shown_pairs(figure.axes)) == most
        assert len(figure.axes) == 2 * columns * -(-most // columns)

    @pytest.mark.parametrize("given", [{"most": -1}, {"columns": 0}, {"columns": 1.5}])
    def test_numbers_that_make_no_sense_are_refused(self, catalog: Catalog, make_run: MakeRun, given: Any) -> None:
        make_run(catalog, {})
        (name,) = given
        with pytest.raises((TypeError, ValueError), match=f"{name} must be a whole number of at least"):
            overlay_sheet(catalog, **given)

    def test_a_photo_that_was_deleted_is_said_to_be_missing(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        make_run(catalog, {row: label_map(photos[row]) for row in range(3)})
        photos[1].unlink()
        pairs = shown_pairs(overlay_sheet(catalog).axes)
        assert [texts(left) for left, _ in pairs] == [[], ["photo: missing"], []]
        assert picture(pairs[1][1]).shape == (64, 96, 3)

    def test_a_photo_that_is_broken_now_is_said_to_be_so(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        make_run(catalog, {0: label_map(photos[0])})
        photos[0].write_bytes(b"no picture")
        ((left, _),) = shown_pairs(overlay_sheet(catalog).axes)
        assert texts(left) == ["photo: not_an_image"]

    def test_a_photo_that_changed_its_size_is_said_to_have_changed(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        make_run(catalog, {0: label_map(photos[0])})
        Image.open(photos[0]).resize((30, 40)).save(photos[0])
        ((left, right),) = shown_pairs(overlay_sheet(catalog).axes)
        assert texts(left) == ["the photo changed since"]
        assert picture(right).shape == (64, 96, 3)

    def test_label_maps_of_more_than_256_classes_are_shown(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        names = [f"class {number}" for number in range(300)]
        labels = np.full((64, 96), 299, dtype=np.uint16)
        make_run(catalog, {0: labels}, names, palette=[(0, 0, 0)] * 299 + [(250, 0, 0)])
        ((left, right),) = shown_pairs(overlay_sheet(catalog).axes)
        colors = np.array([[0, 0, 0]] * 299 + [[250, 0, 0]]) / 255
        np.testing.assert_array_equal(picture(right), overlay(picture(left), labels, colors))
        assert [text.get_text() for text in right.get_legend().get_texts()] == ["class 299 100.0%"]

    def test_large_photos_are_shown_smaller(self, catalog: Catalog, photos: list[Path], make_run: MakeRun) -> None:
        Image.open(photos[0]).resize((1920, 1280)).save(photos[0])
        make_run(catalog, {0: label_map(photos[0])})
        ((left, right),) = shown_pairs(overlay_sheet(catalog).axes)
        assert picture(left).shape == picture(right).shape == (427, 640, 3)

    @pytest.mark.parametrize("most", [0, 12])
    def test_with_nothing_to_show_it_is_empty(
        self, catalog: Catalog, make_run: MakeRun, tmp_path: Path, most: int
    ) -> None:
        make_run(catalog, {})
        figure = overlay_sheet(catalog, most=most)
        assert shown_pairs(figure.axes) == []
        figure.savefig(tmp_path / "sheet.png")

    def test_a_run_that_kept_no_label_maps_still_shows_its_photos(
        self, catalog: Catalog, photos: list[Path], make_run: MakeRun
    ) -> None:
        make_run(catalog, {0: label_map(photos[0])}, keep_labels=False)
        titles = [axes.get_title(loc="left") for axes in overlay_sheet(catalog).axes]
        assert photos[0].name in titles

    def test_it_can_be_saved(self, catalog: Catalog, photos: list[Path], make_run: MakeRun, tmp_path: Path) -> None:
        make_run(catalog, {row: label_map(photos[row]) for row in range(3)})
        photos[2].unlink()
        overlay_sheet(catalog).savefig(tmp_path / "sheet.png", dpi=50)
        with Image.open(tmp_path / "sheet.png") as sheet:
            assert sheet.size == (720, 290)


def label_map(photo: Path) -> np.ndarray:
    """A label map of the photo's size: three bands."""
    with Image.open(photo) as image:
        width, height = image.size
    return (np.arange(height) * 3 // height).astype(np.uint8)[:, None].repeat(width, axis=1)


def shown_pairs(axes: list[Axes]) -> list[tuple[Axes, Axes]]:
    """The pairs of axes in which there is something."""
    return [pair for pair in zip(axes[::2], axes[1::2], strict=True) if pair[1].images]


def picture(axes: Axes) -> np.ndarray:
    """The one picture in some axes."""
    (image,) = axes.images
    return np.asarray(image.get_array())


def texts(axes: Axes) -> list[str]:
    """What is written over the picture."""
    return [text.get_text() for text in axes.texts]


def test_an_image_that_is_not_done_is_said_to_be_so(catalog: Catalog, photos: list[Path], make_run: MakeRun) -> None:
    run_id = make_run(catalog, {})
    sheet = overlay_sheet(catalog, run_id, images=[0])
    assert "failed" in [text.get_text() for axes in sheet.axes for text in axes.texts]


def test_names_with_dollar_signs_are_names(photos: list[Path], make_run: MakeRun, tmp_path: Path) -> None:
    odd = photos[0].with_name("$a$b$_$.png")
    photos[0].rename(odd)
    catalog = Catalog.create(tmp_path / "odd.zarr", [odd])
    run_id = make_run(catalog, {0: np.zeros((64, 96), dtype=np.uint8)})
    overlay_sheet(catalog, run_id).savefig(tmp_path / "sheet.png")
    table = composition_table(catalog.to_xarray(run_id))
    plot_composition(table, {}).savefig(tmp_path / "bars.png")
    assert table.index.tolist() == ["$a$b$_$.png"]
