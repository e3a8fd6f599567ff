"""Runs with an area or a projection: what is stored, what fails and why, and that the same is the same run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit import Catalog, Cluster, Model, Protocol
from toolkit.runs.settings import settings_of
from toolkit.runs.tasks import Work
from toolkit.sources import ReadLimits


def segmented(catalog: Catalog, model: Model, protocol: Protocol, **options: Any) -> Any:
    run = tk.segment(catalog, model, protocol, **options)
    run.wait()
    return catalog.to_xarray(run.id)


@pytest.fixture
def masked(tmp_path: Path, small_photos: list[Path]) -> Path:
    """A table of three photos with a mask each, beside which lies one of another size; the third has none."""
    for index, share in enumerate((0.25, 0.75)):
        mask = np.zeros((40, 60), np.uint8)
        mask[:, : int(60 * share)] = 255
        Image.fromarray(mask).save(tmp_path / f"mask{index}.png")
    masks = ["mask0.png", str(tmp_path / "mask1.png"), ""]  # relative to the table, and not
    table = pd.DataFrame({"uri": [str(photo) for photo in small_photos[:3]], "mask": masks})
    table.to_csv(tmp_path / "photos.csv", index=False)
    return tmp_path / "photos.csv"


def test_the_composition_is_a_count_on_the_stored_label_map(
    catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    area = tk.Area.of({"circle": True, "bottom": 0.2})
    table = segmented(catalog, model, small_protocol, area=area)
    assert area is not None
    for row in range(10):
        labels = catalog.labels(None, row)
        counted = area.counted(*labels.shape)
        assert counted is not None
        expected = np.bincount(labels[counted], minlength=model.n_classes) / counted.sum()
        np.testing.assert_array_equal(table.composition[row], expected.astype(np.float32))
        assert table.valid_fraction[row] == np.float32(counted.mean())
    assert catalog.verify(labels=True) == []


def test_it_is_another_run_and_the_same_words_are_the_same_run(
    catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    ids = [
        tk.segment(catalog, model, small_protocol, area=area).id
        for area in (None, "everything", {"bottom": 0.1}, "{bottom: 0.1, top: 0}", tk.Area(bottom=0.1), "circle")
    ]
    assert ids[0] == ids[1]
    assert ids[2] == ids[3] == ids[4]
    assert len(set(ids)) == 3
    runs = catalog.runs()
    assert runs.area[ids[2]] == {"bottom": 0.1}
    assert "area" in catalog.settings_that_differ()


def test_without_area_and_projection_nothing_of_them_is_in_the_settings(model: Model, small_protocol: Protocol) -> None:
    def options(**given: Any) -> dict[str, Any]:
        return dict(settings_of(Work(model.source, model.digest, small_protocol, ReadLimits(), **given), model).options)

    assert options() == {}
    assert options(projection=tk.Projection()) == {"projection": "equirectangular"}
    assert options(projection=tk.Projection(bottom=-45)) == {"projection": {"equirectangular": {"bottom": -45.0}}}


class TestMaskPerImage:
    def test_each_image_has_its_own(self, masked: Path, tmp_path: Path, model: Model, small_protocol: Protocol) -> None:
        catalog = Catalog.create(tmp_path / "masked.zarr", masked)
        table = segmented(catalog, model, small_protocol, area={"mask_column": "mask"})
        assert table.status.values.tolist() == ["done", "done", "failed"]
        np.testing.assert_allclose(table.valid_fraction, [0.25, 0.75, np.nan], atol=0.02)
        labels = catalog.labels(None, 0)
        counted = slice(0, round(labels.shape[1] * 0.25))
        expected = np.bincount(labels[:, counted].ravel(), minlength=model.n_classes) / labels[:, counted].size
        np.testing.assert_allclose(table.composition[0], expected, atol=0.01)

    def test_an_image_without_one_says_so(
        self, masked: Path, tmp_path: Path, model: Model, small_protocol: Protocol
    ) -> None:
        (tmp_path / "mask1.png").write_text("no picture")
        catalog = Catalog.create(tmp_path / "masked.zarr", masked)
        segmented(catalog, model, small_protocol, area={"mask_column": "mask"})
        errors = catalog.errors()
        assert errors.error.tolist() == ["area_unreadable", "area_unreadable"]
        assert "its mask cannot be read" in errors.message.iloc[0]
        assert "mask1.png" in errors.message.iloc[0]
        assert "the column 'mask' names no mask of this image" in errors.message.iloc[1]

    def test_masks_that_are_given_anew_after_the_run_are_said(
        self, masked: Path, tmp_path: Path, model: Model, small_protocol: Protocol
    ) -> None:
        catalog = Catalog.create(tmp_path / "masked.zarr", masked)
        segmented(catalog, model, small_protocol, area={"mask_column": "mask"})
        catalog.add(catalog.images().to_dataframe().assign(mask=["mask1.png", "mask1.png", ""]))
        with pytest.warns(UserWarning, match=r"2 images, the first .*, have other masks in 'mask' now than when"):
            segmented(catalog, model, small_protocol, area={"mask_column": "mask"})

    def test_a_column_that_there_is_not_is_refused_before_anything_runs(
        self, masked: Path, tmp_path: Path, model: Model, small_protocol: Protocol
    ) -> None:
        catalog = Catalog.create(tmp_path / "masked.zarr", masked)
        with pytest.raises(ValueError, match=r"no column 'masks'; did you mean 'mask'\?"):
            tk.segment(catalog, model, small_protocol, area={"mask_column": "masks"})
        assert catalog.runs().empty


def test_an_image_of_which_nothing_counts_fails_alone(
    tmp_path: Path, small_photos: list[Path], model: Model, small_protocol: Protocol
) -> None:
    Image.fromarray(np.zeros((30, 30, 4), np.uint8), "RGBA").save(tmp_path / "transparent.png")
    catalog = Catalog.create(tmp_path / "c.zarr", [*small_photos[:2], tmp_path / "transparent.png"])
    table = segmented(catalog, model, small_protocol, area="opaque")
    assert table.error.values.tolist() == ["", "", "area_empty"]
    assert "transparent.png" in catalog.errors().message.iloc[0]


def test_what_is_no_panorama_fails_alone(
    tmp_path: Path, small_photos: list[Path], model: Model, small_protocol: Protocol
) -> None:
    with Image.open(small_photos[0]) as photo:
        photo.convert("RGB").resize((120, 60)).save(tmp_path / "panorama.png")
    catalog = Catalog.create(tmp_path / "c.zarr", [small_photos[0], tmp_path / "panorama.png"])
    table = segmented(catalog, model, small_protocol, projection="equirectangular")
    assert table.error.values.tolist() == ["not_a_panorama", ""]
    labels = catalog.labels(None, 1)
    weights = np.broadcast_to(tk.Projection().row_weights(60)[:, None] / 120, (60, 120))
    expected = [weights[labels == label].sum() for label in range(model.n_classes)]
    np.testing.assert_allclose(table.composition[1], expected, atol=1e-6)
    assert table.valid_fraction[1] == 1


def test_a_wrong_word_is_refused_before_anything_runs(catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
    with pytest.raises(ValueError, match=r"did you mean 'circle'\?"):
        tk.segment(catalog, model, small_protocol, area="circel")
    with pytest.raises(ValueError, match="projection has no 'fisheye'"):
        tk.segment(catalog, model, small_protocol, projection="fisheye")
    assert catalog.runs().empty


def test_an_estimate_is_of_the_same_run(catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
    segmented(catalog, model, small_protocol, area="circle")
    assert tk.estimate(catalog, model, small_protocol, sample=1, area="circle").pending == 0
    assert tk.estimate(catalog, model, small_protocol, sample=1).pending == 10


class TestOnEngines:
    def test_areas_travel(self, masked: Path, tmp_path: Path, model: Model, small_protocol: Protocol) -> None:
        with Cluster.start("local", n=1) as cluster:
            for area in ({"mask_column": "mask"}, tmp_path / "mask0.png"):
                self.compare(cluster, masked, tmp_path / str(type(area).__name__), model, small_protocol, area)

    def compare(
        self, cluster: Cluster, masked: Path, tmp_path: Path, model: Model, small_protocol: Protocol, area: Any
    ) -> None:
        catalogs = [Catalog.create(tmp_path / f"{name}.zarr", masked) for name in ("alone", "engines")]
        alone, engines = (
            segmented(catalog, model, small_protocol, area=area, cluster=where)
            for catalog, where in zip(catalogs, (None, cluster), strict=True)
        )
        for name in ("composition", "valid_fraction", "error", "blank", "duplicate_of", "near_duplicate_of"):
            np.testing.assert_array_equal(alone[name].values, engines[name].values, err_msg=name)
        assert "done" in engines.status.values
