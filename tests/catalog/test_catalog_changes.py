"""What is known of images can be corrected: the newest value is shown, the older ones are kept, nothing is lost."""

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from claiming import claim_next
from kinds_of_stores import Note
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from toolkit.catalog import Catalog, CatalogError, RunSettings
from toolkit.catalog.format.changes import Changes, list_changes
from toolkit.catalog.store.objects import keys, names, put, remove
from toolkit.testing.failing_store import DisturbedStore

URIS = ["/a.jpg", "/b.jpg", "/c.jpg"]

pytestmark = pytest.mark.filterwarnings("error", "ignore:images:UserWarning")  # whose files need not exist


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"uri": URIS, **columns})


class TestCorrections:
    def test_the_newest_value_is_shown_everywhere(
        self, store: Store, settings: RunSettings, note_done: Note, tmp_path: Path
    ) -> None:
        catalog = Catalog.create(store, table(city=["Bonn", "Kiel", "Ulm"]))
        run_id = catalog.start_run(settings)
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0)
        for row in range(3):
            note_done(owned, row)
        owned.writer.flush()
        assert catalog.add(table(city=["Bonn", "Mainz", "Ulm"])) == 0
        assert (catalog.addition and catalog.addition.values) == 1
        assert "1 value of known images changed" in str(catalog.addition)
        for one in (catalog, Catalog.open(store)):
            for shown in (one.images(), one.to_xarray(), one.to_xarray(lazy=True), one.compare(run_id, run_id)):
                assert shown.city.values.tolist() == ["Bonn", "Mainz", "Ulm"]
            assert one.to_xarray().status.values.tolist() == ["done"] * 3
        catalog.publish(None, tmp_path / "run.csv")
        assert pd.read_csv(tmp_path / "run.csv").city.tolist() == ["Bonn", "Mainz", "Ulm"]

    def test_a_column_that_is_all_told_anew_is_of_its_new_kind(self, tmp_path: Path, store: Store) -> None:
        survey = tmp_path / "survey.csv"
        survey.write_text("uri;score\na.jpg;3,25\nb.jpg;1.234,5\nc.jpg;\n")
        catalog = Catalog.create(store, survey)
        assert catalog.images().score.values.tolist() == ["3,25", "1.234,5", ""]
        survey.write_text("uri;score\na.jpg;3,25\nb.jpg;7,25\nc.jpg;\n")
        for _ in range(2):
            Catalog.create(store, survey, exist_ok=True)
            np.testing.assert_array_equal(Catalog.open(store).images().score, [3.25, 7.25, np.nan])

    def test_a_column_of_which_some_is_not_told_anew_stays_text(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=["a", "b", "3"]))
        catalog.add(pd.DataFrame({"uri": URIS[1:], "x": [2, 3]}))
        assert catalog.images().x.values.tolist() == ["a", "2", "3"]

    def test_what_stays_as_it_was_is_said(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1.0, 2.0, 3.0]))
        catalog.add(pd.DataFrame({"uri": URIS[:2], "x": [np.nan, 5.0]}))
        said = str(catalog.addition)
        assert "1 value of known images changed" in said
        assert "1 value that the table leaves empty kept as known" in said
        assert "1 image of the catalog not among these kept" in said
        catalog.add(table(x=[1.0, 5.0, 3.0]))
        assert str(catalog.addition) == "0 images added"

    def test_another_process_sees_them_at_its_next_look(self, store: Store) -> None:
        catalog, other = Catalog.create(store, table(x=[1, 2, 3])), Catalog.open(store)
        assert other.images().x.values.tolist() == [1, 2, 3]
        catalog.add(table(x=[1, 5, 3]))
        assert other.images().x.values.tolist() == [1, 5, 3]

    def test_a_covariate_that_comes_later(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS)
        catalog.add(table(score=[1.0, None, 3.0]))
        np.testing.assert_array_equal(catalog.images().score, [1.0, np.nan, 3.0])

    def test_a_table_given_beside_a_folder(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS)
        catalog.add(URIS, pd.DataFrame({"score": [2.0]}, index=["/b.jpg"]))
        np.testing.assert_array_equal(catalog.images().score, [np.nan, 2.0, np.nan])

    def test_a_missing_value_takes_nothing_away(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1.0, 2.0, 3.0], city=["Bonn", "Kiel", "Ulm"]))
        catalog.add(table(x=[None, 7.0, 3.0], city=[None, "", "Ulm"]))
        assert catalog.images().x.values.tolist() == [1.0, 7.0, 3.0]
        assert catalog.images().city.values.tolist() == ["Bonn", "Kiel", "Ulm"]

    def test_it_does_where_that_is_said(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1, 2, 3], city=["Bonn", "Kiel", "Ulm"]))
        catalog.add(table(x=[None, 2, 3], city=[None, "Kiel", "Ulm"]), erase=["x"])
        np.testing.assert_array_equal(catalog.images().x, [np.nan, 2, 3])
        assert catalog.images().city.values.tolist() == ["Bonn", "Kiel", "Ulm"]
        assert catalog.history("x")[["value", "replaced_by"]].values.tolist() == [[1, None]]
        catalog.add(table(x=[4, 2, 3]))
        assert catalog.images().x.values.tolist() == [4, 2, 3]

    @pytest.mark.parametrize("erase", ["x", ["y"], [""]])
    def test_what_is_to_be_erased_must_be_given(self, store: Store, erase: list[str]) -> None:
        catalog = Catalog.create(store, table(x=[1, 2, 3]))
        with pytest.raises(ValueError, match=r"erase: .* is not in a list of covariates given here; there are x"):
            catalog.add(table(x=[1, 2, 3]), erase=erase)

    def test_of_images_in_several_tables(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1, 2, 3]))
        catalog.add(pd.DataFrame({"uri": ["/d.jpg"], "y": ["new"]}))
        catalog.add(pd.DataFrame({"uri": ["/d.jpg", "/b.jpg", "/e.jpg"], "x": [4.5, 7, 5], "y": ["d", "b", "e"]}))
        images = Catalog.open(store).images()
        assert images.x.values.tolist() == [1, 7, 3, 4.5, 5]
        assert images.y.values.tolist() == ["", "b", "", "d", "e"]

    def test_of_a_catalog_of_the_first_version_s_tables(self, store: Store) -> None:
        """Its commits say nothing of where a table came from."""
        Catalog.create(store, table(x=[1, 2, 3]))
        remove(store, "images/00000/given_uri/zarr.json")
        old = b'{"segment": 0, "n_images": 3, "block_size": 16, "columns": ["uri", "x"]}'
        put(store, "images/commits/00000", old)
        catalog = Catalog.open(store)
        catalog.add(table(x=[1, 2, 9]))
        assert catalog.images().x.values.tolist() == [1, 2, 9]

    def test_a_covariate_of_a_name_that_is_taken_now_is_shown_under_another(self, store: Store) -> None:
        Catalog.create(store, table(x=[1, 2, 3]))
        old = b'{"segment": 0, "n_images": 3, "block_size": 16, "columns": ["uri", "given_uri"]}'
        put(store, "images/commits/00000", old)
        assert "given_uri (covariate)" in Catalog.open(store).images()


