"""A catalog's runs against masks: right numbers, on the right images, and errors that say what to do."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import toolkit as tk
from toolkit.evaluation import ConfusionMatrix, EvaluationError, border_error, compare_runs, evaluate, run_table, score
from toolkit.models import load_dataset
from toolkit.sources import ReadLimits, SourceError

MakeModel = Callable[..., tk.Model]
Segment = Callable[..., str]

CLASS_NAMES = ("road", "sky", "tree")  # of the model
STEP = 10  # brightness between classes
SIZE = (12, 16)  # height, width
N = 5


def write_photo(path: Path, labels: np.ndarray) -> Path:
    """A photo that the model segments into these labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = (labels * STEP).astype(np.uint8)
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(path)
    return path


def write_mask(path: Path, labels: np.ndarray) -> Path:
    """A mask of one channel; 16 bits if it is of uint16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)
    return path


def random_labels(seed: int, n_classes: int = len(CLASS_NAMES), size: tuple[int, int] = SIZE) -> np.ndarray:
    """A label map."""
    return np.random.default_rng(seed).integers(0, n_classes, size, dtype=np.uint8)


PREDICTED = [random_labels(seed) for seed in range(N)]


def nearly(labels: np.ndarray, seed: int) -> np.ndarray:
    """A mask that is mostly so, and not counted here and there."""
    generator = np.random.default_rng(100 + seed)
    mask = np.where(generator.random(SIZE) < 0.7, labels, generator.integers(0, 3, SIZE))
    return np.where(generator.random(SIZE) < 0.1, 255, mask).astype(np.uint8)


MASKS = [nearly(labels, seed) for seed, labels in enumerate(PREDICTED)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos of which the model predicts `PREDICTED`."""
    folder = tmp_path_factory.mktemp("evaluated") / "photos"
    for number, labels in enumerate(PREDICTED):
        write_photo(folder / f"{number}.png", labels)
    return folder


@pytest.fixture(scope="module")
def catalog(photos: Path, brightness_model: MakeModel, segment: Segment) -> tk.Catalog:
    """Two runs of the photos; not to be changed by a test."""
    catalog = tk.Catalog.create(photos.parent / "demo.zarr", photos, block_size=2)
    segment(catalog, brightness_model())
    segment(catalog, brightness_model(confused={1: 2}))
    return catalog


@pytest.fixture(scope="module")
def run_id(catalog: tk.Catalog) -> str:
    """The run whose label maps are `PREDICTED`."""
    return str(catalog.runs().index[0])


@pytest.fixture(scope="module")
def other_run_id(catalog: tk.Catalog) -> str:
    """The run of a model that takes sky for trees and trees for sky; the newest."""
    return str(catalog.runs().index[1])


@pytest.fixture
def own_catalog(tmp_path: Path, photos: Path) -> tk.Catalog:
    """A catalog of the photos that a test may change; nothing ran yet."""
    return tk.Catalog.create(tmp_path / "own.zarr", photos)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """`MASKS` in a folder."""
    for number, mask in enumerate(MASKS):
        write_mask(tmp_path / "masks" / f"{number}.png", mask)
    return tmp_path / "masks"


def confusion_of(predictions: list[np.ndarray], targets: list[np.ndarray]) -> ConfusionMatrix:
    confusion = ConfusionMatrix(3)
    for prediction, target in zip(predictions, targets, strict=True):
        confusion.update(prediction, target)
    return confusion


def counts(result: xr.Dataset) -> dict[str, int]:
    return {name: int(n) for name, n in zip(result.outcome.values, result.n_images.values, strict=True) if n}


