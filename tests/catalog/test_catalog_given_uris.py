"""How a person wrote the images' URIs is kept, shown and published; full paths of their machine are not published."""

from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from toolkit.catalog import Catalog, RunSettings


def published(catalog: Catalog, settings: RunSettings, folder: Path) -> list[str]:
    """What a publication calls the images."""
    catalog.publish(catalog.start_run(settings), folder / "run.csv", partial=True, overwrite=True)
    catalog.publish(settings.run_id, folder / "run.zarr", partial=True, overwrite=True)
    found = list(pd.read_csv(folder / "run.csv", dtype=str).uri)
    assert xr.open_zarr(folder / "run.zarr").uri.values.tolist() == found
    assert not any(text.startswith(("/", "file:")) for text in found)
    return found


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of one name in two folders, and one more."""
    for name in ("bern/0.jpg", "basel/0.jpg", "basel/1.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"")
    return tmp_path / "photos"


class TestPublished:
    def test_a_table_s_own_words_match_the_table(self, photos: Path, tmp_path: Path, settings: RunSettings) -> None:
        survey = pd.DataFrame({"uri": ["bern/0.jpg", "./basel/0.jpg", "bern/../basel/1.jpg"], "x": [1, 2, 3]})
        survey.to_csv(photos / "survey.csv", index=False)
        catalog = Catalog.create(tmp_path / "demo.zarr", photos / "survey.csv")
        assert catalog.images().given_uri.values.tolist() == survey.uri.tolist()
        assert published(catalog, settings, tmp_path) == survey.uri.tolist()
        merged = pd.read_csv(tmp_path / "run.csv").merge(survey, on="uri")
        assert merged.x_y.tolist() == [1, 2, 3]

    def test_a_folder_s_are_the_paths_below_it(self, photos: Path, tmp_path: Path, settings: RunSettings) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", photos)
        assert published(catalog, settings, tmp_path) == ["basel/0.jpg", "basel/1.jpg", "bern/0.jpg"]

    def test_a_table_that_comes_later_renames_a_folder_s(
        self, photos: Path, tmp_path: Path, settings: RunSettings
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", photos)
        (tmp_path / "survey.csv").write_text("uri,x\nphotos/bern/0.jpg,1\nphotos/basel/1.jpg,2\n")
        for _ in range(2):
            catalog.add(tmp_path / "survey.csv")
            catalog.add(photos)
        assert catalog.image_tables().changes.n == 1
        assert published(catalog, settings, tmp_path) == ["basel/0.jpg", "photos/basel/1.jpg", "photos/bern/0.jpg"]

    def test_full_paths_are_cut(self, photos: Path, tmp_path: Path, settings: RunSettings) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", [photos / "bern/0.jpg", f"file://{photos}/basel/1.jpg"])
        assert published(catalog, settings, tmp_path) == ["bern/0.jpg", "basel/1.jpg"]

    def test_what_stands_for_several_images_is_told_apart(
        self, photos: Path, tmp_path: Path, settings: RunSettings
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", photos / "bern")
        catalog.add(photos / "basel")
        assert catalog.images().given_uri.values.tolist() == ["0.jpg", "0.jpg", "1.jpg"]
        assert published(catalog, settings, tmp_path) == ["bern/0.jpg", "basel/0.jpg", "1.jpg"]

    def test_urls_are_published_as_they_are(self, tmp_path: Path, settings: RunSettings) -> None:
        uris = ["https://host/a.jpg", "s3://bucket/b.jpg"]
        assert published(Catalog.create(tmp_path / "demo.zarr", uris), settings, tmp_path) == uris


def test_of_many_images_they_are_read_when_they_are_needed(photos: Path, tmp_path: Path, settings: RunSettings) -> None:
    catalog = Catalog.create(tmp_path / "demo.zarr", photos)
    catalog.start_run(settings)
    found = catalog.to_xarray(lazy=True).compute()
    assert found.given_uri.values.tolist() == ["basel/0.jpg", "basel/1.jpg", "bern/0.jpg"]
    assert found.given_uri.dims == ("image",)


def test_a_table_of_another_catalog_s_images_keeps_what_they_are_called(photos: Path, tmp_path: Path) -> None:
    table = Catalog.create(tmp_path / "demo.zarr", photos).images().to_dataframe().assign(lat=[1, 2, 3])
    again = Catalog.create(tmp_path / "again.zarr", table).images()
    assert again.given_uri.values.tolist() == ["basel/0.jpg", "basel/1.jpg", "bern/0.jpg"]
    assert again.lat.values.tolist() == [1, 2, 3]