class TestHistory:
    def test_older_values_are_kept(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1, 2, 3], city=["Bonn", "Kiel", "Ulm"]))
        catalog.add(table(x=[1, 2.5, 3]))
        catalog.add(table(x=["1", "two", "3"], y=[None, None, True]))
        history = catalog.history()
        assert history[["image", "column", "value", "replaced_by"]].values.tolist() == [
            [1, "x", 2, 2.5],
            [1, "x", 2.5, "two"],
            [2, "y", None, True],
        ]
        assert history.uri.tolist() == ["/b.jpg", "/b.jpg", "/c.jpg"]
        assert history.changed.is_monotonic_increasing
        assert len(catalog.history("y")) == 1
        with pytest.raises(KeyError, match="has no covariate 'z'"):
            catalog.history("z")

    def test_many_changes_are_folded_and_stay_readable(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[0, 0, 0], city=["Bonn", "Kiel", "Ulm"]))
        for number in range(1, 20):
            catalog.add(pd.DataFrame({"uri": [URIS[number % 3]], "x": [number]}))
        assert names(store, "images/folds") == ["00007", "00015"]
        expected = [18, 19, 17]
        assert Catalog.open(store).images().x.values.tolist() == expected
        assert len(catalog.history("x")) == 19
        for key in keys(store, "images/folds"):  # they follow from the changes
            put(store, key, b"damaged")
        assert Catalog.open(store).images().x.values.tolist() == expected
        assert catalog.verify(repair=True).clean
        assert not catalog.verify()
        assert Catalog.open(store).images().x.values.tolist() == expected

    def test_a_change_that_is_lost_is_found_and_can_be_given_again(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1, 2, 3]))
        catalog.add(table(x=[1, 5, 3]))
        catalog.add(table(x=[1, 5, 6]))
        put(store, "images/changes/00000", b"damaged")
        with pytest.raises(CatalogError, match="images/changes/00000 in the catalog is damaged"):
            Catalog.open(store).images()
        assert [problem.kind for problem in catalog.verify(repair=True)] == ["change_lost"]
        assert not catalog.verify()
        assert catalog.images().x.values.tolist() == [1, 2, 6]
        catalog.add(table(x=[1, 5, 6]))
        assert catalog.images().x.values.tolist() == [1, 5, 6]