class TestNumbers:
    def test_the_model_is_as_the_tests_need_it(self, catalog: tk.Catalog, run_id: str) -> None:
        for row in range(N):
            np.testing.assert_array_equal(catalog.labels(run_id, row), PREDICTED[row])

    def test_they_are_those_of_one_confusion_matrix_over_all_images(
        self, catalog: tk.Catalog, run_id: str, masks: Path
    ) -> None:
        result = evaluate(catalog, run_id, masks)
        expected = score(confusion_of(PREDICTED, MASKS)).to_xarray(CLASS_NAMES)
        xr.testing.assert_identical(result[list(expected.data_vars)].drop_attrs(), expected)
        assert 0.5 < float(result.mIoU) < 0.9
        assert counts(result) == {"evaluated": N}

    def test_perfect_label_maps_score_one(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, PREDICTED, border_width=1)
        assert [float(result[name]) for name in ("aAcc", "mAcc", "mIoU", "mPrecision", "mF1")] == [1.0] * 5
        assert float(result.border_error) == 0.0

    def test_per_image_they_are_those_of_the_image_alone(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, MASKS, border_width=2)
        for row in range(N):
            alone = score(confusion_of([PREDICTED[row]], [MASKS[row]]))
            image = result.sel(image=row)
            assert float(image.image_mIoU) == pytest.approx(alone.mIoU)
            assert float(image.image_aAcc) == pytest.approx(alone.aAcc)
            assert float(image.image_border_error) == border_error(PREDICTED[row], MASKS[row], 2)
            assert int(image.image_pixels) == (MASKS[row] != 255).sum()
            assert str(image.uri.values) == catalog.images().uri.values[row]
        np.testing.assert_array_equal(result.intersection.sum("image"), np.diagonal(result.confusion))

    def test_a_class_that_an_image_does_not_have_is_not_in_its_mean(self, catalog: tk.Catalog, run_id: str) -> None:
        trees_only_in_the_first = [PREDICTED[0], *(np.where(labels == 2, 255, labels) for labels in PREDICTED[1:])]
        result = evaluate(catalog, run_id, trees_only_in_the_first)
        assert result.image_mIoU.values.tolist() == [1.0] * N
        result = evaluate(catalog, run_id, trees_only_in_the_first[1:], images=range(1, N))
        assert np.isnan(result.iou.sel(class_name="tree"))
        assert float(result.mIoU) == 1.0

    def test_an_image_of_which_all_is_ignored_counts_for_nothing(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, [np.full_like(MASKS[0], 255), *MASKS[1:]], border_width=1)
        assert float(result.mIoU) == score(confusion_of(PREDICTED[1:], MASKS[1:])).mIoU
        assert np.isnan([result.image_mIoU[0], result.image_aAcc[0], result.image_border_error[0]]).all()
        assert counts(result) == {"evaluated": N}

    def test_where_nothing_at_all_is_counted_a_warning_says_so(self, catalog: tk.Catalog, run_id: str) -> None:
        with pytest.warns(UserWarning, match="not one pixel of 5 masks is counted: is dataset='voc-21' right"):
            result = evaluate(
                catalog, run_id, [np.full(SIZE, 200)] * N, dataset="voc-21", classes={"tree": "pottedplant"}
            )
        assert np.isnan(result.mIoU)

    def test_another_value_may_be_ignored(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, [np.where(mask == 255, 9, mask) for mask in MASKS], ignore_index=9)
        xr.testing.assert_equal(result.iou, evaluate(catalog, run_id, MASKS).iou)

    def test_a_class_that_is_ignored_has_no_scores(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, [np.where(mask == 255, 1, mask) for mask in MASKS], ignore_index=1)
        assert np.isnan(result.iou[1])
        assert np.isnan(result.f1[1])
        assert float(result.mIoU) == pytest.approx(float(result.iou[[0, 2]].mean()))
        assert (result.union[:, 1] == 0).all()

    def test_without_values_per_image_the_rest_is_the_same(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, MASKS, per_image=False)
        assert "image" not in result.dims
        xr.testing.assert_identical(result, evaluate(catalog, run_id, MASKS)[list(result.data_vars)])

    @pytest.mark.parametrize("threads", [1, 7])
    def test_threads_change_nothing(self, catalog: tk.Catalog, run_id: str, threads: int) -> None:
        result = evaluate(catalog, run_id, MASKS, threads=threads)
        xr.testing.assert_identical(result, evaluate(catalog, run_id, MASKS))

    def test_the_result_says_what_was_compared(self, catalog: tk.Catalog, other_run_id: str, masks: Path) -> None:
        result = evaluate(catalog, None, masks, border_width=3)
        assert result.attrs["run_id"] == other_run_id  # the newest
        assert result.attrs["model"] == "brightness"
        assert result.attrs["border_width"] == 3
        assert str(masks) in result.attrs["targets"]


