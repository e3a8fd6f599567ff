"""A published run is read back with what people have: xarray, pandas, pyarrow and icechunk."""

import json
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from claiming import claim_next
from pyarrow import parquet
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from toolkit.catalog import DONE, FAILED, Catalog, CatalogError, RunSettings
from toolkit.catalog.publishing import places, publishing
from toolkit.catalog.publishing.publication import Publication
from toolkit.catalog.store.objects import open_store
from toolkit.testing.s3_server import BUCKET

FORMATS = ["zarr", "parquet", "csv", "icechunk"]
DATES = pd.to_datetime(["2020-01-02 03:04:05", None] * 5)


@pytest.fixture
def store() -> Store:
    """Where a catalog lies does not matter to what is published of it."""
    return MemoryStore()


@pytest.fixture
def catalog(store: Store) -> Catalog:
    """Ten images with covariates in blocks of four, and three more without."""
    uris = [f"/photos/ä, {number}.jpg" for number in range(10)]
    covariates = pd.DataFrame(
        {"lat": np.linspace(-1, 1, 10), "place": ["here", "", 'in "quotes"', *"abcdefg"], "date": DATES}, index=uris
    )
    catalog = Catalog.create(store, uris, covariates=covariates, block_size=4)
    catalog.add([f"/more/{number}.jpg" for number in range(3)])
    return catalog


def fill(catalog: Catalog, run_id: str, n_classes: int = 3) -> np.ndarray:
    """Every image done but rows 2 and 11, which failed; the compositions, NaN for those."""
    compositions = np.random.default_rng(1).dirichlet(np.ones(n_classes), 13).astype(np.float32)
    first = 0
    for shape in catalog.image_tables():
        for block in range(shape.n_blocks):
            owned = claim_next(catalog, run_id, shape, block)
            for row in range(shape.rows(block).start, shape.rows(block).stop):
                if first + row in (2, 11):
                    owned.writer.set(row, status=FAILED, error=1, attempts=1)
                    compositions[first + row] = np.nan
                else:
                    values = {"composition": compositions[first + row], "confidence": (first + row) / 16}
                    owned.writer.set(row, status=DONE, attempts=1, height=3, width=4 + row, engine="secret:1", **values)
            owned.writer.flush()
        first += shape.n_images
    return compositions


@pytest.fixture
def compositions(catalog: Catalog, run_id: str) -> np.ndarray:
    """Those of the run, float32 ``(13, 3)``."""
    return fill(catalog, run_id)


@pytest.fixture(params=[2**16, 8, 1], ids=lambda rows: f"{rows}-rows")
def rows_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one block, or in several that are not the catalog's."""
    monkeypatch.setattr(publishing, "_MOST_ROWS", request.param)


def without_root(table: xr.Dataset) -> xr.Dataset:
    """With URIs as they are published: full paths of a machine are not."""
    return table.assign_coords(uri=("image", [uri.removeprefix("/") for uri in table.uri.values]))


def check_dataset(published: xr.Dataset, catalog: Catalog, run_id: str) -> None:
    """Compare with what the catalog says itself."""
    expected = without_root(catalog.to_xarray(run_id))
    for name in ("composition", "confidence", "status", "error", "height", "width", "uri", "lat", "place", "date"):
        np.testing.assert_array_equal(published[name].values, expected[name].values, err_msg=name)
        assert published[name].dims == expected[name].dims
    assert set(published.coords) == {"image", "class_name", "uri", "lat", "place", "date"}
    assert published.composition.dtype == np.float32
    assert float(published.composition.sel(class_name="tree", image=3)) == float(expected.composition[3, 1])


