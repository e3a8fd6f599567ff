"""Images can be taken out of a catalog: hidden, and nothing erased."""

from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from claiming import claim_next
from kinds_of_stores import Note
from zarr.abc.store import Store

import toolkit as tk
from toolkit.catalog import PENDING, Catalog, CatalogError, Owner, RunSettings
from toolkit.runs.queue import BlockQueue
from toolkit.testing.small_run import PROTOCOL, make_images, small_model

URIS = [f"/photos/{name}" for name in ("bern/0.jpg", "bern/1.jpg", "basel/0.jpg", "basel/1.jpg")]


@pytest.fixture
def finished(store: Store, settings: RunSettings, note_done: Note, note_failed: Note) -> Catalog:
    """Four images in two tables; all done but the last, which failed."""
    catalog = Catalog.create(store, URIS[:2])
    catalog.add(URIS[2:])
    run_id = catalog.start_run(settings)
    for shape in catalog.image_tables():
        owned = claim_next(catalog, run_id, shape, 0)
        note_done(owned, 0)
        (note_failed if shape.number else note_done)(owned, 1)
        owned.writer.flush()
    return catalog


class TestHidden:
    def test_in_every_table_and_count(self, finished: Catalog) -> None:
        assert finished.remove([1, 3]) == 2
        for catalog in (finished, Catalog.open(finished.store)):
            assert len(catalog) == 2
            assert repr(catalog).endswith("2 images, 1 runs>")
            for shown in (catalog.images(), catalog.to_xarray(), catalog.to_xarray(lazy=True).compute()):
                assert shown.uri.values.tolist() == [URIS[0], URIS[2]]
                assert shown.image.values.tolist() == [0, 2]
            assert catalog.errors().empty
            assert catalog.runs()[["images", "done", "failed", "pending"]].values.tolist() == [[2, 2, 0, 0]]
            assert catalog.run_results().counts().tolist() == [0, 2, 0]
            run_id = catalog.runs().index[0]
            compared = catalog.compare(run_id, run_id)
            assert compared.image.values.tolist() == [0, 2]
            assert compared.images.values.sum() == 2
            assert catalog.removed().to_dict() == {1: URIS[1], 3: URIS[3]}

    def test_in_publications(self, finished: Catalog, tmp_path: Path) -> None:
        finished.remove([0])
        finished.publish(None, tmp_path / "run.zarr")
        finished.publish(None, tmp_path / "run.csv")
        finished.publish(None, tmp_path / "run.parquet")
        published = xr.open_zarr(tmp_path / "run.zarr")
        assert published.image.values.tolist() == [1, 2, 3]
        assert published.status.values.tolist() == ["done", "done", "failed"]
        assert (published.attrs["n_images"], published.attrs["n_done"]) == (3, 2)
        assert len(pd.read_csv(tmp_path / "run.csv")) == len(pd.read_parquet(tmp_path / "run.parquet")) == 3

    def test_label_maps_are_not_shown(self, finished: Catalog) -> None:
        finished.remove([0])
        with pytest.raises(KeyError, match=r"image 0 was removed from the catalog; Catalog.restore\(\[0\]\)"):
            finished.labels(None, 0)
        with pytest.raises(KeyError, match="was removed"):
            finished.labels(None, URIS[0])

    def test_drivers_leave_them_out(self, store: Store, settings: RunSettings) -> None:
        catalog = Catalog.create(store, [f"/{number}.jpg" for number in range(6)], block_size=2)
        run_id = catalog.start_run(settings)
        queue = BlockQueue(catalog, run_id, Owner(), PENDING)
        queue.look(at_once=True)
        Catalog.open(store).remove([1, 2, 3])  # while a driver looks
        rows = []
        while (work := queue.take()) is not None:
            rows += work.rows.tolist()
        assert rows == [0, 4, 5]
        assert queue.count().total == 3

    def test_all_of_them(self, finished: Catalog, tmp_path: Path) -> None:
        assert finished.remove("/photos") == 4
        assert (len(finished), finished.to_xarray().sizes["image"], finished.images().sizes["image"]) == (0, 0, 0)
        with pytest.raises(CatalogError, match="there is nothing to publish"):
            finished.publish(None, tmp_path / "run.csv")


class TestNaming:
    @pytest.mark.parametrize(
        ("named", "rows"),
        [
            (0, [0]),
            ([1, 1, 2], [1, 2]),
            (URIS[3], [3]),
            (Path(URIS[3]), [3]),
            ([URIS[0], Path(URIS[2]), "/elsewhere.jpg"], [0, 2]),
            ("/photos/bern", [0, 1]),
            ("file:///photos/bern/", [0, 1]),
            (pd.DataFrame({"uri": [URIS[1]], "why": ["blurred"]}), [1]),
        ],
    )
    def test_rows_uris_folders_and_tables(self, finished: Catalog, named: object, rows: list[int]) -> None:
        assert finished.remove(named) == len(rows)  # type: ignore[arg-type]
        assert finished.removed().index.tolist() == rows
        assert finished.remove(named) == 0  # type: ignore[arg-type]
        assert finished.restore(named) == len(rows)  # type: ignore[arg-type]
        assert len(finished) == 4

    def test_what_a_table_of_results_names(self, finished: Catalog) -> None:
        failed = finished.errors()
        assert finished.remove(failed.index) == 1
        assert finished.restore(failed.uri) == 1

    @pytest.mark.parametrize("named", ["/photos/none.jpg", ["/none.jpg"], 4, -1, [0, 9], "/photos/be", "photos/*.jpg"])
    def test_what_is_not_there(self, finished: Catalog, named: object) -> None:
        with pytest.raises(KeyError):
            finished.remove(named)  # type: ignore[arg-type]
        assert len(finished) == 4


