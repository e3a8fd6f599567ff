"""A slicing study: what it measures, worked out by hand; what it takes; what it refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from streetscenes import generate_scene
from streetscenes.labels import EVALUATED
from toolkit.evaluation import ConfusionMatrix, EvaluationError, score
from toolkit.models import Model
from toolkit.segmentation import Protocol, segment_image
from toolkit.slicing import study_slicing
from toolkit.sources import SourceError

MakeModel = Callable[..., Model]
Noise = Callable[..., np.ndarray]

WHITE = np.full((32, 96, 3), 255, np.uint8)
ALL_WHITE = np.ones((32, 96), np.uint8)
BATCH: Any = {"ways": ["batch"]}


def ticking() -> Callable[[], float]:
    """A clock on which a second passes whenever it is read."""
    seconds = iter(range(10**9))
    return lambda: next(seconds)


class TestQuality:
    """The wide network is wrong in the 4 columns at each side of a white slice, where it sees black beyond the edge."""

    def test_the_error_near_seams_is_that_of_slices_that_do_not_see_beyond_them(self, wide_model: Model) -> None:
        study = study_slicing(wide_model, [WHITE], [ALL_WHITE], slices=[(1, 2)], overlaps=[0.0], **BATCH)
        # 4 of the 8 columns near the seam on each side; 4 of the 40 others on each side, as without slices.
        assert study.border_error.item() == 0.5
        assert study.border_error_unsliced.item() == 0
        assert study.interior_error.item() == pytest.approx(8 / 80)
        assert study.agreement.item() == pytest.approx(1 - 8 / 96)
        assert study.aAcc.item() == pytest.approx(1 - 16 / 96)

    def test_overlap_takes_it_away(self, wide_model: Model) -> None:
        study = study_slicing(
            wide_model, [WHITE], [ALL_WHITE], slices=[(1, 2), (1, 3)], overlaps=[0.0, 0.1, 0.5], **BATCH
        )
        errors = study.border_error.values
        assert (errors[:, 0] == 0.5).all()
        assert (errors[:, 1] < errors[:, 0]).all()
        # Slices of 64 pixels share 32 of them: those within 8 of the seam are 8 or more from any slice's end.
        assert errors[0, 2] == 0
        assert study.mIoU.sel(slices="1x2", overlap=0.5) > study.mIoU.sel(slices="1x2", overlap=0)

    def test_seams_across_which_the_network_does_not_look_do_no_harm(self, wide_model: Model) -> None:
        study = study_slicing(wide_model, [WHITE], [ALL_WHITE], slices=[(2, 1)], overlaps=[0.0], **BATCH)
        errors = [study.border_error, study.border_error_unsliced, study.interior_error]
        assert [error.item() for error in errors] == pytest.approx([8 / 96] * 3)
        assert study.agreement == 1

    def test_a_network_that_sees_single_pixels_loses_nothing(self, pixel_model: Model, noise: Noise) -> None:
        images = [noise(40, 60), noise(31, 45, 1)]
        targets = [noise(*image.shape[:2], 2)[..., 0] % 3 for image in images]
        study = study_slicing(pixel_model, images, targets, **BATCH)
        assert (study.agreement == 1).all()
        assert (study.mIoU == study.mIoU[0, 0]).all()
        cut = study.isel(slices=slice(1, None))
        assert (cut.border_error == cut.border_error_unsliced).all()

    def test_it_is_what_the_segmented_images_have(self, convolutional_model: Model, noise: Noise) -> None:
        images = [noise(48, 64, seed) for seed in range(3)]
        targets = [noise(48, 64, seed + 10)[..., 0] % 5 for seed in range(3)]
        study = study_slicing(
            convolutional_model, images, targets, slices=[(2, 3)], overlaps=[0.2], protocol=Protocol(scales=(0.5, 1.0))
        )
        confusion = ConfusionMatrix(5)
        protocol = Protocol(mode="slices", slices=(2, 3), slice_overlap=0.2, scales=(0.5, 1.0))
        for image, target in zip(images, targets, strict=True):
            confusion.update(segment_image(image, convolutional_model, protocol).labels, target)
        expected = score(confusion)
        assert study.mIoU.item() == pytest.approx(expected.mIoU, abs=1e-4)
        assert study.mF1.item() == pytest.approx(expected.mF1, abs=1e-4)
        assert study.aAcc.item() == pytest.approx(expected.aAcc, abs=1e-4)

    def test_ignored_pixels_count_nowhere(self, wide_model: Model) -> None:
        target = ALL_WHITE.copy()
        target[:, 44:52] = 255  # all that slicing does
        study = study_slicing(wide_model, [WHITE], [target], slices=[(1, 2)], overlaps=[0.0], **BATCH)
        assert study.border_error == 0
        assert study.aAcc == pytest.approx(1 - 8 / 88)

    def test_the_whole_image_has_no_seams_and_agrees_with_itself(self, wide_model: Model) -> None:
        study = study_slicing(wide_model, [WHITE], [ALL_WHITE], slices=[(1, 1)], **BATCH)
        assert study.border_error.isnull().all()
        assert (study.agreement == 1).all()

    def test_values_that_are_not_finite_are_an_error(self, make_model: MakeModel) -> None:
        class Broken(nn.Module):
            def forward(self, image: Tensor) -> Tensor:
                return image[:, :2] * float("nan")

        with pytest.raises(ArithmeticError, match="not finite"):
            study_slicing(make_model(Broken(), 2), [WHITE], [ALL_WHITE], **BATCH)


class TestCosts:
    def test_the_time_is_the_median_over_images_and_repeats(self, pixel_model: Model, noise: Noise) -> None:
        readings = [0.0, 1.0, 0.0, 5.0, 0.0, 2.0]
        study = study_slicing(
            pixel_model,
            [noise(8, 8), noise(8, 8, 1), noise(8, 8, 2)],
            np.zeros((3, 8, 8), np.uint8),
            slices=[(1, 2)],
            overlaps=[0.0],
            ways=["batch"],
            clock=iter(readings).__next__,
        )
        assert study.seconds.item() == 2
        assert study.seconds.attrs["units"] == "s"

    def test_a_machine_that_grows_slower_does_so_for_all_configurations(self, pixel_model: Model, noise: Noise) -> None:
        readings = (float(number) ** 2 for number in range(1000))  # each run takes longer than the one before
        study = study_slicing(
            pixel_model,
            [noise(8, 8), noise(8, 8, 1)],
            np.zeros((2, 8, 8), np.uint8),
            slices=[(1, 1), (1, 2)],
            overlaps=[0.0],
            clock=lambda: next(readings),
        )
        assert study.seconds.min() == study.seconds.max()

    def test_repeats_alternate_too(self, pixel_model: Model, noise: Noise) -> None:
        readings = (float(number) ** 2 for number in range(1000))
        study = study_slicing(
            pixel_model,
            [noise(8, 8)],
            np.zeros((1, 8, 8), np.uint8),
            slices=[(1, 1), (1, 2)],
            overlaps=[0.0],
            repeats=2,
            clock=lambda: next(readings),
        )
        assert study.seconds.min() == study.seconds.max()

    def test_a_batch_takes_the_memory_of_all_its_slices(self, make_model: MakeModel) -> None:
        class Large(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(nn.Conv2d(3, 256, 1), nn.Conv2d(256, 2, 1))

            def forward(self, image: Tensor) -> Tensor:
                logits: Tensor = self.layers(image)
                return logits

        pixels = np.zeros((256, 256, 3), np.uint8)
        study = study_slicing(
            make_model(Large(), 2),
            [pixels],
            [pixels[..., 0]],
            slices=[(2, 2)],
            overlaps=[0.0],
            ways=["one by one", "batch"],
        )
        one_slice = 256 * 128 * 128 * 4
        one_by_one, batch = study.memory.values[0, 0]
        assert one_slice < one_by_one < 4 * one_slice < batch
        assert study.memory.attrs["units"] == "byte"
        assert "resident memory" in study.memory.attrs["measure"]

    def test_slices_and_what_is_seen_twice_are_counted(self, pixel_model: Model, noise: Noise) -> None:
        study = study_slicing(
            pixel_model,
            [noise(40, 80)],
            np.zeros((1, 40, 80), np.uint8),
            slices=[(1, 1), (1, 2), (2, 4)],
            overlaps=[0.0, 0.5],
            protocol=Protocol(scales=(0.5, 1.0)),
            **BATCH,
        )
        assert study.n_slices.values.tolist() == [[2, 2], [4, 4], [16, 16]]
        # Two slices that share half of each are two thirds of the image each; four of them are two fifths each.
        expected = [[1, 1], [1, 4 / 3], [1, 4 / 3 * 8 / 5]]
        np.testing.assert_allclose(study.redundancy.values, expected, rtol=0.03)

    @pytest.mark.usefixtures("two_cores")
    def test_the_ways_agree(self, convolutional_model: Model, noise: Noise) -> None:
        study = study_slicing(
            convolutional_model,
            [noise(48, 70)],
            np.zeros((1, 48, 70), np.uint8),
            slices=[(1, 1), (2, 3)],
            overlaps=[0.2],
        )
        assert study.way.values.tolist() == ["one by one", "threads", "batch"]
        assert (study.way_agreement > 0.999).all()

    def test_a_way_that_gives_other_labels_is_seen(self, make_model: MakeModel, noise: Noise) -> None:
        class DependsOnBatch(nn.Module):
            def forward(self, image: Tensor) -> Tensor:
                white = (image[:, :1] > 0.5).float()
                return torch.cat([white, 1 - white], dim=1) * (-1 if len(image) > 1 else 1)

        study = study_slicing(
            make_model(DependsOnBatch(), 2),
            [noise(16, 16)],
            np.zeros((1, 16, 16), np.uint8),
            slices=[(2, 2)],
            overlaps=[0.0],
            ways=["one by one", "batch"],
        )
        assert study.way_agreement.values.ravel().tolist() == [1, 0]


class TestDataset:
    def test_it_has_a_place_for_each_configuration(self, pixel_model: Model, noise: Noise) -> None:
        study = study_slicing(
            pixel_model, [noise(16, 24)], np.zeros((1, 16, 24), np.uint8), slices=[(1, 1), (2, 3)], overlaps=[0, 0.5]
        )
        assert dict(study.sizes) == {"slices": 2, "overlap": 2, "way": 3}
        assert study.slices.values.tolist() == ["1x1", "2x3"]
        assert (study["rows"].values.tolist(), study["columns"].values.tolist()) == ([1, 2], [1, 3])
        assert {name for name in study if study[name].dims == ("slices", "overlap", "way")} == {
            "seconds",
            "memory",
            "way_agreement",
        }
        assert all({"long_name", "units"} <= set(study[name].attrs) for name in study)

    def test_the_whole_image_is_measured_once_and_stands_at_every_overlap(
        self, pixel_model: Model, noise: Noise
    ) -> None:
        runs: list[tuple[int, int]] = []
        study = study_slicing(
            pixel_model,
            [noise(16, 24), noise(16, 24, 1), noise(20, 20)],
            [np.zeros((16, 24), np.uint8), np.zeros((16, 24), np.uint8), np.zeros((20, 20), np.uint8)],
            slices=[(1, 1)],
            clock=ticking(),
            repeats=2,
            on_progress=lambda done, total: runs.append((done, total)),
        )
        # Three ways; each size once beforehand, the largest once for its memory, three images twice for their times.
        assert runs == [(number, 3 * (2 + 1 + 6)) for number in range(1, 28)]
        assert (study.seconds == 1).all()
        assert study.sizes["overlap"] == 3

    def test_it_says_what_was_studied(self, pixel_model: Model, noise: Noise) -> None:
        protocol = Protocol(scales=(0.5, 1.0), flip=True, blend="gaussian")
        study = study_slicing(
            pixel_model,
            [noise(16, 24)],
            np.zeros((1, 16, 24), np.uint8),
            slices=[(1, 2)],
            overlaps=[0.0],
            protocol=protocol,
            border_width=3,
            repeats=2,
            **BATCH,
        )
        assert {name: study.attrs[name] for name in ("model", "n_images", "border_width", "repeats", "device")} == {
            "model": "made up",
            "n_images": 1,
            "border_width": 3,
            "repeats": 2,
            "device": "cpu",
        }
        stored = Protocol(**json.loads(study.attrs["protocol"]))
        assert (stored.scales, stored.flip, stored.blend) == (protocol.scales, protocol.flip, protocol.blend)

    def test_it_becomes_a_table(self, pixel_model: Model, noise: Noise) -> None:
        study = study_slicing(
            pixel_model, [noise(16, 24)], np.zeros((1, 16, 24), np.uint8), slices=[(1, 1), (1, 2)], overlaps=[0.0, 0.1]
        )
        assert len(study.to_dataframe()) == 2 * 2 * 3


class TestImages:
    @pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 50), (37, 53)])
    def test_any_size_even_with_fewer_pixels_than_slices(
        self, convolutional_model: Model, noise: Noise, size: tuple[int, int]
    ) -> None:
        study = study_slicing(
            convolutional_model, [noise(*size)], [np.zeros(size, np.uint8)], slices=[(1, 1), (4, 6)], **BATCH
        )
        assert study.n_slices.sel(slices="4x6", overlap=0) == min(size[0], 4) * min(size[1], 6)
        assert study.agreement.notnull().all()

    def test_a_network_that_wants_certain_sizes_gets_them(self, multiples_of_16_model: Model, noise: Noise) -> None:
        images = [noise(50, 70), noise(33, 20)]
        targets = [np.zeros(image.shape[:2], np.uint8) for image in images]
        study = study_slicing(multiples_of_16_model, images, targets, slices=[(1, 1), (2, 4)], overlaps=[0.1])
        assert study.redundancy.min() > 1  # rounded up
        assert (study.way_agreement > 0.999).all()

    def test_scenes_know_their_labels(self, make_model: MakeModel) -> None:
        scenes = [generate_scene(seed, 32, 64) for seed in range(2)]
        network = nn.Conv2d(3, 19, 1)
        names = tuple(label.name.lower().replace("_", " ") for label in EVALUATED)
        model = replace(make_model(network, 19), class_names=names)
        options: Any = {"slices": [(1, 1), (1, 2)], "overlaps": [0.0], **BATCH}
        study = study_slicing(model, scenes, **options)
        given = study_slicing(model, [scene.image for scene in scenes], [scene.labels for scene in scenes], **options)
        assert study.mIoU.equals(given.mIoU)

    def test_files_and_masks(self, pixel_model: Model, noise: Noise, tmp_path: Path) -> None:
        pixels, target = noise(16, 24), noise(16, 24, 1)[..., 0] % 3
        for name in ("photos", "masks"):
            (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
        Image.fromarray(target).save(tmp_path / "masks" / "a.png")
        options: Any = {"slices": [(1, 2)], "overlaps": [0.0], **BATCH}
        expected = study_slicing(pixel_model, [pixels], [target], **options)
        for images, targets in (
            (tmp_path / "photos", str(tmp_path / "masks")),
            ([tmp_path / "photos" / "a.png"], [tmp_path / "masks" / "a.png"]),
            ([str(tmp_path / "photos" / "a.png")], [target]),
        ):
            assert study_slicing(pixel_model, images, targets, **options).mIoU.equals(expected.mIoU)

    def test_masks_of_a_data_set_are_translated(self, make_model: MakeModel, noise: Noise) -> None:
        model = replace(make_model(nn.Conv2d(3, 2, 1), 2), class_names=("road", "sky"))
        target = np.full((16, 24), 10, np.uint8)  # sky in the train ids of Cityscapes
        target[:8] = 8  # vegetation, which the model does not know
        study = study_slicing(
            model,
            [noise(16, 24)],
            [target],
            slices=[(1, 2)],
            overlaps=[0.0],
            dataset="cityscapes-19",
            classes={"road": "road", "sky": "sky"},
            **BATCH,
        )
        assert study.aAcc <= 0.5


ONE = {"images": [WHITE], "targets": [ALL_WHITE]}


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"slices": (2, 2)}, TypeError, r"slices must be \(rows, columns\) such as \(2, 3\), not 2"),
            ({"slices": []}, ValueError, "slices is empty"),
            ({"slices": [(1, 0)]}, ValueError, r"slices must be a whole number in \[1, 64\], not 0"),
            ({"slices": [(2, 2), (2, 2)]}, ValueError, r"slices holds \(2, 2\) twice; name each once"),
            ({"slices": "2x2"}, TypeError, "slices must be a sequence"),
            ({"overlaps": 0.1}, TypeError, "overlaps must be a sequence of fractions such as"),
            ({"overlaps": [0.95]}, ValueError, r"overlaps must be fractions of a slice in \[0, 0.9\], not 0.95"),
            ({"overlaps": [float("nan")]}, ValueError, "overlaps must be fractions of a slice"),
            ({"overlaps": ["much"]}, TypeError, "overlaps must be fractions of a slice .*'much'"),
            ({"overlaps": [0, 0.0]}, ValueError, "overlaps holds 0.0 twice"),
            ({"ways": ["streams"]}, ValueError, "way to segment slices on cpu must be one of 'one by one'"),
            ({"ways": "batch"}, TypeError, "ways must be a sequence of names"),
            ({"ways": []}, ValueError, "ways is empty"),
            ({"border_width": 0}, ValueError, "border_width must be a whole number of at least 1, not 0"),
            ({"border_width": 2.5}, TypeError, "border_width must be a whole number of at least 1, not 2.5"),
            ({"protocol": "semseg"}, TypeError, "protocol must be a Protocol or None, not 'semseg'"),
            ({"repeats": True}, TypeError, "repeats must be a whole number of at least 1, not True"),
            ({"precision": "float16"}, ValueError, "precision='float16' needs a GPU"),
            ({"images": []}, ValueError, "images is empty"),
            ({"images": WHITE}, ValueError, r"a single image of shape \(32, 96, 3\) is given: write \[image\]"),
            ({"images": 3}, TypeError, "images must be a sequence of arrays, paths or scenes, not int"),
            ({"images": [ALL_WHITE]}, ValueError, r"images\[0\]: pixels must have shape \(height, width, 3\)"),
            ({"images": [WHITE / 255]}, TypeError, r"images\[0\]: pixels must be uint8"),
            ({"targets": None}, ValueError, "targets=None is for generated scenes"),
            ({"targets": [ALL_WHITE] * 2}, EvaluationError, "2 targets for 1 images"),
            (
                {"targets": [ALL_WHITE[:, :-1]]},
                EvaluationError,
                "image 0: has 95 × 32 pixels, but the image has",
            ),
            ({"targets": [2 * ALL_WHITE]}, EvaluationError, "image 0: the mask holds the value 2"),
            ({"targets": {"elsewhere.png": ALL_WHITE}}, EvaluationError, "image 0 has no mask"),
            ({"images": ["missing.png"]}, SourceError, "missing.png"),
        ],
    )
    def test_an_argument_that_is_not_allowed_is_named(
        self, wide_model: Model, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        arguments = ONE | options
        with pytest.raises(error, match=message):
            study_slicing(wide_model, arguments.pop("images"), arguments.pop("targets"), **arguments)

    def test_nothing_is_segmented_before_all_arguments_were_looked_at(self, convolutional_model: Model) -> None:
        with pytest.raises(EvaluationError):
            study_slicing(convolutional_model, [WHITE, WHITE], [ALL_WHITE, ALL_WHITE[:5]])
        assert convolutional_model.network.calls == []
