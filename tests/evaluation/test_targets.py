"""Where the mask of an image is: by name, by table, by function, and nowhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from toolkit.evaluation import EvaluationError
from toolkit.evaluation.targets import ImagesOfTargets, find_targets
from toolkit.models import load_dataset


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


def found(
    targets: Any, uris: Sequence[str], dataset: str | None = None, covariates: Mapping[str, Any] | None = None
) -> list[Any]:
    descriptor = None if dataset is None else load_dataset(dataset)
    finder = find_targets(targets, ImagesOfTargets(uris, covariates=covariates or {}), descriptor)
    return [finder.find(position, uri) for position, uri in enumerate(uris)]


class TestDirectory:
    def test_a_mask_is_called_as_its_image_but_for_the_suffix(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "a.png", "deep/b.TIF", "c.jpg", "d.txt", ".e.png")
        images = [f"/photos/{name}.jpg" for name in "abcde"]
        assert found(tmp_path / "masks", images) == [masks[0], masks[1], None, None, None]

    def test_an_image_is_not_its_own_mask(self, tmp_path: Path) -> None:
        image, mask = touch(tmp_path, "photos/a.png", "masks/a.png")
        assert found(str(tmp_path), [image]) == [mask]

    def test_the_folders_tell_masks_of_one_name_apart(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "bonn/1/x.png", "ulm/1/x.png", "x.png")
        images = [f"/photos/{place}/x.jpg" for place in ("bonn/1", "ulm/1")]
        assert found(tmp_path / "masks", images) == masks[:2]

    def test_what_cannot_be_told_apart_is_an_error(self, tmp_path: Path) -> None:
        touch(tmp_path, "labels/x.png", "colors/x.png")
        with pytest.raises(EvaluationError, match=r"/photos/x\.jpg has more than one mask: .*x.png and .*x.png; name"):
            found(tmp_path, ["/photos/x.jpg"])

    def test_the_layout_of_cityscapes(self, tmp_path: Path) -> None:
        stem = "val/frankfurt/frankfurt_000000_000294"
        ends = ("_gtFine_color.png", "_gtFine_instanceIds.png", "_gtFine_labelIds.png", "_gtFine_polygons.json")
        masks = touch(tmp_path / "gtFine", *(stem + end for end in ends))
        for image in (f"/data/leftImg8bit/{stem}_leftImg8bit.png", f"/data/small/{stem}_leftImg8bit.jpg"):
            assert found(tmp_path / "gtFine", [image], "cityscapes-35") == [masks[2]]

    def test_images_and_masks_in_one_folder(self, tmp_path: Path) -> None:
        image, mask = touch(tmp_path, "0001TP_006690.png", "0001TP_006690_L.png")
        assert found(tmp_path, [image], "camvid-32") == [mask]


class TestPattern:
    def test_the_last_star_is_the_name_of_the_image(self, tmp_path: Path) -> None:
        masks = touch(tmp_path, "one/mask_a_x.png", "two/mask_b_x.png", "two/mask_b_y.png")
        assert found(f"{tmp_path}/*/mask_*_x.png", ["/photos/a.jpg", "/photos/b.jpg"]) == masks[:2]

    def test_suffixes_of_the_data_set_hold_there_too(self, tmp_path: Path) -> None:
        (mask, _) = touch(tmp_path, "gt/b/b_1_gtFine_labelIds.png", "gt/b/b_1_gtFine_color.png")
        image = "/photos/b_1_leftImg8bit.png"
        for pattern in ("**/*.png", "**/*labelIds.png", "*/*/*_gtFine_labelIds.png"):
            assert found(f"{tmp_path}/{pattern}", [image], "cityscapes-35") == [mask]

    def test_masks_may_be_called_otherwise_than_the_data_sets(self, tmp_path: Path) -> None:
        masks = touch(tmp_path, "a.png", "b_mask.png")
        assert found(f"{tmp_path}/*.png", ["/photos/a.jpg"], "cityscapes-19") == masks[:1]
        assert found(f"{tmp_path}/*_mask.png", ["/photos/b.jpg"], "voc-21") == masks[1:]


class TestTables:
    URIS = ("/photos/a.jpg", "/photos/b.jpg")

    def test_a_covariate(self) -> None:
        covariates = {"mask": np.array(["/masks/1.png", ""], dtype=object)}
        assert found("mask", self.URIS, covariates=covariates) == ["/masks/1.png", None]

    def test_a_mapping_by_uri_in_any_spelling(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("/")
        array = np.zeros((2, 3), np.uint8)
        targets = {Path("photos/a.jpg"): array, "file:///photos/b.jpg": Path("masks/1.png")}
        results = found(targets, self.URIS)
        assert results[0] is array
        assert results[1] == "/masks/1.png"

    def test_a_series_and_tables(self) -> None:
        series = pd.Series({"/photos/b.jpg": "/masks/b.png", "/photos/a.jpg": None})
        by_column = pd.DataFrame({"uri": series.index, "mask": series.to_numpy()})
        by_name = pd.DataFrame({"target": series, "weather": ["sun", "rain"]})
        for targets in (series, by_column, by_name):
            assert found(targets, self.URIS) == [None, "/masks/b.png"]

    def test_a_table_without_a_column_of_masks(self) -> None:
        table = pd.DataFrame({"uri": self.URIS, "lat": [1.0, 2.0], "lon": [1.0, 2.0]})
        with pytest.raises(EvaluationError, match=r"a column 'target' .* this one has uri, lat, lon"):
            found(table, self.URIS)

    def test_a_uri_that_is_there_twice(self) -> None:
        with pytest.raises(EvaluationError, match=r"'/photos/a\.jpg' is there twice"):
            found(pd.Series(["x", "y"], index=["/photos/a.jpg"] * 2), self.URIS)

    def test_a_sequence_of_one_mask_per_image(self) -> None:
        stack = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        for targets in (stack, torch.tensor(stack), list(stack)):
            np.testing.assert_array_equal(found(targets, self.URIS), stack)
        assert found(["/masks/1.png", None], self.URIS) == ["/masks/1.png", None]
        with pytest.raises(EvaluationError, match="3 targets for 2 images"):
            found([None] * 3, self.URIS)

    def test_one_mask_of_two_images(self) -> None:
        one = "/masks/1.png"
        for targets in ([one, one], dict.fromkeys(self.URIS, one), pd.Series(one, index=list(self.URIS)), "mask"):
            with pytest.raises(EvaluationError, match=r"1\.png is given as the mask of /photos/a.* and of .*b\.jpg; a"):
                found(targets, self.URIS, covariates={"mask": [one, one]})
        assert found(lambda uri: one, self.URIS) == [one, one]

    def test_two_spellings_of_a_uri(self) -> None:
        with pytest.raises(EvaluationError, match=r"/photos/a\.jpg is there twice, in two spellings"):
            found({"/photos/a.jpg": "x", "file:///photos/a.jpg": "y"}, self.URIS)

    def test_uris_of_a_mapping_in_another_unicode_normal_form(self) -> None:
        assert found({"/photos/u\u0308.jpg": "/masks/1.png"}, ["/photos/\u00fc.jpg"]) == ["/masks/1.png"]

    def test_paths_in_a_covariate_start_from_its_tables_folder(self) -> None:
        images = ImagesOfTargets(
            ["/photos/a.jpg", "s3://bucket/b.jpg", "s3://bucket/c.jpg", "/photos/d.jpg"],
            covariates={"mask": ["masks/a.png", "masks/b 1.png", "/c.png", "/masks/d.png"]},
            bases=lambda column: ["/photos", "s3://bucket/tables", "s3://bucket/tables", "/photos"],
        )
        finder = find_targets("mask", images, None)
        masks = [finder.find(position, uri) for position, uri in enumerate(images.uris)]
        assert masks == ["/photos/masks/a.png", "s3://bucket/tables/masks/b 1.png", "s3://bucket/c.png", "/masks/d.png"]

    def test_a_table_by_its_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("/")
        touch(tmp_path, "photos/a.jpg")
        (tmp_path / "masks.csv").write_text("uri,target\nphotos/a.jpg,masks/1.png\n/photos/b.jpg,\n")
        assert found(tmp_path / "masks.csv", [str(tmp_path / "photos/a.jpg"), "/photos/b.jpg"]) == [
            str(tmp_path / "masks/1.png"),
            None,
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("uri\na.jpg\n", r"masks\.csv has no column of masks; it needs the columns 'uri' and 'target'"),
            ("image,target\na.jpg,1.png\n", "targets: .*needs one column 'uri'"),
            ("uri,lat,lon\na.jpg,1,2\n", "a column 'target' .* this one has lat, lon"),
        ],
    )
    def test_a_table_by_its_path_without_masks(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "masks.csv").write_text(text)
        with pytest.raises(EvaluationError, match=message):
            found(tmp_path / "masks.csv", self.URIS)

    def test_a_function_of_the_uri(self) -> None:
        results = found(lambda uri: Path(uri.replace("photos", "masks")).with_suffix(".png"), self.URIS)
        assert results == ["/masks/a.png", "/masks/b.png"]


class TestMistakes:
    def test_a_text_that_is_nothing_lists_what_could_be_meant(self) -> None:
        with pytest.raises(
            EvaluationError, match=r"'gtFin' is neither .* \(the catalog has 'lat', 'mask'\); give a dir"
        ):
            found("gtFin", [], covariates={"lat": [], "mask": []})

    def test_nothing_says_what_to_give(self) -> None:
        with pytest.raises(EvaluationError, match=r"targets: is empty; give a directory .* \(the catalog has 'mask'\)"):
            found("", [], covariates={"mask": []})

    def test_a_table_that_is_not_there(self) -> None:
        with pytest.raises(EvaluationError, match=r"targets: '/nowhere/masks\.csv': the path does not exist"):
            found("/nowhere/masks.csv", [])

    @pytest.mark.parametrize("targets", [None, 7, b"masks"])
    def test_other_kinds_are_refused(self, targets: Any) -> None:
        with pytest.raises(EvaluationError, match="does not say where masks lie"):
            found(targets, [])

    def test_so_are_targets_of_other_kinds(self) -> None:
        with pytest.raises(EvaluationError, match=r"the target of /photos/a\.jpg is a int"):
            found([3], ["/photos/a.jpg"])
        with pytest.raises(EvaluationError, match="3 is no URI"):
            found({3: "/masks/a.png"}, ["/photos/a.jpg"])
