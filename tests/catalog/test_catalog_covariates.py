"""What is known of images besides their pixels: every type comes back, through growth, tables and xarray."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from zarr.abc.store import Store

from toolkit.catalog import Catalog, RunSettings
from toolkit.catalog.format.layout import RESULT_FIELDS

URIS = ["/photos/a.jpg", "/photos/b.jpg", "/photos/c.jpg"]
DAYS = ["2024-02-29", "1900-01-01", "2100-12-31"]

# name: column as given, values as they come back
COLUMNS = {
    "float64": (pd.Series([0.1, -np.inf, 1e300]), np.array([0.1, -np.inf, 1e300])),
    "float32": (pd.Series([0.1, 2, 3], dtype="float32"), np.array([0.1, 2, 3], dtype="float32")),
    "float_missing": (pd.Series([0.1, np.nan, 3]), np.array([0.1, np.nan, 3])),
    "int64": (pd.Series([2**62, -1, 0]), np.array([2**62, -1, 0])),
    "uint8": (pd.Series([0, 255, 7], dtype="uint8"), np.array([0, 255, 7], dtype="uint8")),
    "int_missing": (pd.Series([1, None, 3], dtype="Int64"), np.array([1, np.nan, 3])),
    "int_nullable": (pd.Series([1, 2, 3], dtype="Int64"), np.array([1, 2, 3])),
    "bool": (pd.Series([True, False, True]), np.array([True, False, True])),
    "bool_missing": (pd.Series([True, None, False], dtype="boolean"), np.array([1, np.nan, 0])),
    "text": (pd.Series(["ß 日本", "", "a/b"]), np.array(["ß 日本", "", "a/b"], dtype=object)),
    "text_missing": (pd.Series(["x", None, np.nan], dtype=object), np.array(["x", "", ""], dtype=object)),
    "datetime": (pd.Series(pd.to_datetime(DAYS)), np.array(DAYS, dtype="datetime64[us]")),
    "datetime_ns": (
        pd.Series(np.array(["2024-02-29T12:34:56.789012", *DAYS[:2]], dtype="datetime64[ns]")),
        np.array(["2024-02-29T12:34:56.789012", *DAYS[:2]], dtype="datetime64[us]"),
    ),
    "datetime_missing": (
        pd.Series(pd.to_datetime([DAYS[0], None, DAYS[1]])),
        np.array([DAYS[0], "NaT", DAYS[1]], "M8"),
    ),
    "datetime_zone": (
        pd.Series(pd.to_datetime(["2024-07-01 12:00", "2024-01-01 12:00", None])).dt.tz_localize("Europe/Berlin"),
        np.array(["2024-07-01T10:00", "2024-01-01T11:00", "NaT"], dtype="datetime64[us]"),
    ),
    "categorical": (pd.Series(pd.Categorical(["day", "night", "day"])), np.array(["day", "night", "day"], object)),
    "categorical_missing": (pd.Series(pd.Categorical(["day", None, "day"])), np.array(["day", "", "day"], object)),
}


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    if found.dtype.kind == "U":  # as texts are shown
        found = found.astype(object)
    assert found.dtype.kind == expected.dtype.kind
    if expected.dtype.kind in "fiu":
        assert found.dtype == expected.dtype
    if expected.dtype.kind == "M":
        found, expected = found.astype("datetime64[us]"), expected.astype("datetime64[us]")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", COLUMNS)
class TestTypes:
    def test_a_table_keyed_by_its_index(self, store: Store, name: str) -> None:
        given, expected = COLUMNS[name]
        table = pd.DataFrame({"x": given}).set_axis(URIS, axis="index").iloc[::-1]
        Catalog.create(store, URIS, covariates=table)
        assert_same(Catalog.open(store).images().x.values, expected)

    def test_a_table_with_a_uri_column(self, store: Store, name: str) -> None:
        given, expected = COLUMNS[name]
        Catalog.create(store, URIS, covariates=pd.DataFrame({"uri": URIS, "x": given}))
        assert_same(Catalog.open(store).images().x.values, expected)

    def test_a_table_that_names_the_images(self, store: Store, name: str) -> None:
        given, expected = COLUMNS[name]
        Catalog.create(store, pd.DataFrame({"x": given, "uri": URIS}))
        assert_same(Catalog.open(store).images().x.values, expected)

    def test_the_stored_array_decodes_in_xarray(self, tmp_path: Path, name: str) -> None:
        given, expected = COLUMNS[name]
        Catalog.create(tmp_path / "demo.zarr", pd.DataFrame({"x": given, "uri": URIS}))
        opened = xr.open_zarr(tmp_path / "demo.zarr", group="images/00000", consolidated=False)
        assert opened.x.dims == ("image",)
        assert opened.uri.values.tolist() == URIS
        found = opened.x.values
        assert_same(found.astype(object) if found.dtype.kind in "TU" else found, expected)


class TestTables:
    def test_a_csv_file(self, tmp_path: Path) -> None:
        text = "uri,lat,floors,indoor,city,taken\na.jpg,1.5,3,True,Graz,2024-05-01\nsub/b.jpg,,4,False,,2024-05-02\n"
        (tmp_path / "photos.csv").write_text(text)
        images = Catalog.create(tmp_path / "demo.zarr", tmp_path / "photos.csv").images()
        assert images.uri.values.tolist() == [str(tmp_path / "a.jpg"), str(tmp_path / "sub" / "b.jpg")]
        assert_same(images.lat.values, np.array([1.5, np.nan]))
        assert_same(images.floors.values, np.array([3, 4]))
        assert_same(images.indoor.values, np.array([True, False]))
        assert_same(images.city.values, np.array(["Graz", ""], dtype=object))
        assert_same(images.taken.values, np.array(["2024-05-01", "2024-05-02"], dtype="datetime64[us]"))

    def test_a_parquet_file(self, tmp_path: Path) -> None:
        table = pd.DataFrame({"uri": URIS, "taken": pd.to_datetime(DAYS), "lat": [1.0, 2.0, 3.0]})
        table.to_parquet(tmp_path / "photos.parquet")
        images = Catalog.create(tmp_path / "demo.zarr", tmp_path / "photos.parquet").images()
        assert_same(images.taken.values, np.array(DAYS, dtype="datetime64[us]"))
        assert_same(images.lat.values, np.array([1.0, 2.0, 3.0]))

    def test_they_are_coordinates_of_results(self, store: Store, settings: RunSettings) -> None:
        catalog = Catalog.create(store, URIS, covariates=pd.DataFrame({"lat": [1.0, 2.0, 3.0]}, index=URIS))
        table = catalog.to_xarray(catalog.start_run(settings))
        assert table.lat.dims == ("image",)
        assert table.coords["lat"].values.tolist() == [1.0, 2.0, 3.0]

    def test_images_without_a_row_have_missing_values(self, store: Store) -> None:
        taken = pd.to_datetime(["2024-05-01"])
        covariates = pd.DataFrame({"lat": [1.0], "city": ["Graz"], "taken": taken}, index=["/photos/b.jpg"])
        images = Catalog.create(store, URIS, covariates=covariates).images()
        assert_same(images.lat.values, np.array([np.nan, 1.0, np.nan]))
        assert_same(images.city.values, np.array(["", "Graz", ""], dtype=object))
        assert_same(images.taken.values, np.array(["NaT", "2024-05-01", "NaT"], dtype="datetime64[us]"))

    def test_yes_and_no_of_images_without_a_row_are_missing_numbers_too(self, store: Store) -> None:
        covariates = pd.DataFrame({"indoor": [True, False]}, index=URIS[:2])
        images = Catalog.create(store, URIS, covariates=covariates).images()
        assert_same(images.indoor.values, np.array([1, 0, np.nan]))

    def test_rows_of_unknown_images_are_left_out(self, store: Store) -> None:
        covariates = pd.DataFrame({"lat": [9.0, 1.0]}, index=["/photos/other.jpg", "/photos/a.jpg"])
        images = Catalog.create(store, URIS, covariates=covariates).images()
        assert_same(images.lat.values, np.array([1.0, np.nan, np.nan]))

    def test_uris_are_compared_in_normal_form(self, store: Store) -> None:
        covariates = pd.DataFrame({"lat": [1.0]}, index=["file:///photos/x/../a.jpg"])
        images = Catalog.create(store, URIS, covariates=covariates).images()
        assert_same(images.lat.values, np.array([1.0, np.nan, np.nan]))


class TestGrowth:
    def test_tables_may_have_different_covariates(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[:1], covariates=pd.DataFrame({"lat": [1.0], "city": ["Graz"]}, URIS[:1]))
        taken = pd.to_datetime(["2024-05-01"])
        catalog.add(URIS[1:2], pd.DataFrame({"taken": taken, "city": ["Linz"], "floors": [3]}, URIS[1:2]))
        catalog.add(URIS[2:])
        images = Catalog.open(store).images()
        assert_same(images.lat.values, np.array([1.0, np.nan, np.nan]))
        assert_same(images.city.values, np.array(["Graz", "Linz", ""], dtype=object))
        assert_same(images.taken.values, np.array(["NaT", "2024-05-01", "NaT"], dtype="datetime64[us]"))
        assert_same(images.floors.values, np.array([np.nan, 3.0, np.nan]))

    def test_a_covariate_of_yes_and_no_that_a_table_lacks_stays_of_one_type(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[:2], covariates=pd.DataFrame({"indoor": [True, False]}, URIS[:2]))
        catalog.add(URIS[2:])
        assert_same(catalog.images().indoor.values, np.array([1, 0, np.nan]))


class TestRefusals:
    @pytest.mark.parametrize("name", ["image", "run", "class_name", *(field.name for field in RESULT_FIELDS)])
    def test_names_of_results(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match=f"covariates may not be called {name}: results have these names"):
            Catalog.create(tmp_path / "demo.zarr", URIS, covariates=pd.DataFrame({name: [1, 2, 3]}, URIS))
        assert not (tmp_path / "demo.zarr").exists()

    def test_names_of_results_in_an_addition(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[:1])
        with pytest.raises(ValueError, match="covariates may not be called status"):
            catalog.add(pd.DataFrame({"uri": URIS, "status": ["x", "y", "z"]}))
        assert len(catalog) == 1

    def test_covariates_of_other_images(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"none of its 1 URIs is among the images .*/elsewhere\.jpg"):
            Catalog.create(tmp_path / "demo.zarr", URIS, covariates=pd.DataFrame({"lat": [1.0]}, ["/elsewhere.jpg"]))

    def test_two_rows_for_one_image(self, tmp_path: Path) -> None:
        twice = pd.DataFrame({"lat": [1.0, 2.0]}, ["/photos/a.jpg", "file:///photos/a.jpg"])
        with pytest.raises(ValueError, match=r"more than one row for '/photos/a\.jpg'"):
            Catalog.create(tmp_path / "demo.zarr", URIS, covariates=twice)

    @pytest.mark.parametrize("name", ["cars/h", "", ".", "..", "__x", "zarr.json"])
    def test_names_that_zarr_would_take_for_something_else(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match=f"covariates: {re.escape(repr(name))} cannot be the name of an array"):
            Catalog.create(tmp_path / "demo.zarr", URIS, covariates=pd.DataFrame({name: [1, 2, 3]}, URIS))
        assert not (tmp_path / "demo.zarr").exists()


class TestKinds:
    def test_whole_numbers_too_large_for_a_float_stay_exact_beside_missing_ones(self, store: Store) -> None:
        table = pd.DataFrame({"uri": ["/a.jpg", "/b.jpg", "/c.jpg"], "id": pd.array([2**62 + 1, None, 3], "Int64")})
        catalog = Catalog.create(store, table)
        assert catalog.images()["id"].values.tolist() == [str(2**62 + 1), "", "3"]

    def test_whole_numbers_stay_exact_when_later_images_lack_them(self, store: Store) -> None:
        catalog = Catalog.create(store, pd.DataFrame({"uri": ["/a.jpg"], "id": [2**62 + 1]}))
        assert catalog.images()["id"].values.tolist() == [2**62 + 1]
        catalog.add(["/b.jpg"])
        assert catalog.images()["id"].values.tolist() == [str(2**62 + 1), ""]

    def test_numbers_that_were_python_objects_are_numbers(self, store: Store) -> None:
        catalog = Catalog.create(store, pd.DataFrame({"uri": ["/a.jpg"], "n": np.array([1], dtype=object)}))
        assert catalog.images()["n"].values.tolist() == [1]

    @pytest.mark.parametrize("name", ["a/b", "a\\b", "zarr.json", ".hidden", "__x", "x" * 300, "a\0b", ""])
    def test_a_name_that_no_array_can_have_is_refused_before_anything_is_written(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(ValueError, match="covariates"):
            Catalog.create(tmp_path / "demo.zarr", pd.DataFrame({"uri": ["/a.jpg"], name: [1]}))
        assert not (tmp_path / "demo.zarr").exists()
