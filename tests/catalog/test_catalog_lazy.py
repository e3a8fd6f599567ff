"""Lazy results: the same as those read at once, and read only where and when they are asked for."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from claiming import claim_next
from zarr.abc.store import Store
from zarr.storage import LocalStore, MemoryStore

from toolkit.catalog import Catalog, Failure, FailureLog, OwnedBlock, Owner, RunSettings
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTable, ImageTables
from toolkit.catalog.reading import lazy as lazy_module
from toolkit.catalog.reading.lazy import RowsOfTables, chunks_of, over_images

Note = Callable[..., None]
LATE = [f"/late/{number}.jpg" for number in range(7)]
LATEST = [f"/latest/{number}.jpg" for number in range(3)]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store: which kind it is does not matter here, and these tests read much."""
    return LocalStore(tmp_path / "demo.zarr") if request.param == "local" else MemoryStore()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a block or two, as if blocks were large."""
    monkeypatch.setattr(lazy_module, "_BYTES_PER_CHUNK", 1)


@pytest.fixture
def lazy_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are read lazily too, as if there were millions."""
    monkeypatch.setattr("toolkit.catalog.reading.views.LAZY_TEXTS_FROM", 0)


@pytest.fixture
def soft(settings: RunSettings) -> RunSettings:
    """A run that keeps the mean class probabilities."""
    return replace(settings, options={"soft_composition": True})


@pytest.fixture
def varied(catalog: Catalog, soft: RunSettings, note_done: Note, note_failed: Note) -> str:
    """A run over three tables, with done, failed and pending rows of several generations."""
    days = pd.date_range("2024-02-28", periods=7, freq="D")
    known = {
        "lat": np.arange(7.0),
        "day": days,
        "street": list("abcdefg"),
        "floors": range(7),
        "listed": [True] * 7,
        "width": np.arange(7, dtype=np.float32),
    }
    catalog.add(LATE, pd.DataFrame({"uri": LATE, **{f"photo_{name}": known[name] for name in known}}))
    less = {"photo_lat": [1.5, np.nan, 2.5], "photo_floors": [1, 2, 3], "photo_width": np.float32([1, np.nan, 2])}
    catalog.add(LATEST, pd.DataFrame({"uri": LATEST, **less}))
    run_id = catalog.start_run(soft)
    first, second, third = catalog.image_tables()
    probabilities = np.array([0.25, 0.25, 0.5], np.float32)

    def claim(shape: ImageTable, block: int) -> OwnedBlock:
        return claim_next(catalog, run_id, shape, block, Owner())

    older, newer, other, late = claim(first, 0), claim(first, 0), claim(first, 2), claim(second, 0)
    for row in (0, 1):
        note_done(older, row, 1, soft_composition=probabilities, confidence=0.75, label_place=row)
    note_failed(older, 2)
    note_failed(newer, 0, attempts=2, error=3)
    note_done(newer, 2, 2, attempts=2, engine="other:7", started=1_700_000_000_123, soft_composition=probabilities)
    note_failed(newer, 3, composition=np.ones(3, np.float32))
    note_done(other, 9, 0, soft_composition=probabilities)
    note_failed(late, third.n_images - 1, error=4)
    for owned in (older, newer, other, late):
        owned.writer.flush()
    return run_id