class TestRestored:
    def test_results_come_back(self, finished: Catalog) -> None:
        before = finished.to_xarray()
        finished.remove([0, 2])
        assert finished.restore() == 2
        xr.testing.assert_identical(finished.to_xarray(), before)
        assert finished.restore() == 0

    def test_who_adds_them_again_wants_them(self, finished: Catalog) -> None:
        finished.remove(URIS[:2])
        assert finished.add([URIS[1], "/new.jpg"]) == 1
        assert (finished.addition and finished.addition.restored) == 1
        assert finished.images().uri.values.tolist() == [*URIS[1:], "/new.jpg"]

    def test_the_same_command_as_before_does_not(self, finished: Catalog) -> None:
        finished.remove(URIS[:2])
        catalog = Catalog.create(finished.store, URIS, exist_ok=True)
        assert len(catalog) == 2
        assert "2 images of these stay removed until Catalog.restore" in str(catalog.addition)


def test_a_run_with_removed_images_ends(tmp_path: Path) -> None:
    images = make_images(tmp_path)
    catalog = Catalog.create(tmp_path / "demo.zarr", images, block_size=2)
    catalog.remove(images[-1])  # which is no picture
    tk.segment(catalog, small_model(), PROTOCOL).wait()
    assert catalog.to_xarray().status.values.tolist() == ["done"] * 4
    catalog.restore()
    assert catalog.to_xarray().status.values.tolist()[-1] == "pending"
    tk.segment(catalog, small_model(), PROTOCOL).wait()
    assert catalog.to_xarray().status.values.tolist()[-1] == "failed"


class TestEmpty:
    """A catalog without images."""

    def test_it_can_be_made_and_added_to(self, store: Store) -> None:
        catalog = Catalog.create(store)
        assert (len(catalog), repr(catalog).split(": ")[-1]) == (0, "0 images, 0 runs>")
        assert len(Catalog.create(store)) == 0  # again, as long as nothing is in it
        assert catalog.add(URIS) == 4
        with pytest.raises(CatalogError, match="holds a catalog already"):
            Catalog.create(store)
        assert len(Catalog.create(store, exist_ok=True)) == 4

    def test_every_call_answers(self, tmp_path: Path, settings: RunSettings) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr")
        assert catalog.images().sizes["image"] == 0
        assert (catalog.runs().empty, catalog.history().empty, catalog.as_written().empty) == (True, True, True)
        assert (catalog.removed().empty, catalog.restore(), catalog.verify().clean) == (True, 0, True)
        assert catalog.settings_that_differ() == []
        for call in (catalog.to_xarray, catalog.errors, catalog.sessions, catalog.palette):
            with pytest.raises(CatalogError, match="has no runs yet"):
                call()
        with pytest.raises((KeyError, CatalogError), match=r"has no (image 0|runs yet)"):
            catalog.labels(None, 0)
        with pytest.raises(KeyError):
            catalog.remove("/a.jpg")
        with pytest.raises(ValueError, match=r"has no images; add some with catalog\.add\(images\)"):
            tk.segment(catalog, small_model(), PROTOCOL)
        catalog.start_run(settings)
        assert catalog.to_xarray().sizes["image"] == 0
        assert catalog.to_xarray(lazy=True).sizes["image"] == 0
        assert catalog.errors().empty
        assert catalog.runs().images.tolist() == [0]
        with pytest.raises(CatalogError, match="there is nothing to publish"):
            catalog.publish(None, tmp_path / "run.parquet")
        with pytest.raises(CatalogError):
            catalog.compare("a", "b")

    def test_covariates_of_no_images_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="covariates are given, but no images"):
            Catalog.create(tmp_path / "demo.zarr", covariates=pd.DataFrame({"x": [1]}, ["/a.jpg"]))
        assert not (tmp_path / "demo.zarr").exists()


class TestPaths:
    def test_a_path_where_a_store_is_meant_opens_the_catalog_there(self, tmp_path: Path) -> None:
        Catalog.create(tmp_path / "demo.zarr", URIS)
        for location in (tmp_path / "demo.zarr", str(tmp_path / "demo.zarr")):
            assert len(Catalog(location)) == 4

    @pytest.mark.parametrize("location", ["nowhere.zarr", Path("nowhere.zarr"), ""])
    def test_one_where_nothing_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: object) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CatalogError):
            Catalog(location)  # type: ignore[arg-type]
        assert list(tmp_path.iterdir()) == []

    def test_something_else(self) -> None:
        with pytest.raises(TypeError, match="catalog must be a path or a Zarr store, not int"):
            Catalog(3)  # type: ignore[arg-type]