class TestWhichImages:
    def test_only_those_that_are_done(
        self, own_catalog: tk.Catalog, masks: Path, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        own_catalog.add([tmp_path / "broken.png"])
        segment(own_catalog, brightness_model())
        own_catalog.add([tmp_path / "not yet.png", tmp_path / "nor this.png"])
        result = evaluate(own_catalog, None, masks)
        assert counts(result) == {"evaluated": N, "failed": 1, "pending": 2}
        assert int(result.n_images.sum()) == len(own_catalog)
        with pytest.raises(EvaluationError, match=r"no image is done \(run \w+: 2 pending, 1 failed, 0 done\)"):
            evaluate(own_catalog, None, masks, images=range(N, N + 3))

    def test_images_added_meanwhile_do_not_count(
        self, own_catalog: tk.Catalog, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        runs = [segment(own_catalog, brightness_model(confused=confused)) for confused in (None, {1: 2})]

        class Growing(tk.Catalog):
            """Another process adds an image whenever results were read."""

            def to_xarray(self, run_id: str | Sequence[str] | None = None) -> xr.Dataset:
                table = super().to_xarray(run_id)
                self.add([tmp_path / f"{len(self)}.png"])
                return table

        result = evaluate(Growing(own_catalog.store), runs, MASKS)
        assert counts(result.isel(run=0)) == counts(result.isel(run=1)) == {"evaluated": N}

    @pytest.mark.parametrize("kind", ["rows", "array", "uris", "paths", "truth values", "DataArray"])
    def test_only_those_asked_for(self, catalog: tk.Catalog, run_id: str, photos: Path, masks: Path, kind: str) -> None:
        uris = catalog.images().uri
        wanted: dict[str, Any] = {
            "rows": [3, 1],
            "array": np.array([3, 1]),
            "uris": [uris.values[3], uris.values[1]],
            "paths": [photos / "3.png", photos / "1.png"],
            "truth values": [False, True, False, True, False],
            "DataArray": uris.str.contains("[13].png"),
        }
        result = evaluate(catalog, run_id, masks, images=wanted[kind])
        assert sorted(result.image.values.tolist()) == [1, 3]
        assert counts(result) == {"evaluated": 2}

    def test_a_sequence_of_masks_goes_with_the_images_asked_for(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, [MASKS[3], MASKS[1]], images=[3, 1])
        full = evaluate(catalog, run_id, MASKS)
        xr.testing.assert_equal(result.image_mIoU, full.image_mIoU.sel(image=[3, 1]))

    def test_images_that_were_removed_do_not_count(
        self,
        catalog: tk.Catalog,
        run_id: str,
        own_catalog: tk.Catalog,
        masks: Path,
        brightness_model: MakeModel,
        segment: Segment,
    ) -> None:
        segment(own_catalog, brightness_model())
        own_catalog.remove([0, 2])
        full = evaluate(catalog, run_id, masks)
        left = evaluate(own_catalog, None, masks)
        assert left.image.values.tolist() == [1, 3, 4]
        np.testing.assert_array_equal(left.image_mIoU, full.image_mIoU.sel(image=[1, 3, 4]))
        assert evaluate(own_catalog, None, masks, images=[3]).image.values.tolist() == [3]
        with pytest.raises(EvaluationError, match="the catalog has no image 2"):
            evaluate(own_catalog, None, masks, images=[2])

    def test_the_mask_of_one_that_was_removed_is_not_given_to_its_namesake(
        self, tmp_path: Path, masks: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        mask = next(path for path in sorted(masks.rglob("*")) if path.is_file())
        for name in ("own/x/a.png", "own/y/a.png", "flat/a.png"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_bytes(mask.read_bytes())
        catalog = tk.Catalog.create(tmp_path / "namesakes.zarr", tmp_path / "own")
        segment(catalog, brightness_model())
        catalog.remove(tmp_path / "own" / "x")
        with pytest.raises(EvaluationError, match="could be the mask of"):
            evaluate(catalog, None, tmp_path / "flat")

    def test_a_covariate_says_where_masks_are(
        self,
        catalog: tk.Catalog,
        run_id: str,
        masks: Path,
        tmp_path: Path,
        brightness_model: MakeModel,
        segment: Segment,
    ) -> None:
        table = catalog.images().to_dataframe().assign(mask=[str(masks / f"{number}.png") for number in range(N)])
        described = tk.Catalog.create(tmp_path / "described.zarr", table)
        segment(described, brightness_model())
        xr.testing.assert_equal(evaluate(described, None, "mask").iou, evaluate(catalog, run_id, masks).iou)

    def test_a_set_of_images_has_no_order_for_a_sequence_of_masks(self, catalog: tk.Catalog, run_id: str) -> None:
        with pytest.raises(EvaluationError, match="a set has no order"):
            evaluate(catalog, run_id, MASKS[:2], images={3, 1})

    def test_relative_paths_in_a_covariate_start_from_its_tables_folder(
        self, photos: Path, masks: Path, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        rows = [f"{photos}/{number}.png,masks/{number}.png" for number in range(N)]
        (tmp_path / "table.csv").write_text("\n".join(["uri,mask", *rows, ""]))
        described = tk.Catalog.create(tmp_path / "described.zarr", tmp_path / "table.csv")
        segment(described, brightness_model())
        for targets in ("mask", tmp_path / "table.csv"):
            assert counts(evaluate(described, None, targets)) == {"evaluated": N}

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            ([N], "has no image 5; it has 5, numbered from 0"),
            ([-1], "has no image -1"),
            (["nowhere.png"], r"has no image 'nowhere\.png'"),
            ([1, 1], "some are named twice"),
            ([True], "1 truth values for 5 images"),
            (3, "3 is no list"),
            ("0.png", r"'0\.png' is no list"),
        ],
    )
    def test_others_do_not_exist(self, catalog: tk.Catalog, run_id: str, images: Any, message: str) -> None:
        with pytest.raises(EvaluationError, match=message):
            evaluate(catalog, run_id, MASKS, images=images)


class TestPhotosOfTwoCities:
    """Numbered alike in two folders; the model is right on all."""

    CITIES = ("bern", "basel")

    @pytest.fixture
    def cities(self, tmp_path: Path, brightness_model: MakeModel, segment: Segment) -> tk.Catalog:
        for seed, city in enumerate(self.CITIES):
            for number in range(3):
                labels = random_labels(10 * seed + number)
                write_photo(tmp_path / "photos" / city / f"{number:03}.png", labels)
                write_mask(tmp_path / "all" / city / f"{number:03}.png", labels)
        catalog = tk.Catalog.create(tmp_path / "cities.zarr", tmp_path / "photos")
        segment(catalog, brightness_model())
        return catalog

    def test_masks_of_one_city_are_of_that_city(self, cities: tk.Catalog, tmp_path: Path) -> None:
        (tmp_path / "all" / "bern").rename(tmp_path / "masks of bern")
        (tmp_path / "masks").mkdir()
        (tmp_path / "masks of bern").rename(tmp_path / "masks" / "bern")
        for targets in ("masks", "masks/bern", "masks/*/*.png"):
            result = evaluate(cities, None, tmp_path / targets, on_missing="skip")
            assert counts(result) == {"evaluated": 3, "without_target": 3}
            assert float(result.mIoU) == 1.0
            with pytest.raises(EvaluationError, match=r"3 of 6 images have no mask, such as .*basel/000\.png"):
                evaluate(cities, None, tmp_path / targets)

    def test_so_are_masks_of_a_city_labelled_in_part(self, cities: tk.Catalog, tmp_path: Path) -> None:
        (tmp_path / "all" / "basel" / "001.png").unlink()
        with pytest.raises(EvaluationError, match=r"1 of 6 images have no mask, such as .*basel/001\.png"):
            evaluate(cities, None, tmp_path / "all")
        result = evaluate(cities, None, tmp_path / "all", on_missing="skip")
        assert counts(result) == {"evaluated": 5, "without_target": 1}
        assert float(result.mIoU) == 1.0

    @pytest.mark.parametrize("on_missing", ["error", "skip"])
    def test_a_doubt_is_an_error_whatever_may_be_skipped(
        self, cities: tk.Catalog, tmp_path: Path, on_missing: Any
    ) -> None:
        (tmp_path / "all" / "bern").rename(tmp_path / "flat")
        with pytest.raises(EvaluationError, match=r"flat/000\.png could be the mask of .*basel/.* and of .*bern/"):
            evaluate(cities, None, tmp_path / "flat", on_missing=on_missing)


class TestMissingTargets:
    def test_they_are_an_error_before_anything_is_read(
        self, catalog: tk.Catalog, run_id: str, masks: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (masks / "4.png").unlink()
        monkeypatch.setattr(tk.Catalog, "labels", None)
        with pytest.raises(
            EvaluationError, match=r"1 of 5 images have no mask, such as .*4\.png \(looked for: files below .*\); add"
        ):
            evaluate(catalog, run_id, masks)
        with pytest.raises(EvaluationError, match="1 of 5 images have no mask"):
            evaluate(catalog, run_id, [masks / f"{number}.png" for number in range(N)])

    @pytest.mark.parametrize("known_at_once", [True, False])
    def test_they_can_be_skipped(self, catalog: tk.Catalog, run_id: str, known_at_once: bool) -> None:
        by_uri = dict(zip(catalog.images().uri.values[:3], MASKS[:3], strict=True))
        targets = by_uri if known_at_once else by_uri.get
        result = evaluate(catalog, run_id, targets, on_missing="skip")
        assert counts(result) == {"evaluated": 3, "without_target": 2}
        xr.testing.assert_equal(result.iou, evaluate(catalog, run_id, MASKS[:3], images=[0, 1, 2]).iou)
        with pytest.raises(EvaluationError, match="no mask"):
            evaluate(catalog, run_id, targets)

    def test_those_that_cannot_be_read_too(self, catalog: tk.Catalog, run_id: str, masks: Path) -> None:
        (masks / "2.png").write_bytes((masks / "2.png").read_bytes()[:-30])
        with pytest.raises(SourceError, match=r"2\.png: .*\[truncated\]"):
            evaluate(catalog, run_id, masks)
        result = evaluate(catalog, run_id, masks, on_missing="skip")
        assert counts(result) == {"evaluated": 4, "unreadable_target": 1}

    def test_lossy_masks_are_refused(self, catalog: tk.Catalog, run_id: str, tmp_path: Path) -> None:
        Image.fromarray(PREDICTED[0]).save(tmp_path / "mask.jpg")
        with pytest.raises(SourceError, match="JPEG file, which changes class values"):
            evaluate(catalog, run_id, lambda uri: tmp_path / "mask.jpg")

    def test_limits_are_kept(self, catalog: tk.Catalog, run_id: str, masks: Path) -> None:
        with pytest.raises(SourceError, match=r"\[too_large\]"):
            evaluate(catalog, run_id, masks, limits=ReadLimits(max_pixels=10))

    @pytest.mark.parametrize("on_missing", ["error", "skip"])
    def test_if_none_is_found_the_error_says_where_was_looked(
        self, catalog: tk.Catalog, run_id: str, masks: Path, on_missing: Any
    ) -> None:
        with pytest.raises(
            EvaluationError, match=r"none of the 5 .*_gtFine_labelTrainIds.*'masks/\*_mask\.png', or a mapping"
        ):
            evaluate(catalog, run_id, masks, dataset="cityscapes-19", classes={"sky": "sky"}, on_missing=on_missing)


class TestWhatDoesNotFit:
    def test_a_mask_of_another_size_names_the_image_and_both_sizes(
        self, catalog: tk.Catalog, run_id: str, masks: Path
    ) -> None:
        write_mask(masks / "1.png", np.zeros((6, 8), np.uint8))
        with pytest.raises(
            EvaluationError, match=r"masks/1\.png, mask of .*photos/1\.png: has 8 × 6 pixels, but .* has 16 × 12; give"
        ):
            evaluate(catalog, run_id, masks, on_missing="skip")

    def test_a_value_of_no_class_names_the_mask(self, catalog: tk.Catalog, run_id: str, masks: Path) -> None:
        write_mask(masks / "1.png", np.full(SIZE, 77, np.uint8))
        with pytest.raises(EvaluationError, match=r"masks/1\.png, mask of .*: the mask holds the value 77, .*dataset="):
            evaluate(catalog, run_id, masks)

    def test_a_run_without_label_maps_cannot_be_evaluated(
        self, own_catalog: tk.Catalog, brightness_model: MakeModel, segment: Segment
    ) -> None:
        segment(own_catalog, brightness_model(), labels=False)
        with pytest.raises(EvaluationError, match="labels=False; evaluation needs the label maps"):
            evaluate(own_catalog, None, MASKS)

    def test_classes_of_a_named_data_set_must_correspond(self, catalog: tk.Catalog, run_id: str) -> None:
        with pytest.raises(EvaluationError, match="the model has 3 classes and voc-21 21; only the model has 'road'"):
            evaluate(catalog, run_id, MASKS, dataset="voc-21")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"on_missing": "ignore"}, "on_missing must be one of 'error', 'skip', not 'ignore'"),
            ({"other_predictions": "right"}, "other_predictions must be one of 'wrong', 'ignored', not 'right'"),
            ({"threads": 0}, "threads must be a whole number of at least 1"),
            ({"border_width": 0}, "width must be a whole number of at least 1, not 0"),
            ({"dataset": "voc21"}, "voc-21"),
        ],
    )
    def test_arguments_are_checked(
        self, catalog: tk.Catalog, run_id: str, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            evaluate(catalog, run_id, MASKS, **options)


class TestDataSets:
    def test_cityscapes_with_label_ids_and_train_ids(
        self, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        benchmark, everything = load_dataset("cityscapes-19"), load_dataset("cityscapes-35")
        labels = random_labels(0, 19)
        stem = "val/ulm/ulm_000000_000019"
        photo = write_photo(tmp_path / "leftImg8bit" / f"{stem}_leftImg8bit.png", labels)
        label_ids = np.array([everything.class_names.index(name) for name in benchmark.class_names], np.uint8)[labels]
        label_ids[0] = everything.class_names.index("ego vehicle")
        train_ids = labels.copy()
        train_ids[0] = 255
        write_mask(tmp_path / "gtFine" / f"{stem}_gtFine_labelIds.png", label_ids)
        write_mask(tmp_path / "gtFine" / f"{stem}_gtFine_labelTrainIds.png", train_ids)
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", photo)
        segment(catalog, brightness_model(benchmark.class_names))
        for name in ("cityscapes-35", "cityscapes-19"):
            result = evaluate(catalog, None, tmp_path / "gtFine", dataset=name)
            assert float(result.mIoU) == 1.0
            assert result.class_name.values.tolist() == list(benchmark.class_names)
            assert int(result.image_pixels[0]) == labels.size - SIZE[1]
            assert result.attrs["dataset"] == name

    def test_values_that_the_data_set_does_not_know_are_said(
        self, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        photo = write_photo(tmp_path / "a.png", np.array([[0, 1, 2, 2]]))
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", photo)
        segment(catalog, brightness_model())
        target = np.array([[0, 10, 255, 33]])  # the last one is a label id, no train id
        with pytest.warns(
            UserWarning, match=r"25\.00% of .* no class of cityscapes-19 .* such as 33 in the array .*a\.png"
        ):
            result = evaluate(catalog, None, [target], dataset="cityscapes-19", classes="shared")
        assert float(result.scored_fraction) == 0.5

    def test_masks_of_colours(self, tmp_path: Path, brightness_model: MakeModel, segment: Segment) -> None:
        dataset = load_dataset("camvid-11")
        colored = load_dataset("camvid-32")
        labels = random_labels(0, 11)
        photo = write_photo(tmp_path / "0001TP.png", labels)
        palette = np.array(
            [
                colored.palette[colored.class_names.index(n if n != "Pole" else "Column_Pole")]
                for n in dataset.class_names
            ],
            np.uint8,
        )
        pixels = palette[labels]
        pixels[0] = 0  # Void
        write_mask(tmp_path / "0001TP_L.png", pixels)
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", photo)
        segment(catalog, brightness_model(dataset.class_names))
        result = evaluate(catalog, None, tmp_path, dataset="camvid-32")
        assert float(result.mIoU) == 1.0
        assert int(result.image_pixels[0]) == labels.size - SIZE[1]

    def test_predicting_what_the_data_set_does_not_know_is_wrong(
        self, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        photo = write_photo(tmp_path / "a.png", np.array([[0, 1, 2, 2]]))
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", photo)
        segment(catalog, brightness_model())
        target = np.array([[10, 10, 10, 0]])  # sky, sky, sky, road
        result = evaluate(catalog, None, [target], dataset="cityscapes-19", classes={"sky": "sky", "road": "road"})
        assert int(result.confusion.sel(target_class="sky", predicted_class="(other)")) == 1
        assert int(result.confusion.sel(target_class="road", predicted_class="(other)")) == 1
        assert float(result.iou.sel(class_name="sky")) == 1 / 3
        assert float(result.precision.sel(class_name="sky")) == 1.0
        assert float(result.iou.sel(class_name="road")) == 0.0
        assert np.isnan(result.iou.sel(class_name="car"))


class TestOnlySharedClasses:
    """road, sky and tree of the model; Cityscapes knows road (0) and sky (10), and calls trees vegetation (8)."""

    PREDICTED = np.array([[0, 0, 1, 1, 2, 2, 0]])
    TARGET = np.array([[0, 10, 10, 10, 10, 8, 13]], np.uint8)

    @pytest.fixture
    def shared(self, tmp_path: Path, brightness_model: MakeModel, segment: Segment) -> tk.Catalog:
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", write_photo(tmp_path / "a.png", self.PREDICTED))
        segment(catalog, brightness_model())
        return catalog

    def evaluated(self, catalog: tk.Catalog, **options: Any) -> xr.Dataset:
        return evaluate(catalog, None, [self.TARGET], dataset="cityscapes-19", **options)

    def test_where_the_truth_is_another_class_nothing_counts(self, shared: tk.Catalog) -> None:
        result = self.evaluated(shared, classes="shared")
        assert result.class_name.values.tolist() == ["road", "sky"]
        assert result.confusion.values.tolist() == [[1, 0, 0], [1, 2, 1]]
        assert float(result.aAcc) == 3 / 5
        assert float(result.mIoU) == (1 / 2 + 2 / 4) / 2
        assert float(result.scored_fraction) == 5 / 7
        assert "only the 2 that both have" in result.attrs["correspondence"]

    def test_nor_where_the_prediction_is_one_if_asked_for(self, shared: tk.Catalog) -> None:
        result = self.evaluated(shared, classes="shared", other_predictions="ignored")
        assert result.confusion.values.tolist() == [[1, 0, 0], [1, 2, 0]]
        assert float(result.aAcc) == 3 / 4
        assert float(result.scored_fraction) == 4 / 7
        assert result.attrs["other_predictions"] == "ignored"
        with pytest.raises(EvaluationError, match="border_width: is measured where other predictions are wrong"):
            self.evaluated(shared, classes="shared", other_predictions="ignored", border_width=1)

    def test_with_a_mapping(self, shared: tk.Catalog) -> None:
        classes = {"tree": "vegetation", "sky": "sky", "road": "road"}
        result = self.evaluated(shared, classes=classes, only_shared=True)
        assert result.class_name.values.tolist() == ["road", "vegetation", "sky"]
        assert float(result.aAcc) == 4 / 6
        assert float(self.evaluated(shared, classes=classes).aAcc) == 4 / 7

    def test_of_several_runs_only_what_all_of_them_have(
        self, shared: tk.Catalog, brightness_model: MakeModel, segment: Segment
    ) -> None:
        segment(shared, brightness_model(("way", "sky", "road")))
        runs = [str(run) for run in shared.runs().index]
        for options in ({}, {"other_predictions": "ignored"}):
            result = evaluate(shared, runs, [self.TARGET], dataset="cityscapes-19", classes="shared", **options)
            assert result.class_name.values.tolist() == ["road", "sky"]
            assert "run" not in result.scored_fraction.dims
            if options:  # the other run knows what is neither road nor sky of the first two pixels
                assert result.confusion.sum(["target_class", "predicted_class"]).values.tolist() == [2, 2]
                assert float(result.scored_fraction) == 2 / 7

    def test_without_it_all_that_is_not_ignored_is_scored(self, catalog: tk.Catalog, run_id: str) -> None:
        result = evaluate(catalog, run_id, MASKS)
        assert float(result.scored_fraction) == np.mean(np.stack(MASKS) != 255)


class TestSeveralRuns:
    def test_each_is_as_it_is_alone(self, catalog: tk.Catalog, run_id: str, other_run_id: str) -> None:
        together = evaluate(catalog, [run_id, other_run_id], MASKS, border_width=2)
        assert together.run.values.tolist() == [run_id, other_run_id]
        for one in (run_id, other_run_id):
            alone = evaluate(catalog, one, MASKS, border_width=2)
            part = together.sel(run=one).drop_vars(["run", "model", "correspondence"])
            xr.testing.assert_equal(part, alone)
        assert float(together.mIoU[0]) > float(together.mIoU[1])
        assert "run" not in together.support.dims

    def test_they_are_rows_of_a_table(self, catalog: tk.Catalog, run_id: str, other_run_id: str) -> None:
        one = run_table(evaluate(catalog, run_id, {catalog.images().uri.values[0]: MASKS[0]}, on_missing="skip"))
        assert one.index.tolist() == [run_id]
        assert one[["evaluated", "without_target"]].values.tolist() == [[1, 4]]
        both = evaluate(catalog, [run_id, other_run_id], MASKS, border_width=2)
        table = run_table(both)
        assert table.index.tolist() == [run_id, other_run_id]
        assert table.columns.tolist() == [
            *("model", "aAcc", "mAcc", "mIoU", "mF1", "border_error", "scored_fraction", "evaluated")
        ]
        np.testing.assert_array_equal(table.mIoU, both.mIoU)
        with pytest.raises(EvaluationError, match="give what evaluate returned"):
            run_table(both[["aAcc"]])

    def test_they_can_be_compared(self, catalog: tk.Catalog, run_id: str, other_run_id: str) -> None:
        compared = compare_runs(evaluate(catalog, [run_id, other_run_id], MASKS))
        together = evaluate(catalog, [run_id, other_run_id], MASKS)
        np.testing.assert_allclose(compared.mIoU, together.mIoU)
        np.testing.assert_allclose(compared.difference[1], together.mIoU[1] - together.mIoU[0])
        assert float(compared.upper[1]) < 0

    def test_only_images_that_are_done_in_all_of_them_count(
        self, own_catalog: tk.Catalog, masks: Path, tmp_path: Path, brightness_model: MakeModel, segment: Segment
    ) -> None:
        other = segment(own_catalog, brightness_model(confused={1: 2}))
        own_catalog.add([write_photo(tmp_path / "new.png", PREDICTED[0])])
        write_mask(masks / "new.png", PREDICTED[0])
        run = segment(own_catalog, brightness_model())
        result = evaluate(own_catalog, [run, other], masks)
        assert counts(result.sel(run=run)) == {"evaluated": N, "not_in_every_run": 1}
        assert counts(result.sel(run=other)) == {"evaluated": N, "pending": 1}
        assert result.image.values.tolist() == list(range(N))

    def test_a_list_of_one_has_the_dimension_too(self, catalog: tk.Catalog, run_id: str) -> None:
        assert evaluate(catalog, [run_id], MASKS).sizes["run"] == 1

    def test_models_of_different_classes_are_compared_in_those_of_the_data_set(
        self, own_catalog: tk.Catalog, brightness_model: MakeModel, segment: Segment
    ) -> None:
        runs = [segment(own_catalog, brightness_model(names)) for names in (CLASS_NAMES, ("way", "heaven", "tree"))]
        ids = np.full(256, 255, np.uint8)
        ids[:3] = 0, 10, 8  # road, sky, vegetation
        targets = [ids[mask] for mask in MASKS]
        classes = {"road": "road", "sky": "sky", "tree": "vegetation", "way": "road", "heaven": "sky"}
        result = evaluate(own_catalog, runs, targets, dataset="cityscapes-19", classes=classes)
        assert float(result.mIoU[0]) == float(result.mIoU[1]) > 0.5
        with pytest.raises(EvaluationError, match="'rod' is not a class of the model"):
            evaluate(own_catalog, runs, targets, dataset="cityscapes-19", classes={"rod": "road", **classes})
        with pytest.raises(EvaluationError, match="are not measured in the same classes"):
            evaluate(own_catalog, runs, MASKS)

    @pytest.mark.parametrize(("times", "message"), [(0, "empty sequence"), (2, "names a run twice")])
    def test_each_is_named_once(self, catalog: tk.Catalog, run_id: str, times: int, message: str) -> None:
        with pytest.raises(EvaluationError, match=message):
            evaluate(catalog, [run_id] * times, MASKS)


def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: Path, brightness_model: MakeModel, segment: Segment
) -> None:
    size = (300, 400)
    photos = [write_photo(tmp_path / f"{number}.png", random_labels(number, size=size)) for number in range(12)]
    catalog = tk.Catalog.create(tmp_path / "demo.zarr", photos)
    started = tk.segment(catalog, brightness_model(), tk.Protocol(crop_size=401))
    started.wait()

    def peak(images: Sequence[int]) -> int:
        tracemalloc.start()
        try:
            evaluate(catalog, None, lambda uri: np.zeros(size, np.uint8), images=images, per_image=False, threads=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak([0])  # whatever is loaded once
    assert peak(range(12)) < max(peak([image]) for image in range(12)) + np.prod(size)


def test_importing_needs_neither_xarray_nor_tables() -> None:
    absent = ("xarray", "pandas", "zarr", "yaml", "jsonschema", "scipy", "torchmetrics", "matplotlib", "ipyparallel")
    program = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import toolkit.evaluation"
    subprocess.run([sys.executable, "-c", program], check=True)