class TestSameAsAtOnce:
    def test_every_variable(self, catalog: Catalog, varied: str, small_chunks: None, lazy_texts: None) -> None:
        eager, lazy = catalog.to_xarray(varied, lazy=False), catalog.to_xarray(varied, lazy=True)
        large = {"composition", "soft_composition", "uri", "given_uri", "engine"}
        for name in eager.variables:
            assert isinstance(lazy[name].data, da.Array) == (name in large), name
            assert not isinstance(eager[name].data, da.Array), name
            if name in large:
                assert lazy[name].data.npartitions > 3, name
                assert lazy[name].dtype == lazy[name].compute().dtype, name
        xr.testing.assert_identical(lazy.compute(), eager)
        assert list(lazy.variables) == list(eager.variables)

    def test_what_is_small_is_in_memory(self, catalog: Catalog, varied: str, small_chunks: None) -> None:
        eager, lazy = catalog.to_xarray(varied, lazy=False), catalog.to_xarray(varied, lazy=True)
        assert {name for name in lazy.variables if isinstance(lazy[name].data, da.Array)} == {
            "composition",
            "soft_composition",
        }
        assert {name: lazy[name].dtype for name in lazy} == {name: eager[name].dtype for name in eager}
        xr.testing.assert_identical(lazy.compute(), eager)

    def test_every_block_alone(self, catalog: Catalog, varied: str, small_chunks: None, lazy_texts: None) -> None:
        eager, lazy = catalog.to_xarray(varied, lazy=False), catalog.to_xarray(varied, lazy=True)
        for rows in (slice(3, 5), slice(8, 18, 3), slice(18, 1, -3), slice(5, 5), [2, 19, 4]):
            xr.testing.assert_identical(lazy.isel(image=rows).compute(), eager.isel(image=rows))
        for row in (0, 9, 10, 19):
            xr.testing.assert_identical(lazy.isel(image=row).compute(), eager.isel(image=row))

    def test_what_is_computed_of_them(self, catalog: Catalog, varied: str, small_chunks: None) -> None:
        eager, lazy = catalog.to_xarray(varied, lazy=False), catalog.to_xarray(varied, lazy=True)
        mean = lazy.composition.mean("image").compute()
        xr.testing.assert_allclose(mean, eager.composition.mean("image"))
        assert int((lazy.status == "done").sum()) == int((eager.status == "done").sum()) == 4

    def test_several_runs(self, catalog: Catalog, varied: str, settings: RunSettings, small_chunks: None) -> None:
        other = catalog.start_run(replace(settings, class_names=("tree", "car")))
        eager = catalog.to_xarray([varied, other], lazy=False)
        with dask.config.set(scheduler=_refuse):
            lazy = catalog.to_xarray([varied, other], lazy=True)
        xr.testing.assert_identical(lazy.compute(), eager)
        assert lazy.uri.dims == ("image",)

    def test_without_images(self, catalog: Catalog, settings: RunSettings) -> None:
        assert chunks_of(ImageTables(), 600) == (0,)
        empty = over_images(lambda shape, rows: np.empty(0), ImageTables(), np.float32, (0,), 3)
        assert empty.compute().shape == (0, 3)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ([1, 2], [3, 4]),
            ([1, 2], None),
            ([2**60, 2], None),
            ([1, 2], [0.5, np.nan]),
            ([True, False], [False, False]),
            ([True, False], None),
            (["a", ""], None),
            (["a", "b"], [None, None]),
            ([None, None], ["a", "b"]),
            ([np.nan, 1.5], None),
            ([pd.Timestamp("2024-01-01"), pd.NaT], None),
            (np.float32([1, np.nan]), np.float32([2, 3])),
            (np.float32([1, 2]), np.float32([2, 3])),
            (np.uint8([1, 2]), np.uint8([2, 3])),
            (np.int8([1, 2]), np.int64([2, 3])),
        ],
        ids=str,
    )
    def test_covariates_of_every_kind(
        self, store: Any, settings: RunSettings, first: Any, second: Any, small_chunks: None, lazy_texts: None
    ) -> None:
        uris = [f"/{number}.jpg" for number in range(4)]
        catalog = Catalog.create(store, uris[:2], covariates=pd.DataFrame({"known": first}, index=uris[:2]))
        catalog.add(uris[2:], None if second is None else pd.DataFrame({"known": second}, index=uris[2:]))
        run_id = catalog.start_run(settings)
        eager, lazy = catalog.to_xarray(run_id, lazy=False), catalog.to_xarray(run_id, lazy=True)
        assert isinstance(lazy.known.data, np.ndarray)
        assert lazy.known.dtype == eager.known.dtype
        xr.testing.assert_identical(lazy.compute(), eager)