def check_attributes(attributes: dict[str, Any], catalog: Catalog, settings: RunSettings) -> None:
    assert attributes["run_id"] == settings.run_id
    assert attributes["model"] == "a model"
    assert attributes["model_digest"] == settings.model_digest
    assert json.loads(attributes["protocol"]) == settings.protocol
    assert attributes["class_names"] in (list(settings.class_names), json.dumps(settings.class_names))
    assert "zarr" in json.loads(attributes["versions"])
    assert pd.Timestamp(attributes["created"]).tz_localize(None) == catalog.runs().created.iloc[0]
    assert [attributes[f"n_{name}"] for name in ("images", "done", "failed", "pending")] == [13, 11, 2, 0]


@pytest.mark.usefixtures("compositions")
class TestZarr:
    @pytest.mark.usefixtures("rows_at_once")
    def test_it_opens_in_xarray_without_any_option(
        self, catalog: Catalog, run_id: str, settings: RunSettings, tmp_path: Path, recwarn: pytest.WarningsRecorder
    ) -> None:
        catalog.publish(run_id, tmp_path / "run.zarr")
        with xr.open_zarr(tmp_path / "run.zarr") as published:
            check_dataset(published, catalog, run_id)
            check_attributes(published.attrs, catalog, settings)
        assert [str(warning.message) for warning in recwarn] == []

    def test_its_metadata_is_in_one_object(self, catalog: Catalog, run_id: str, tmp_path: Path) -> None:
        catalog.publish(run_id, tmp_path / "run.zarr")
        consolidated = zarr.open_group(tmp_path / "run.zarr", mode="r").metadata.consolidated_metadata
        assert consolidated is not None
        assert {"composition", "class_name", "uri", "lat"} <= set(consolidated.metadata)

    def test_fractions_have_units_and_long_names(self, catalog: Catalog, run_id: str, tmp_path: Path) -> None:
        catalog.publish(run_id, tmp_path / "run.zarr")
        with xr.open_zarr(tmp_path / "run.zarr") as published:
            assert (published.composition.units, published.height.units) == ("1", "pixel")
            assert all("long_name" in published[name].attrs for name in published.data_vars)

    def test_people_and_machines_are_not_named(self, catalog: Catalog, run_id: str, tmp_path: Path) -> None:
        catalog.publish(run_id, tmp_path / "run.zarr")
        with xr.open_zarr(tmp_path / "run.zarr") as published:
            assert not {"user", "host", "engine"} & {*published.attrs, *published.variables}

    def test_chunks_are_neither_small_nor_large(
        self, catalog: Catalog, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publishing, "_MOST_ROWS", 8)
        monkeypatch.setattr(publishing, "_CHUNK_NUMBERS", 14)
        catalog.publish(settings.run_id, tmp_path / "run.zarr")
        group = zarr.open_group(tmp_path / "run.zarr", mode="r")
        chunks = {name: array.chunks for name, array in group.arrays()}
        assert chunks["composition"] == (4, 3)
        assert chunks["lat"] == chunks["height"] == (8,)
        assert chunks["status"] == (2,)  # seven characters each
        with xr.open_zarr(tmp_path / "run.zarr") as published:
            check_dataset(published, catalog, settings.run_id)

    def test_into_a_store_that_cannot_rename(self, catalog: Catalog, run_id: str) -> None:
        target = MemoryStore()
        catalog.publish(run_id, target)
        with xr.open_zarr(target) as published:
            check_dataset(published, catalog, run_id)
        with pytest.raises(CatalogError, match="is there already; pass overwrite=True"):
            catalog.publish(run_id, target)
        catalog.publish(run_id, target, overwrite=True)
        with xr.open_zarr(target) as published:
            check_dataset(published, catalog, run_id)

    @pytest.mark.usefixtures("s3")
    def test_to_an_object_store(self, catalog: Catalog, run_id: str) -> None:
        url = f"s3://{BUCKET}/{uuid.uuid4().hex}/run.zarr"
        for overwrite in (False, True):
            catalog.publish(run_id, url, overwrite=overwrite)
            with xr.open_zarr(open_store(url)) as published:
                check_dataset(published, catalog, run_id)

    def test_a_copy_that_was_cut_off_does_not_open_and_can_be_repeated(
        self, catalog: Catalog, run_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = MemoryStore()
        put, written = places.put, []

        def dying(store: Store, key: str, value: bytes) -> None:
            if len(written) == 5:
                raise OSError("the network is gone")
            written.append(key)
            put(store, key, value)

        with monkeypatch.context() as patch:
            patch.setattr(places, "put", dying)
            with pytest.raises(OSError, match="the network is gone"):
                catalog.publish(run_id, target)
        with pytest.raises(FileNotFoundError):
            xr.open_zarr(target)
        with pytest.raises(CatalogError, match="was not finished; pass overwrite=True"):
            catalog.publish(run_id, target)
        catalog.publish(run_id, target, overwrite=True)
        with xr.open_zarr(target) as published:
            check_dataset(published, catalog, run_id)

    def test_soft_compositions_come_along(self, catalog: Catalog, settings: RunSettings, tmp_path: Path) -> None:
        soft = catalog.start_run(replace(settings, options={"soft_composition": True}))
        shape = catalog.image_tables()[0]
        owned = claim_next(catalog, soft, shape, 0)
        owned.writer.set(1, status=DONE, composition=[1, 0, 0], soft_composition=[0.5, 0.25, 0.25])
        owned.writer.flush()
        catalog.publish(soft, tmp_path / "soft.zarr", partial=True)
        with xr.open_zarr(tmp_path / "soft.zarr") as published:
            assert published.soft_composition[1].values.tolist() == [0.5, 0.25, 0.25]
            assert np.isnan(published.soft_composition[0]).all()
            assert published.attrs["n_pending"] == 12


@pytest.mark.usefixtures("compositions", "rows_at_once")
class TestTables:
    def test_parquet(self, catalog: Catalog, run_id: str, settings: RunSettings, tmp_path: Path) -> None:
        catalog.publish(run_id, tmp_path / "run.parquet")
        table = pd.read_parquet(tmp_path / "run.parquet")
        self.check(table, catalog, run_id)
        np.testing.assert_array_equal(table["date"], catalog.to_xarray(run_id).date)
        stored = parquet.read_metadata(tmp_path / "run.parquet").metadata
        attributes = {name.decode(): value.decode() for name, value in stored.items()}
        parsed = {name: json.loads(attributes[name]) for name in ("class_names", *NUMBERS)}
        check_attributes({**attributes, **parsed}, catalog, settings)
        check_attributes(table.attrs, catalog, settings)

    def test_csv(self, catalog: Catalog, run_id: str, settings: RunSettings, tmp_path: Path) -> None:
        catalog.publish(run_id, tmp_path / "run.csv")
        beside = json.loads((tmp_path / "run.csv.json").read_text(encoding="utf-8"))
        table = pd.read_csv(tmp_path / "run.csv", **beside["read_csv"])
        self.check(table, catalog, run_id)
        np.testing.assert_array_equal(table["date"], catalog.to_xarray(run_id).date)
        check_attributes(beside, catalog, settings)

    def check(self, table: pd.DataFrame, catalog: Catalog, run_id: str) -> None:
        expected = without_root(catalog.to_xarray(run_id))
        noticed = ["valid_fraction", "blank", "duplicate_of", "near_duplicate_of"]
        columns = ["uri", "date", "lat", "place", "status", "error", "confidence", *noticed, "sky", "tree", "road"]
        assert table.columns.tolist() == columns
        for name in ("uri", "place", "status", "error"):
            assert table[name].tolist() == expected[name].values.tolist(), name
        np.testing.assert_array_equal(table["lat"], expected.lat)
        np.testing.assert_array_equal(table["confidence"], expected.confidence)
        np.testing.assert_array_equal(table[["sky", "tree", "road"]], expected.composition)
        assert table["sky"].dtype == np.float32


NUMBERS = ("n_images", "n_done", "n_failed", "n_pending")


def test_a_class_may_be_named_like_another_column(catalog: Catalog, settings: RunSettings, tmp_path: Path) -> None:
    named = catalog.start_run(replace(settings, class_names=("lat", "error", "sky")))
    compositions = fill(catalog, named)
    catalog.publish(named, tmp_path / "run.parquet")
    table = pd.read_parquet(tmp_path / "run.parquet")
    np.testing.assert_array_equal(table[["class:lat", "class:error", "sky"]], compositions)
    assert set(table["error"]) == {"", "missing"}


@pytest.mark.usefixtures("compositions")
class TestIcechunk:
    def test_one_snapshot_with_the_run_as_its_tag(
        self, catalog: Catalog, run_id: str, settings: RunSettings, tmp_path: Path
    ) -> None:
        import icechunk

        catalog.publish(run_id, tmp_path / "run", format="icechunk")
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "run")))
        assert repository.list_tags() == {run_id}
        messages = [snapshot.message for snapshot in repository.ancestry(tag=run_id)]
        assert messages == ["what 13 images are made of, by a model", "Repository initialized"]
        with xr.open_zarr(repository.readonly_session(tag=run_id).store, consolidated=False) as published:
            check_dataset(published, catalog, run_id)
            check_attributes(published.attrs, catalog, settings)

    def test_without_the_package_it_says_what_to_install(
        self, catalog: Catalog, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "icechunk", None)
        with pytest.raises(CatalogError, match=r"needs the package icechunk, .*: pip install icechunk; or choose"):
            catalog.publish(run_id, tmp_path / "run.icechunk")
        assert left_in(tmp_path) == set()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["folder", "paths"])
