"""Results: laid out in blocks, written with the status last, merged over generations."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from claiming import claim_next
from kinds_of_stores import CLASS_NAMES
from zarr.abc.store import Store

from toolkit.catalog import (
    DONE,
    ERROR_CODES,
    PENDING,
    Catalog,
    CatalogError,
    Failure,
    FailureLog,
    OwnedBlock,
    Owner,
    RunSettings,
)
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.layout import RESULT_FIELDS, STATUS, generation_path, log_path
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.store.objects import get, keys, put, remove

Note = Callable[..., None]
FIELDS = [field for field in RESULT_FIELDS if not field.optional]


@pytest.fixture
def claim(catalog: Catalog, run_id: str) -> Callable[..., OwnedBlock]:
    """Claims a block of the catalog's first table of images."""

    def claim(block: int = 0) -> OwnedBlock:
        return claim_next(catalog, run_id, catalog.image_tables()[0], block, Owner())

    return claim


Claim = Callable[..., OwnedBlock]


class TestLayout:
    def test_every_array_per_image_has_the_block_as_its_chunk(self, store: Store, run_id: str, claim: Claim) -> None:
        claim()
        for field in FIELDS:
            array = zarr.open_array(store, path=f"{generation_path(run_id, 0, 0)}/{field.name}", mode="r")
            assert array.chunks[0] == 4, field.name
            assert array.shards is None, field.name
            assert array.metadata.dimension_names[0] == "image", field.name

    def test_every_array_per_image_is_preallocated(self, store: Store, run_id: str, claim: Claim) -> None:
        claim()
        group = zarr.open_group(store, path=generation_path(run_id, 0, 0), mode="r")
        shapes = {name: array.shape for name, array in group.arrays()}
        assert shapes.pop("class_name") == (3,)
        assert shapes.pop("composition") == (10, 3)
        assert set(shapes.values()) == {(10,)}
        assert set(shapes) == {field.name for field in FIELDS} - {"composition"}

    def test_uris_and_covariates_have_the_same_blocks(self, store: Store, catalog: Catalog) -> None:
        array = zarr.open_array(store, path="images/00000/uri", mode="r")
        assert (array.shape, array.chunks) == ((10,), (4,))

    def test_a_flush_touches_the_chunks_of_its_block_only(
        self, tmp_path: Path, settings: RunSettings, note_done: Note
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", [f"/{number}.jpg" for number in range(10)], block_size=4)
        run_id = catalog.start_run(settings)
        owned = [claim_next(catalog, run_id, catalog.image_tables()[0], block, Owner()) for block in range(3)]
        note_done(owned[1], 5)
        owned[1].writer.flush()
        chunks = {path.name for path in (tmp_path / "demo.zarr" / "runs").glob("*/00000/0/status/c/*")}
        assert chunks == {"1"}

    def test_a_generation_opens_in_xarray_as_it_is(
        self, tmp_path: Path, settings: RunSettings, note_done: Note
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", ["/a.jpg", "/b.jpg"])
        run_id = catalog.start_run(settings)
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, Owner())
        note_done(owned, 1, 2)
        owned.writer.flush()
        opened = xr.open_zarr(tmp_path / "demo.zarr", group=f"runs/{run_id}/00000/0", consolidated=False)
        assert opened.composition.dims == ("image", "class_name")
        assert opened.class_name.values.tolist() == ["sky", "tree", "road"]
        assert opened.status.values.tolist() == [PENDING, DONE]
        assert opened.composition.sel(class_name="road").values.tolist()[1] == 1.0


class TestWriting:
    def test_the_status_is_written_last(self, claim: Claim, note_done: Note, monkeypatch: pytest.MonkeyPatch) -> None:
        order: list[str] = []
        write = GenerationArrays.write

        def recorded(self: GenerationArrays, field: object, *rest: object) -> None:
            order.append(field.name)  # type: ignore[attr-defined]
            write(self, field, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(GenerationArrays, "write", recorded)
        owned = claim()
        for row in range(2):
            note_done(owned, row)
            owned.writer.flush()
        first, second = order[: len(FIELDS)], order[len(FIELDS) :]
        assert set(first) == {field.name for field in FIELDS}
        of_picture = {field.name for field in FIELDS if field.later}
        assert set(second) == set(first) - {"error", "confidence", "label_place"} - of_picture  # what was noted again
        for flush in (first, second):
            assert flush[-1] == STATUS.name
            assert len(flush) == len(set(flush))

    @pytest.mark.parametrize("survivors", range(len(FIELDS)))
    def test_a_flush_that_dies_half_way_shows_nothing(
        self,
        catalog: Catalog,
        run_id: str,
        claim: Claim,
        note_done: Note,
        monkeypatch: pytest.MonkeyPatch,
        survivors: int,
    ) -> None:
        write = GenerationArrays.write
        written: list[object] = []

        def dying(self: GenerationArrays, field: object, *rest: object) -> None:
            if len(written) == survivors:
                raise OSError(28, "No space left on device")
            written.append(field)
            write(self, field, *rest)  # type: ignore[arg-type]

        owned = claim()
        note_done(owned, 0)
        owned.writer.flush()
        of_picture = {"valid_fraction": 1.0, "blank": True, "pixels_digest": 1, "perceptual_hash": 1}
        note_done(owned, 1, error=0, confidence=0.5, label_place=-1, **of_picture)  # every field
        with monkeypatch.context() as patch:
            patch.setattr(GenerationArrays, "write", dying)
            with pytest.raises(OSError, match="No space left"):
                owned.writer.flush()
        table = catalog.to_xarray(run_id)
        assert table.status.values.tolist()[:3] == ["done", "pending", "pending"]
        assert np.isnan(table.composition[1:]).all()
        assert table.attempts.values.tolist()[1] == 0

    def test_a_flush_that_failed_can_be_repeated(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        owned = claim()
        note_done(owned, 0)
        with monkeypatch.context() as patch:
            patch.setattr(GenerationArrays, "write", full)
            with pytest.raises(OSError, match="No space left"):
                owned.writer.flush()
        owned.writer.flush()
        assert catalog.to_xarray(run_id).status.values.tolist()[0] == "done"

    def test_nothing_noted_nothing_written(self, claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
        owned = claim()
        written: list[object] = []
        monkeypatch.setattr(GenerationArrays, "write", lambda *arguments: written.append(arguments))
        owned.writer.flush()
        assert written == []

    def test_a_field_that_does_not_exist_is_refused(self, claim: Claim) -> None:
        with pytest.raises(KeyError, match="colour"):
            claim().writer.set(0, colour=3)


@pytest.mark.usefixtures("quick_lives")
class TestLargeBlocks:
    """Their compositions lie in chunks of 1,024 rows, so that what was flushed before need not be written again."""

    ROWS = slice(0, 4096)

    @pytest.fixture
    def catalog(self, store: Store) -> Catalog:
        return Catalog.create(store, [f"/photos/{number}.jpg" for number in range(5000)], block_size=4096)

    def test_a_flush_writes_what_is_new(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: dict[str, list[slice]] = {}
        write = GenerationArrays.write

        def recorded(self: GenerationArrays, field: Any, rows: slice, values: np.ndarray) -> None:
            written.setdefault(field.name, []).append(rows)
            write(self, field, rows, values)

        monkeypatch.setattr(GenerationArrays, "write", recorded)
        owned = claim()
        note_done(owned, 5)
        owned.writer.flush()
        assert written.pop("composition") == [self.ROWS]
        assert all(rows == [self.ROWS] for rows in written.values())
        written.clear()
        for row in (1030, 1031, 2047, 2048, 4095):
            note_done(owned, row)
        owned.writer.flush()
        assert written["composition"] == [slice(1024, 4096)]
        assert written["status"] == [self.ROWS]
        written.clear()
        for row in (0, 2050):
            note_done(owned, row, label_place=row)
        owned.writer.flush()
        assert written["composition"] == [slice(0, 1024), slice(2048, 3072)]
        written.clear()
        owned.writer.set(7, label_place=3)
        owned.writer.flush()
        assert written == {"label_place": [self.ROWS]}
        done = np.flatnonzero(catalog.to_xarray(run_id).status == "done")
        assert done.tolist() == [0, 5, 1030, 1031, 2047, 2048, 2050, 4095]

    def test_a_block_at_the_end(self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note) -> None:
        owned = claim(1)
        note_done(owned, 4999, 2)
        owned.writer.flush()
        assert catalog.to_xarray(run_id).composition.values[4999].tolist() == [0, 0, 1]
        assert catalog.verify().whole

    @pytest.mark.parametrize("in_whole_blocks", [False, True])
    def test_what_older_versions_began_goes_on(
        self,
        store: Store,
        catalog: Catalog,
        run_id: str,
        claim: Claim,
        note_done: Note,
        in_whole_blocks: bool,
    ) -> None:
        arrays = GenerationArrays(store, run_id, catalog.image_tables()[0], 0)
        arrays.create(CLASS_NAMES, in_whole_blocks=in_whole_blocks)
        for block, row in ((0, 1500), (1, 4998)):
            owned = claim(block)
            note_done(owned, row, 1)
            owned.writer.flush()
            note_done(owned, row + 1, 2)
            owned.writer.flush()
        assert arrays.rows_per_chunk(RESULT_FIELDS[0]) == (4096 if in_whole_blocks else 1024)
        before = catalog.to_xarray(run_id)
        assert np.flatnonzero(before.status == "done").tolist() == [1500, 1501, 4998, 4999]
        assert catalog.verify().whole
        for key in ("zarr.json", "status/zarr.json", "composition/zarr.json"):
            remove(store, f"{generation_path(run_id, 0, 0)}/{key}")
            assert [problem.kind for problem in catalog.verify(repair=True)].count("metadata") == 1
            xr.testing.assert_identical(catalog.to_xarray(run_id), before)
        remove(store, f"{generation_path(run_id, 0, 0)}/composition/c/0/0")
        assert "unreadable" in [problem.kind for problem in catalog.verify(repair=True)]
        after = catalog.to_xarray(run_id)
        assert np.flatnonzero(after.status == "done").tolist() == [4998, 4999]
        assert not [key for key in keys(store, generation_path(run_id, 0, 0)) if "/c/0" in key and "class" not in key]


class TestGenerations:
    """Rows 0…3 are the first block."""

    def status(self, catalog: Catalog, run_id: str) -> list[str]:
        merged = catalog.to_xarray(run_id).status.values.tolist()
        shape = catalog.image_tables()[0]
        names = np.array(["pending", "done", "failed"])
        assert names[catalog.run_results(run_id).status(shape)].tolist() == merged  # the cheap reader agrees
        return merged[:4]

    def test_an_older_done_beats_a_newer_failed(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        older, newer = claim(), claim()
        note_done(older, 0, 1)
        older.writer.flush()
        note_failed(newer, 0, attempts=2)
        newer.writer.flush()
        assert self.status(catalog, run_id)[0] == "done"
        table = catalog.to_xarray(run_id)
        assert (table.attempts.values[0], table.error.values[0]) == (1, "")
        assert table.composition.values[0].tolist() == [0, 1, 0]

    def test_a_newer_done_beats_an_older_failed(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        older, newer = claim(), claim()
        note_failed(older, 0)
        older.writer.flush()
        note_done(newer, 0, 2, attempts=2)
        newer.writer.flush()
        assert self.status(catalog, run_id)[0] == "done"
        assert catalog.to_xarray(run_id).attempts.values[0] == 2
        assert catalog.errors(run_id).empty

    def test_of_two_done_the_newer_counts(self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note) -> None:
        older, newer = claim(), claim()
        for owned, class_index in ((newer, 2), (older, 1)):
            note_done(owned, 0, class_index)
            owned.writer.flush()
        assert catalog.to_xarray(run_id).composition.values[0].tolist() == [0, 0, 1]

    def test_of_two_failed_the_newer_counts(
        self, catalog: Catalog, run_id: str, claim: Claim, note_failed: Note
    ) -> None:
        older, newer = claim(), claim()
        note_failed(newer, 0, attempts=2, error=5)
        newer.writer.flush()
        note_failed(older, 0, error=1)
        older.writer.flush()
        assert self.status(catalog, run_id)[0] == "failed"
        table = catalog.to_xarray(run_id)
        assert (table.attempts.values[0], table.error.values[0]) == (2, "not_an_image")

    def test_what_a_newer_generation_lacks_comes_from_older_ones(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        first, second, third = claim(), claim(), claim()
        note_done(first, 0)
        note_failed(first, 1)
        first.writer.flush()
        note_done(second, 2)
        second.writer.flush()
        note_done(third, 3)
        third.writer.flush()
        assert self.status(catalog, run_id) == ["done", "failed", "done", "done"]
        results = catalog.run_results(run_id).read(catalog.image_tables()[0], slice(0, 4))
        assert results.generation.tolist() == [0, 0, 1, 2]

    def test_an_owner_that_wakes_up_late_changes_nothing_newer(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        sleeper, owner = claim(), claim()
        for row in range(2):
            note_done(owner, row, 2)
        owner.writer.flush()
        before = catalog.to_xarray(run_id)
        note_done(sleeper, 0, 0, attempts=9)
        note_failed(sleeper, 1, attempts=9)
        note_done(sleeper, 2, 0)
        sleeper.writer.flush()
        after = catalog.to_xarray(run_id)
        xr.testing.assert_identical(before.isel(image=[0, 1]), after.isel(image=[0, 1]))
        assert self.status(catalog, run_id) == ["done", "done", "done", "pending"]  # its own work is not lost

    def test_blocks_have_generations_of_their_own(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note
    ) -> None:
        for _ in range(3):
            first = claim(0)
        last = claim(2)
        note_done(first, 0)
        first.writer.flush()
        note_done(last, 9)
        last.writer.flush()
        assert catalog.to_xarray(run_id).status.values.tolist() == ["done", *["pending"] * 8, "done"]

    def test_a_generation_that_was_not_created_completely_does_not_count(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_done: Note
    ) -> None:
        owned = claim()
        note_done(owned, 0)
        owned.writer.flush()
        half = zarr.create_group(store, path=generation_path(run_id, 0, 1))
        half.create_array("composition", shape=(10, 3), chunks=(4, 3), dtype="float32")
        assert self.status(catalog, run_id)[0] == "done"

    def test_one_with_results_counts_whatever_metadata_is_lost(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_done: Note
    ) -> None:
        owned = claim()
        note_done(owned, 1)
        owned.writer.flush()
        remove(store, f"{generation_path(run_id, 0, 0)}/class_name/zarr.json")
        assert (catalog.to_xarray(run_id).status == "done").sum() == 1
        found = catalog.verify()
        assert not found.whole
        assert "metadata" in {problem.kind for problem in found}

    def test_an_owner_whose_block_was_forgotten_writes_all_of_it_again(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        """As when it was silent, and something that cannot be read was mended meanwhile."""
        owned = claim()
        note_done(owned, 0)
        note_done(owned, 1)
        owned.writer.flush()
        GenerationArrays(store, run_id, catalog.image_tables()[0], 0).remove_block(0)
        note_failed(owned, 2)
        owned.writer.flush()
        results = catalog.to_xarray(run_id)
        assert results.status.values[:3].tolist() == ["done", "done", "failed"]
        assert not np.isnan(results.composition.values[:2]).any()

    def test_what_was_mended_by_another_is_seen_without_opening_again(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_done: Note
    ) -> None:
        owned = claim()
        note_done(owned, 1)
        owned.writer.flush()
        path = f"{generation_path(run_id, 0, 0)}/engine/zarr.json"
        metadata = get(store, path)
        assert metadata is not None
        remove(store, path)
        mine = Catalog.open(store)
        with pytest.raises(CatalogError):
            mine.to_xarray(run_id)
        put(store, path, metadata)
        assert (mine.to_xarray(run_id).status == "done").sum() == 1

    def test_reading_some_rows_agrees_with_reading_all(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note
    ) -> None:
        for block, row in ((0, 3), (1, 4), (2, 9)):
            owned = claim(block)
            note_done(owned, row, row % 3)
            owned.writer.flush()
        shape = catalog.image_tables()[0]
        run = catalog.run_results(run_id)
        whole, part = run.read(shape), run.read(shape, slice(3, 5))
        for name, values in part.values.items():
            np.testing.assert_array_equal(values, whole.values[name][3:5])
        assert part.status.tolist() == [DONE, DONE]


class TestTable:
    def test_what_it_holds(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        owned = claim()
        note_done(owned, 1, 1, started=1_700_000_000_123, seconds=0.25, height=480, width=640)
        note_failed(owned, 2, started=1_700_000_000_500)
        owned.writer.flush()
        table = catalog.to_xarray(run_id)
        assert dict(table.sizes) == {"image": 10, "class_name": 3}
        assert table.composition.dtype == np.float32
        assert table.status.values.tolist()[:4] == ["pending", "done", "failed", "pending"]
        assert table.error.values.tolist()[:4] == ["", "", "missing", ""]
        assert table.attempts.values.tolist()[:4] == [0, 1, 1, 0]
        assert table.engine.values.tolist()[:4] == ["", "host:1", "host:1", ""]
        assert table.started.values[1] == np.datetime64("2023-11-14T22:13:20.123")
        assert np.isnat(table.started.values[0])
        assert table.seconds.values[1] == 0.25
        assert (table.height.values[1], table.width.values[1]) == (480, 640)
        assert table.uri.values[1] == "/photos/1.jpg"
        assert table.class_name.values.tolist() == ["sky", "tree", "road"]
        assert table.attrs["run_id"] == run_id

    def test_compositions_are_missing_unless_done(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        owned = claim()
        note_done(owned, 0)
        note_failed(owned, 1, composition=np.ones(3, np.float32))
        owned.writer.flush()
        composition = catalog.to_xarray(run_id).composition
        assert composition[0].sum() == 1
        assert np.isnan(composition[1:]).all()

    def test_every_error_code_has_its_name(self, store: Store, settings: RunSettings, note_failed: Note) -> None:
        catalog = Catalog.create(store, [f"/{code}.jpg" for code in ERROR_CODES], block_size=len(ERROR_CODES))
        run_id = catalog.start_run(settings)
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, Owner())
        for row in range(len(ERROR_CODES)):
            note_failed(owned, row, error=row)
        owned.writer.flush()
        assert tuple(catalog.to_xarray(run_id).error.values) == ERROR_CODES

    def test_it_can_be_written_to_a_file(
        self, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, tmp_path: Path
    ) -> None:
        owned = claim()
        note_done(owned, 0)
        owned.writer.flush()
        table = catalog.to_xarray(run_id)
        table.to_zarr(tmp_path / "copy.zarr", consolidated=False)
        copy = xr.open_zarr(tmp_path / "copy.zarr", consolidated=False)
        assert copy.status.values.tolist() == table.status.values.tolist()


class TestErrors:
    def test_they_name_image_code_engine_time_and_reason(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_done: Note, note_failed: Note
    ) -> None:
        log = FailureLog(store, run_id, Owner())
        log.append([Failure(0, 2, 0, "missing", "/photos/2.jpg: the file does not exist")])
        owned = claim()
        note_done(owned, 1)
        note_failed(owned, 2, started=1_700_000_000_123)
        owned.writer.flush()
        errors = catalog.errors(run_id)
        assert errors.index.tolist() == [2]
        assert errors.index.name == "image"
        row = errors.loc[2]
        assert (row.uri, row.error, row.attempts, row.engine) == ("/photos/2.jpg", "missing", 1, "host:1")
        assert row.message == "/photos/2.jpg: the file does not exist"
        assert row.time == np.datetime64("2023-11-14T22:13:20.123")

    def test_the_message_is_that_of_the_last_attempt(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_failed: Note
    ) -> None:
        FailureLog(store, run_id, Owner()).append([Failure(0, 0, 0, "missing", "gone")])
        FailureLog(store, run_id, Owner()).append([Failure(0, 0, 1, "empty", "no bytes")])
        for attempts, error in ((1, 1), (2, 3)):
            owned = claim()
            note_failed(owned, 0, attempts=attempts, error=error)
            owned.writer.flush()
        errors = catalog.errors(run_id)
        assert errors[["error", "attempts", "message"]].values.tolist() == [["empty", 2, "no bytes"]]

    def test_images_of_later_tables_have_their_row_in_the_catalog(
        self, store: Store, catalog: Catalog, run_id: str, note_failed: Note
    ) -> None:
        catalog.add(["/photos/new.jpg"])
        FailureLog(store, run_id, Owner()).append([Failure(1, 0, 0, "missing", "gone")])
        owned = claim_next(catalog, run_id, catalog.image_tables()[1], 0, Owner())
        note_failed(owned, 0)
        owned.writer.flush()
        errors = catalog.errors(run_id)
        assert errors.index.tolist() == [10]
        assert errors.loc[10, "uri"] == "/photos/new.jpg"
        assert errors.loc[10, "message"] == "gone"

    def test_no_errors_are_an_empty_table_of_the_same_columns(self, catalog: Catalog, run_id: str) -> None:
        errors = catalog.errors(run_id)
        assert errors.empty
        assert errors.columns.tolist() == ["uri", "error", "attempts", "engine", "time", "message"]

    def test_several_flushes_of_a_log_are_kept(
        self, store: Store, catalog: Catalog, run_id: str, claim: Claim, note_failed: Note
    ) -> None:
        log = FailureLog(store, run_id, Owner())
        owned = claim()
        for row in range(3):
            log.append([Failure(0, row, 0, "missing", f"row {row}\nsecond line")])
            note_failed(owned, row)
        owned.writer.flush()
        assert catalog.errors(run_id).message.tolist() == [f"row {row}\nsecond line" for row in range(3)]

    def test_a_log_that_was_being_written_when_its_driver_died_does_no_harm(
        self, tmp_path: Path, settings: RunSettings, note_failed: Note
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", ["/a.jpg", "/b.jpg"])
        run_id = catalog.start_run(settings)
        FailureLog(catalog.store, run_id, owner := Owner()).append([Failure(0, 0, 0, "missing", "gone")])
        cut = tmp_path / "demo.zarr" / log_path(run_id) / owner.name / "000001.0123456789abcdef.partial"
        cut.write_text('{"segment": 0, "row": 1, "att')
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, Owner())
        note_failed(owned, 0)
        owned.writer.flush()
        assert catalog.errors(run_id).message.tolist() == ["gone"]


def test_images_added_while_results_are_read_do_not_disturb_the_reader(
    catalog: Catalog, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[int] = []

    read = RunResults.read

    def read_and_add(*arguments: Any, **options: Any) -> Any:
        if not added:
            added.append(catalog.add(["/photos/late.jpg"]))
        return read(*arguments, **options)

    monkeypatch.setattr(RunResults, "read", read_and_add)
    assert catalog.to_xarray(run_id).sizes["image"] == 10
    assert catalog.to_xarray(run_id).sizes["image"] == 11


def test_no_runs_at_all_cannot_be_aligned(catalog: Catalog, run_id: str) -> None:
    with pytest.raises(ValueError, match="empty sequence"):
        catalog.to_xarray([])


def test_a_catalog_whose_creation_was_killed_is_empty(tmp_path: Path, settings: RunSettings) -> None:
    catalog = Catalog.create(tmp_path / "demo.zarr", ["/a.jpg"])
    shutil.rmtree(tmp_path / "demo.zarr" / "images")
    assert catalog.images().sizes["image"] == 0
    run_id = catalog.start_run(settings)
    assert catalog.to_xarray(run_id).sizes["image"] == 0
    assert catalog.runs().loc[run_id, "images"] == 0