def _correct(catalog: Catalog, uri: str, values: range) -> None:
    for value in values:
        catalog.add(pd.DataFrame({"uri": [uri, f"/new-{uri[1]}-{value}.jpg"], "x": [value, value]}))


class TestSafety:
    def test_two_writers_at_once(self, store: Store) -> None:
        Catalog.create(store, table(x=[0, 0, 0]))
        threads = [
            threading.Thread(target=_correct, args=(Catalog.open(store), uri, range(1, 7)))
            for uri in ("/a.jpg", "/b.jpg")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        catalog = Catalog.open(store)
        assert catalog.images().x.values[:3].tolist() == [6, 6, 0]
        assert (len(catalog), len(catalog.history("x")), catalog.image_tables().changes.n) == (15, 12, 12)
        assert not catalog.verify()

    @pytest.mark.parametrize("after", [False, True])
    def test_a_writer_that_fails_at_any_write(self, after: bool) -> None:
        """What it did not write is found to be missing by the next one."""
        first, second = table(x=[1, 2, 3]), pd.DataFrame({"uri": [*URIS, "/d.jpg"], "x": [1, 5, "?", 4], "y": range(4)})
        at = 0
        while True:
            store = MemoryStore()
            for number in range(7):  # so that a later change is folded
                Catalog.create(store, first.assign(z=number), exist_ok=True)
            disturbed = DisturbedStore(store, at, _fail, after=after)
            catalog = Catalog.open(disturbed)
            try:
                catalog.add(second)
                catalog.remove([0, 1])
            except OSError:
                pass
            else:
                break
            catalog = Catalog.open(store)
            assert catalog.verify(repair=True).clean
            catalog.add(second)
            assert catalog.images().x.values.tolist() == ["1", "5", "?", "4"]
            catalog.remove([0, 1])
            assert catalog.as_written("y").tolist() == ["2", "3"]
            assert not catalog.verify()
            at += 1
        assert at > 10

    @pytest.mark.parametrize("before_commit", [True, False])
    def test_a_process_that_is_killed(self, tmp_path: Path, before_commit: bool) -> None:
        Catalog.create(tmp_path / "demo.zarr", table(x=[1, 2, 3]))
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_change_and_die, args=(tmp_path / "demo.zarr", before_commit))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        catalog = Catalog.open(tmp_path / "demo.zarr")
        assert catalog.images().x.values.tolist() == [1, 2, 3] if before_commit else [1, 7, 3]
        assert not catalog.verify()
        catalog.add(table(x=[1, 7, 3]))
        assert catalog.images().x.values.tolist() == [1, 7, 3]
        assert len(catalog.history()) == 1

    def test_what_is_folded_is_what_the_changes_come_to(self, store: Store) -> None:
        catalog = Catalog.create(store, table(x=[1, 2, 3]))
        values = [
            [1.5, 2, 3],
            [True, False, None],
            ["a", "b", None],
            pd.to_datetime(["2024-01-01"] * 3),
            [None, 2**60, 1],
        ]
        for number in range(9):
            catalog.add(table(x=values[number % len(values)], y=[number, None, "t"]))
            catalog.remove([number % 3])
        folded = list_changes(store, Changes())
        for key in keys(store, "images/folds"):
            remove(store, key)
        unfolded = list_changes(store, Changes())
        assert folded.n == unfolded.n
        assert folded.cells.keys() == unfolded.cells.keys()
        for key, cells in unfolded.cells.items():
            for one, other in zip(folded.cells[key], cells, strict=True):
                np.testing.assert_array_equal(one.rows, other.rows)
                np.testing.assert_array_equal(one.column.values, other.column.values)
                assert (one.column.kind, one.base) == (other.column.kind, other.base)


def _fail() -> None:
    raise OSError("disk full")


def _change_and_die(path: Path, before_commit: bool) -> None:
    import toolkit.catalog.format.changes as module

    create = module.put_if_absent

    def create_and_die(store: Store, key: str, value: bytes) -> bool:
        if not before_commit:
            create(store, key, value)
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    module.put_if_absent = create_and_die
    Catalog.open(path).add(table(x=[1, 7, 3]))