def test_where_the_photos_lie_is_in_no_byte_of_it(
    settings: RunSettings, tmp_path: Path, format: str, kind: str
) -> None:
    photos = tmp_path / "survey" / "photos"
    for name in ("bern/0.jpg", "basel/0.jpg"):
        (photos / name).parent.mkdir(parents=True)
        (photos / name).write_bytes(b"")
    catalog = Catalog.create(tmp_path / "demo.zarr", photos if kind == "folder" else sorted(photos.glob("*/*")))
    catalog.start_run(settings)
    catalog.publish(tmp_path / f"run.{format}", partial=True)
    written = content(tmp_path / f"run.{format}").values()
    assert not any(os.fsencode(tmp_path.name) in one or b"survey" in one for one in written)


def left_in(folder: Path) -> set[str]:
    """Names of what lies in a folder."""
    return {path.name for path in folder.iterdir() if path.name != "run.csv.json"}


@pytest.mark.usefixtures("compositions")
@pytest.mark.parametrize("format", FORMATS)
class TestReplacing:
    def test_what_is_there_is_only_replaced_if_asked(
        self, catalog: Catalog, run_id: str, settings: RunSettings, tmp_path: Path, format: str
    ) -> None:
        target = tmp_path / f"run.{format}"
        catalog.publish(run_id, target)
        before = content(target)
        other = catalog.start_run(replace(settings, numerics_version=2))
        with pytest.raises(CatalogError, match="is there already; pass overwrite=True"):
            catalog.publish(other, target, partial=True)
        assert content(target) == before
        catalog.publish(other, target, partial=True, overwrite=True)
        assert content(target) != before
        assert left_in(tmp_path) == {target.name}

    def test_when_writing_fails_what_was_there_stays(
        self, catalog: Catalog, run_id: str, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publishing, "_MOST_ROWS", 4)
        blocks = Publication.blocks

        def dying(self: Publication, n_rows: int) -> Iterator[dict[str, np.ndarray]]:
            for number, block in enumerate(blocks(self, n_rows)):
                if number == 2:
                    raise OSError(28, "No space left on device")
                yield block

        target = tmp_path / f"run.{format}"
        with monkeypatch.context() as patch:
            patch.setattr(Publication, "blocks", dying)
            with pytest.raises(OSError, match="No space left"):
                catalog.publish(run_id, target)
        assert left_in(tmp_path) == set()
        catalog.publish(run_id, target)
        before = content(target)
        with monkeypatch.context() as patch:
            patch.setattr(Publication, "blocks", dying)
            with pytest.raises(OSError, match="No space left"):
                catalog.publish(run_id, target, overwrite=True)
        assert content(target) == before
        assert left_in(tmp_path) == {target.name}

    def test_something_else_is_never_replaced(self, catalog: Catalog, run_id: str, tmp_path: Path, format: str) -> None:
        target = tmp_path / f"run.{format}"
        target.mkdir()
        (target / "thesis.tex").write_text("years of work", encoding="utf-8")
        with pytest.raises(CatalogError, match="holds something that is no such publication"):
            catalog.publish(run_id, target, overwrite=True)
        assert (target / "thesis.tex").read_text(encoding="utf-8") == "years of work"

    def test_pending_images_are_refused_unless_told(
        self, catalog: Catalog, run_id: str, tmp_path: Path, format: str
    ) -> None:
        catalog.add(["/new/1.jpg", "/new/2.jpg"])
        with pytest.raises(CatalogError, match=f"run {run_id} has 2 pending images.*partial=True"):
            catalog.publish(run_id, tmp_path / f"run.{format}")
        assert left_in(tmp_path) == set()
        catalog.publish(run_id, tmp_path / f"run.{format}", partial=True)