class TestWhenItIsRead:
    def test_opening_reads_nothing_large(
        self, catalog: Catalog, varied: str, monkeypatch: pytest.MonkeyPatch, small_chunks: None, lazy_texts: None
    ) -> None:
        read: list[slice] = []
        large = {"composition", "soft_composition", "engine"}

        really_read = RunResults.read

        def recorded(
            self: RunResults, table: ImageTable, rows: slice | None = None, fields: Collection[str] = ()
        ) -> Any:
            if large.intersection(fields):
                assert rows is not None
                read.append(rows)
            return really_read(self, table, rows, fields)

        monkeypatch.setattr(RunResults, "read", recorded)
        table = catalog.to_xarray(varied, lazy=True)
        assert read == []
        table.composition.isel(image=slice(5, 7)).compute()
        assert read in ([slice(5, 7)], [slice(4, 8)])  # whether dask reads less than a chunk is its own affair
        del read[:]
        assert table.engine.isel(image=12).values == "host:1"
        assert read in ([slice(2, 3)], [slice(0, 7)])

    def test_what_is_done_meanwhile_is_not_done_without_its_result(
        self, catalog: Catalog, run_id: str, note_done: Note, small_chunks: None
    ) -> None:
        table = catalog.to_xarray(run_id, lazy=True)
        before = table.composition.compute()
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 1, Owner())
        note_done(owned, 4)
        owned.writer.flush()
        assert before.isnull().all()
        assert set(table.status.values) == {"pending"}  # what was done when the table was opened
        assert table.composition.isnull().all()
        again = catalog.to_xarray(run_id, lazy=True)
        assert again.status.values.tolist().count("done") == 1
        assert again.composition.isel(image=4).sum() == 1

    def test_large_catalogs_are_read_lazily_by_default(
        self, catalog: Catalog, run_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert isinstance(catalog.to_xarray(run_id).composition.data, np.ndarray)
        bytes_of_compositions = 10 * 3 * 4
        monkeypatch.setattr("toolkit.catalog.reading.views.LAZY_FROM", bytes_of_compositions + 1)
        assert isinstance(catalog.to_xarray(run_id).composition.data, np.ndarray)
        monkeypatch.setattr("toolkit.catalog.reading.views.LAZY_FROM", bytes_of_compositions)
        assert isinstance(catalog.to_xarray(run_id).composition.data, da.Array)
        assert isinstance(catalog.to_xarray(run_id, lazy=False).composition.data, np.ndarray)


class TestChunks:
    @pytest.mark.parametrize("n_images", [1, 1024, 200_000, 10_000_000, 100_000_000])
    def test_they_are_whole_blocks_and_not_too_many(self, n_images: int) -> None:
        shape = ImageTable(0, n_images, 1024)
        chunks = chunks_of(ImageTables([shape]), 600)
        assert sum(chunks) == n_images
        assert len(chunks) <= 512
        assert all(chunk % 1024 == 0 for chunk in chunks[:-1])

    def test_small_tables_share_one(self) -> None:
        shapes = ImageTables(ImageTable(number, 5, 16) for number in range(10_000))
        chunks = chunks_of(shapes, 600)
        assert sum(chunks) == 50_000
        assert len(chunks) < 5

    def test_a_table_is_cut_at_blocks(self) -> None:
        assert list(ImageTable(0, 10, 4).parts(5)) == [slice(0, 8), slice(8, 10)]
        assert list(ImageTable(0, 10, 4).parts(1)) == [slice(0, 4), slice(4, 8), slice(8, 10)]

    def test_indexing_is_that_of_an_array(self) -> None:
        shapes = ImageTables([ImageTable(0, 5, 2), ImageTable(1, 1, 2), ImageTable(2, 4, 2)])
        values = {number: np.arange(3 * shape.n_images).reshape(-1, 3) for number, shape in enumerate(shapes)}
        rows = RowsOfTables(lambda shape, part: values[shape.number][part], shapes, np.dtype(int), (3,))
        whole = np.concatenate(list(values.values()))
        for index in (0, 9, slice(4, 7), slice(None, None, 2), slice(8, 2, -2), slice(3, 3), (slice(2, 8), 1), (5, 0)):
            np.testing.assert_array_equal(rows[index], whole[index])
        with pytest.raises(IndexError):
            rows[10]


class TestSummaries:
    """Tables of runs and errors look at some rows at a time."""

    def test_runs(self, catalog: Catalog, varied: str, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = catalog.runs()
        monkeypatch.setattr("toolkit.catalog.reading.views._ROWS_AT_ONCE", 4)
        pd.testing.assert_frame_equal(catalog.runs(), whole)
        assert whole.loc[varied, ["images", "pending", "done", "failed"]].tolist() == [20, 14, 4, 2]

    def test_errors(self, catalog: Catalog, varied: str, monkeypatch: pytest.MonkeyPatch) -> None:
        FailureLog(catalog.store, varied, Owner()).append([Failure(0, 3, 1, "missing", "gone")])
        whole = catalog.errors(varied)
        monkeypatch.setattr("toolkit.catalog.reading.views._ROWS_AT_ONCE", 4)
        pd.testing.assert_frame_equal(catalog.errors(varied), whole)
        assert whole.index.tolist() == [3, 12]
        assert whole.message.tolist() == ["gone", ""]


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("something was computed")
