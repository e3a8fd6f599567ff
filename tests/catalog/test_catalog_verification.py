"""Whatever becomes of an object in the store, it is found, named, and mended where that is possible."""

import dataclasses
import json
import multiprocessing
import os
import re
import signal
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from claiming import claim_next
from everything import EVERYTHING
from kinds_of_stores import Note
from zarr.abc.store import Store
from zarr.storage import LocalStore, MemoryStore

import toolkit as tk
from toolkit.catalog import Catalog, CatalogError, Heartbeat, ImageTable, Owner, RunSettings
from toolkit.catalog.errors import DamagedError
from toolkit.catalog.format.layout import generation_path, label_path
from toolkit.catalog.format.tables import list_commits
from toolkit.catalog.store.objects import get, keys, put, remove, remove_all
from toolkit.catalog.verifying.verification import Verification
from toolkit.testing.small_run import N_IMAGES, assert_same, make_images, run, small_model

pytestmark = pytest.mark.usefixtures("quick_lives")

DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "changed": lambda content: content[: len(content) // 2] + b"#" + content[len(content) // 2 + 1 :],
    "emptied": lambda content: b"",
    "gone": lambda content: None,
}
UNNOTICED = [
    r"images/changes/.*",  # that the newest is gone cannot be known; the others: see `test_catalog_changes`
    r"claims/images/.*",  # only whoever adds images reads it, and takes the next number
    r".*/00000(/0)?/zarr\.json|(runs|images)(/commits)?/zarr\.json|.*/labels(/\d+)?/zarr\.json",  # of plain groups
    r"owners/.*",  # of a driver that ended
    r".*/(log|sessions)/.*",  # that it is gone, or has other words, cannot be known
]
"""Objects of which damage may go unnoticed, because nothing follows from them."""
GONE = Owner(pid=os.getpid(), began=1)
"""A process that had this one's number before."""
FROM_OUTSIDE = ("image_table", "run_record")
"""Kinds of problems that cannot be mended from within."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def model() -> tk.Model:
    return small_model()


@pytest.fixture(scope="module")
def whole(images: list[Path], model: tk.Model) -> MemoryStore:
    """The store of a finished run."""
    store = MemoryStore()
    run(store, images, model)
    return store


@pytest.fixture(scope="module")
def expected(whole: MemoryStore) -> xr.Dataset:
    return Catalog.open(whole).to_xarray()


def kinds(verification: Verification) -> list[str]:
    return sorted({problem.kind for problem in verification})


def kinds_of_objects(store: Store) -> list[str]:
    """One object of each kind: paths that differ in numbers and names alone are of one kind."""
    found: dict[str, str] = {}
    for key in keys(store, ""):
        found.setdefault(re.sub(r"[0-9a-f]{16}|\d+|(?<=/)vm-[^/]*|(?<=owners/).*", "N", key), key)
    return sorted(found.values())


def read_everything(catalog: Catalog) -> list[object]:
    """What people ask of a catalog."""
    maps = [catalog.labels(None, image) for image in range(N_IMAGES - 1)]
    return [catalog.to_xarray(), catalog.errors(), catalog.runs(), catalog.images(), catalog.sessions(), maps]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_named_and_mended(
    whole: MemoryStore, expected: xr.Dataset, images: list[Path], model: tk.Model, damage: str
) -> None:
    objects = kinds_of_objects(whole)
    assert len(objects) > 30
    # Half of them, so that each suffers two kinds of damage; all if the environment asks for it.
    for key in objects if EVERYTHING else objects[list(DAMAGE).index(damage) % 2 :: 2]:
        store = MemoryStore(dict(whole._store_dict))
        content = get(store, key)
        assert content is not None
        damaged = DAMAGE[damage](content)
        if damaged is None:
            remove(store, key)
        else:
            put(store, key, damaged)
        if key == "zarr.json":
            with pytest.raises(CatalogError, match=r"is a catalog whose zarr\.json is damaged or gone"):
                Catalog.open(store)
            continue
        catalog = Catalog.open(store)
        found = catalog.verify(labels=True)
        if not any(re.fullmatch(pattern, key) for pattern in UNNOTICED):
            assert not found.clean, key
        try:
            read_everything(catalog)  # all of it, or an error that names what is damaged
        except (CatalogError, KeyError) as error:
            damaged_one = (key, str(error))
            assert not found.clean, damaged_one
        catalog.verify(repair=True, labels=True)
        again = catalog.verify(labels=True)
        assert set(kinds(again)) <= set(FROM_OUTSIDE), (key, str(again))
        if "image_table" not in kinds(again):
            catalog = run(store, images, model)
            assert_same(catalog.to_xarray(), expected)


class TestLeftBehind:
    """What processes leave when they die."""

    def test_a_whole_catalog_is_clean(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        self.finish_a_block(catalog, run_id, note_done, GONE)
        found = catalog.verify(labels=True)
        assert (found.clean, found, found.images_checked) == (True, [], 4)
        assert str(found) == "clean: 4 results checked"

    def finish_a_block(self, catalog: Catalog, run_id: str, note_done: Note, owner: Owner | None = None) -> None:
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, owner)
        for row in range(4):
            (place,) = owned.labels.write(row, [np.zeros((2, 3), np.uint8)])
            note_done(owned, row, label_place=place.packed())
        owned.writer.flush()

    def test_label_maps_that_nobody_refers_to(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        self.finish_a_block(catalog, run_id, note_done, GONE)
        claim_next(catalog, run_id, catalog.image_tables()[0], 1, GONE).labels.write(0, [np.ones((2, 3), np.uint8)])
        found = catalog.verify(repair=True)
        assert kinds(found) == ["labels_orphaned"]
        assert (found.clean, found.whole) == (True, True)
        assert not catalog.verify()
        assert catalog.labels(run_id, 3).shape == (2, 3)

    def test_results_without_a_status(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        self.finish_a_block(catalog, run_id, note_done, GONE)
        remove(catalog.store, f"{generation_path(run_id, 0, 0)}/status/c/0")
        assert kinds(catalog.verify(repair=True)) == ["labels_orphaned", "unfinished"]
        assert not catalog.verify()

    def test_a_heartbeat_that_stopped(self, catalog: Catalog) -> None:
        Heartbeat(catalog.store, GONE)._beat()
        found = catalog.verify()
        assert kinds(found) == ["stale_heartbeat"]
        assert not found.clean
        assert "left over: stale_heartbeat at owners/" in str(found)
        assert found.whole
        assert catalog.verify(repair=True).clean
        assert not catalog.verify()

    def test_files_that_were_being_written(self, tmp_path: Path) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", ["/photos/0.jpg"])
        partial = tmp_path / "demo.zarr" / "images" / f"zarr.{uuid.uuid4().hex}.partial"
        partial.write_bytes(b"half")
        assert not catalog.verify(repair=True)  # somebody may be writing it
        os.utime(partial, (1, 1))
        assert kinds(catalog.verify(repair=True)) == ["partial_file"]
        assert not partial.exists()
        assert not catalog.verify()

    def test_a_run_that_was_being_entered_is_none(self, tmp_path: Path) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", ["/photos/0.jpg"])
        folder = tmp_path / "demo.zarr" / "runs" / "c0ffee"
        folder.mkdir(parents=True)
        (folder / f"zarr.{uuid.uuid4().hex}.partial").write_bytes(b"half")
        assert not catalog.verify(repair=True)
        assert catalog.runs().empty

    @pytest.fixture
    def interrupted(self, tmp_path: Path) -> Catalog:
        """One image; whoever added another was killed before it was committed."""
        Catalog.create(tmp_path / "demo.zarr", ["/photos/0.jpg"])
        process = multiprocessing.get_context("spawn").Process(target=_add_and_die, args=(tmp_path / "demo.zarr",))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        return Catalog.open(tmp_path / "demo.zarr")

    def test_images_that_were_never_committed(self, interrupted: Catalog) -> None:
        assert len(interrupted) == 1
        assert kinds(interrupted.verify()) == ["uncommitted_segment"]
        assert interrupted.verify(repair=True).clean
        assert not interrupted.verify()
        assert interrupted.images().uri.values.tolist() == ["/photos/0.jpg", "/photos/1.jpg"]

    def test_images_that_were_added_again_since(self, interrupted: Catalog) -> None:
        interrupted.add(["/photos/1.jpg"])
        assert interrupted.verify(repair=True).clean
        assert not interrupted.verify()
        assert interrupted.images().uri.values.tolist() == ["/photos/0.jpg", "/photos/1.jpg"]


def _add_and_die(path: Path) -> None:
    catalog = Catalog.open(path)
    import toolkit.catalog.adding as module

    module.commit_table = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    catalog.add(["/photos/1.jpg"])


class TestLiving:
    """What belongs to drivers that may live is left alone."""

    def test_a_block_that_is_being_written(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        owner = Owner(host="far", place="another machine")
        with Heartbeat(catalog.store, owner, time_to_live=0.3):
            owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, owner)
            (place,) = owned.labels.write(0, [np.ones((2, 3), np.uint8)])
            found = catalog.verify(repair=True)
            assert (found, found.blocks_skipped) == ([], 1)
            assert "1 blocks left out as drivers work on them" in str(found)
            note_done(owned, 0, label_place=place.packed())
            owned.writer.flush()
        assert catalog.labels(run_id, 0).all()
        assert (catalog.verify(labels=True), catalog.verify().images_checked) == ([], 1)

    def test_an_older_generation_of_one_that_lives(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        owner = Owner(host="far", place="another machine")
        with Heartbeat(catalog.store, owner, time_to_live=0.3):
            owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, owner)
            (place,) = owned.labels.write(0, [np.ones((2, 3), np.uint8)])
            claim_next(catalog, run_id, catalog.image_tables()[0], 0, GONE)  # took it for dead
            assert not catalog.verify(repair=True)
            note_done(owned, 0, label_place=place.packed())
            owned.writer.flush()
        assert catalog.labels(run_id, 0).all()

    def test_one_that_is_silent_may_wake_up(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        owner = Owner(host="far", place="another machine")
        Heartbeat(catalog.store, owner, time_to_live=0.1)._beat()  # and never again
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, owner)
        (place,) = owned.labels.write(0, [np.ones((2, 3), np.uint8)])
        found = catalog.verify(repair=True)
        assert kinds(found) == ["labels_orphaned"]
        assert (found.clean, found.whole) == (False, True)
        assert "its driver may not have ended, so it is kept" in str(found)
        note_done(owned, 0, label_place=place.packed())
        owned.writer.flush()
        assert catalog.labels(run_id, 0).all()

    def test_damage_of_one_that_died_elsewhere_is_found(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        """As after a loss of power: the heartbeat says that it lives, and its process cannot be asked after."""
        owner = Owner(host="far", place="another boot")
        Heartbeat(catalog.store, owner, time_to_live=0.1)._beat()
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, owner)
        note_done(owned, 0)
        owned.writer.flush()
        remove(catalog.store, f"{generation_path(run_id, 0, 0)}/confidence/c/0")
        found = catalog.verify(repair=True)
        assert kinds(found) == ["unreadable"]
        assert found.clean
        assert set(catalog.to_xarray().status.values) == {"pending"}

    def test_images_that_are_committed_meanwhile(self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
        added: list[int] = []

        def commits(store: Store) -> list[int]:
            if not added:
                added.append(Catalog.open(store).add(["/photos/new.jpg"]))
            return list_commits(store)

        monkeypatch.setattr("toolkit.catalog.verifying.images.list_commits", commits)
        assert not catalog.verify(repair=True)
        assert added == [1]
        assert len(catalog.images().uri) == 11

    def test_a_machine_without_threads_is_no_damage(
        self, catalog: Catalog, run_id: str, note_done: Note, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, GONE)
        note_done(owned, 0)
        owned.writer.flush()

        async def no_threads(*_: object, **__: object) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(type(catalog.store), "get", no_threads)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                catalog.verify(repair=True)
        assert not catalog.verify()
        assert catalog.to_xarray().status.values[0] == "done"

    def test_a_store_that_cannot_be_written_is_read(self, tmp_path: Path, settings: RunSettings) -> None:
        run_id = Catalog.create(tmp_path / "demo.zarr", ["/photos/0.jpg"]).start_run(settings)
        claim_next(Catalog.open(tmp_path / "demo.zarr"), run_id, ImageTable(0, 1, 16), 0, GONE)
        catalog = Catalog.open(LocalStore(tmp_path / "demo.zarr", read_only=True))
        assert catalog.to_xarray().status.values.tolist() == ["pending"]
        assert not catalog.verify()


class TestPeople:
    """What people remove."""

    @pytest.fixture
    def catalog(self, store: Store) -> Catalog:
        """Images in three tables."""
        catalog = Catalog.create(store, [f"/photos/{number}.jpg" for number in range(4)], block_size=4)
        catalog.add(["/photos/4.jpg"])
        catalog.add(["/photos/5.jpg"])
        return catalog

    def finish(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        for shape in catalog.image_tables():
            owned = claim_next(catalog, run_id, shape, 0)
            for row in range(shape.n_images):
                note_done(owned, row, class_index=shape.number)
            owned.writer.flush()

    @pytest.mark.parametrize("lost", [(0,), (1,), (2,), (0, 1), (1, 2)])
    def test_commits(self, catalog: Catalog, run_id: str, note_done: Note, lost: tuple[int, ...]) -> None:
        self.finish(catalog, run_id, note_done)
        before = catalog.to_xarray()
        for number in lost:
            remove(catalog.store, f"images/commits/{number:05d}")
        if max(lost) < 2:
            with pytest.raises(CatalogError, match="a commit is gone"):
                catalog.to_xarray()
        assert kinds(catalog.verify()) == ["commit_lost"]
        assert catalog.verify(repair=True).clean
        assert not catalog.verify()
        xr.testing.assert_identical(catalog.to_xarray(), before)

    def test_the_commit_of_what_no_run_knows(self, catalog: Catalog) -> None:
        remove(catalog.store, "images/commits/00001")
        assert catalog.verify(repair=True).clean
        assert catalog.images().uri.values.tolist() == [f"/photos/{number}.jpg" for number in range(6)]

    def test_a_commit_and_what_it_was_about(self, catalog: Catalog) -> None:
        remove(catalog.store, "images/commits/00001")
        remove_all(catalog.store, "images/00001")
        found = catalog.verify(repair=True)
        assert kinds(found) == ["commit_lost"]
        assert not found.clean
        assert "restore it from a backup" in str(found)

    def test_claims(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        self.finish(catalog, run_id, note_done)
        before = catalog.to_xarray()
        remove_all(catalog.store, f"claims/{run_id}")
        assert kinds(catalog.verify()) == ["claim_lost"]
        # Even without repair, whoever claims next writes over nothing.
        owned = catalog.run_blocks(run_id).claim(catalog.image_tables()[0], 0, Owner(), 0)
        assert owned is not None
        assert owned.labels.generation == 1
        owned.writer.flush()
        xr.testing.assert_identical(catalog.to_xarray(), before)
        assert catalog.verify(repair=True).clean
        assert not catalog.verify()

    def test_a_covariate(self, store: Store) -> None:
        catalog = Catalog.create(store, ["/photos/0.jpg"], covariates=pd.DataFrame({"lat": [1.5]}, ["/photos/0.jpg"]))
        remove_all(store, "images/00000/lat")
        found = catalog.verify(repair=True)
        assert kinds(found) == ["image_table"]
        assert "images/00000/lat" in str(found)

    def test_the_log(self, catalog: Catalog, run_id: str, note_failed: Note) -> None:
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, GONE)
        note_failed(owned, 2)
        owned.writer.flush()
        found = catalog.verify(repair=True)
        assert kinds(found) == ["note"]
        assert found.clean
        assert catalog.errors().message.tolist() == ["why it failed is not known any more: the log was lost"]
        assert not catalog.verify()

    def test_the_commit_of_the_only_images(self, store: Store) -> None:
        catalog = Catalog.create(store, ["/photos/0.jpg"])
        remove(store, "images/commits/00000")
        put(store, "claims/images/00000", json.dumps(dataclasses.asdict(GONE)).encode())
        assert len(catalog) == 0
        assert catalog.verify(repair=True).clean
        assert catalog.images().uri.values.tolist() == ["/photos/0.jpg"]

    def test_the_record_of_a_run(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        settings = json.loads(get(catalog.store, f"runs/{run_id}/zarr.json") or b"")
        self.finish(catalog, run_id, note_done)
        changed = json.dumps(settings).replace('"numerics_version": 1', '"numerics_version": 2')
        put(catalog.store, f"runs/{run_id}/zarr.json", changed.encode())
        found = catalog.verify()
        assert kinds(found) == ["run_record"]
        assert "call toolkit.segment with the settings that the run had" in str(found)


class TestLabelMaps:
    @pytest.fixture
    def run_with_labels(self, catalog: Catalog, run_id: str, note_done: Note) -> str:
        """Four images whose label maps lie in two arrays."""
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, GONE)
        for part in range(2):
            maps = [np.full((2, 3), part + 1, np.uint8), np.zeros((2, 3), np.uint8)]
            for row, place in enumerate(owned.labels.write(part, maps), 2 * part):
                note_done(owned, row, label_place=place.packed())
        owned.writer.flush()
        return run_id

    def test_damage_costs_what_it_hit(self, catalog: Catalog, run_with_labels: str) -> None:
        path = f"{label_path(run_with_labels, 0, 0, 0, 1)}/c/0"
        put(catalog.store, path, (get(catalog.store, path) or b"")[:-1])
        assert catalog.verify().clean  # they are there
        put(catalog.store, path, b"")
        assert kinds(catalog.verify()) == ["labels_missing"]
        put(catalog.store, path, b"half of it")
        found = catalog.verify(labels=True, repair=True)
        assert [(problem.kind, problem.images) for problem in found] == [
            ("labels_missing", 2),
            ("labels_orphaned", 0),
        ]
        assert catalog.to_xarray().status.values.tolist()[:4] == ["done", "done", "pending", "pending"]
        assert not catalog.verify(labels=True)

    @pytest.mark.parametrize("emptied", [True, False])
    def test_a_map_of_zeros_is_told_from_one_that_is_gone(
        self, catalog: Catalog, run_with_labels: str, emptied: bool
    ) -> None:
        np.testing.assert_array_equal(catalog.labels(None, 1), np.zeros((2, 3)))
        path = f"{label_path(run_with_labels, 0, 0, 0, 0)}/c/0"
        put(catalog.store, path, b"") if emptied else remove(catalog.store, path)
        for image in range(2):
            with pytest.raises(DamagedError, match=r"labels/0/0/c/0 is gone"):
                catalog.labels(None, image)
        assert catalog.labels(None, 2).max() == 2
