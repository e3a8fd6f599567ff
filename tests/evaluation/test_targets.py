"""Where the mask of an image is: by name, by table, by function, and nowhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from toolkit.evaluation import EvaluationError
from toolkit.evaluation.targets import find_targets
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
    finder = find_targets(targets, uris, covariates or {}, descriptor)
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
        images = [f"/data/leftImg8bit/{stem}_leftImg8bit.png", f"/data/small/{stem}_leftImg8bit.jpg"]
        assert found(tmp_path / "gtFine", images, "cityscapes-35") == [masks[2]] * 2

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

    def test_a_function_of_the_uri(self) -> None:
        results = found(lambda uri: Path(uri.replace("photos", "masks")).with_suffix(".png"), self.URIS)
        assert results == ["/masks/a.png", "/masks/b.png"]


class TestMistakes:
    def test_a_text_that_is_nothing_lists_what_could_be_meant(self) -> None:
        with pytest.raises(
            EvaluationError, match=r"'gtFin' is neither .* \(the catalog has 'lat', 'mask'\); give a dir"
        ):
            found("gtFin", [], covariates={"lat": [], "mask": []})

    @pytest.mark.parametrize("targets", [None, 7, b"masks"])
    def test_other_kinds_are_refused(self, targets: Any) -> None:
        with pytest.raises(EvaluationError, match="does not say where masks lie"):
            found(targets, [])

    def test_so_are_targets_of_other_kinds(self) -> None:
        with pytest.raises(EvaluationError, match=r"the target of /photos/a\.jpg is a int"):
            found([3], ["/photos/a.jpg"])
        with pytest.raises(EvaluationError, match="3 is no URI"):
            found({3: "/masks/a.png"}, ["/photos/a.jpg"])