def content(path: Path) -> dict[str, bytes]:
    """Bytes of all files."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return {str(one.relative_to(path)): one.read_bytes() for one in files}


@pytest.mark.usefixtures("compositions")
class TestTargets:
    def test_a_catalog_is_never_replaced(
        self, catalog: Catalog, run_id: str, settings: RunSettings, tmp_path: Path
    ) -> None:
        another = Catalog.create(tmp_path / "another.zarr", ["/a.jpg"])
        another.start_run(settings)
        with pytest.raises(CatalogError, match="no such publication"):
            catalog.publish(run_id, tmp_path / "another.zarr", overwrite=True)
        for inside in (tmp_path / "another.zarr", tmp_path / "another.zarr" / "run.csv"):
            with pytest.raises(CatalogError, match="lies in the catalog"):
                another.publish(run_id, inside, partial=True, overwrite=True)
        assert len(Catalog.open(tmp_path / "another.zarr")) == 1

    def test_the_newest_run_and_a_folder_that_is_not_there_yet(self, catalog: Catalog, tmp_path: Path) -> None:
        catalog.publish(None, tmp_path / "a" / "b" / "run.CSV")
        assert (tmp_path / "a" / "b" / "run.CSV").is_file()

    def test_anybody_may_read_it_whom_the_umask_lets(self, catalog: Catalog, run_id: str, tmp_path: Path) -> None:
        (tmp_path / "made").mkdir()
        catalog.publish(run_id, tmp_path / "run.zarr")
        assert (tmp_path / "run.zarr").stat().st_mode == (tmp_path / "made").stat().st_mode

    @pytest.mark.parametrize(
        ("target", "format", "words"),
        [
            ("run.nc", None, "'.*run.nc' does not say its format; let it end in .zarr, .parquet"),
            ("run.zarr", "netcdf", "format must be one of 'zarr', 'parquet', 'csv', 'icechunk', not 'netcdf'"),
        ],
    )
    def test_unknown_formats(
        self, catalog: Catalog, run_id: str, tmp_path: Path, target: str, format: Any, words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            catalog.publish(run_id, tmp_path / target, format=format)

    def test_tables_do_not_go_to_urls(self, catalog: Catalog, run_id: str) -> None:
        with pytest.raises(CatalogError, match="only Zarr can be published to a URL"):
            catalog.publish(run_id, "s3://bucket/run.parquet")

    def test_no_such_run(self, catalog: Catalog, tmp_path: Path) -> None:
        with pytest.raises(CatalogError, match="no run 'missing'"):
            catalog.publish("missing", tmp_path / "run.zarr")
