"""What every store must do, be it a directory, one that survives a loss of power, memory or an S3 server."""

import itertools
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from claiming import claim_next
from kinds_of_stores import CLASS_NAMES, STORES, Note, make_store
from zarr.abc.buffer import Buffer
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from toolkit.catalog import Catalog, CatalogError, Owner, RunSettings
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.store.objects import (
    get,
    is_empty,
    keys,
    names,
    open_store,
    put,
    put_if_absent,
    remove,
    remove_all,
    store_name,
)
from toolkit.catalog.store.remote import RemoteStore, StoreLostError
from toolkit.testing.s3_server import BUCKET, S3Server

pytestmark = pytest.mark.filterwarnings("ignore:catalog s3.*no answer:RuntimeWarning")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    return make_store(request, tmp_path)


class TestObjects:
    def test_of_many_threads_one_creates(self, store: Store) -> None:
        n = 8
        together = threading.Barrier(n)

        def create(number: int) -> bool:
            together.wait()
            return put_if_absent(store, "claims/x/0", b"%d" % number)

        with ThreadPoolExecutor(n) as pool:
            won = list(pool.map(create, range(n)))
        assert won.count(True) == 1
        assert get(store, "claims/x/0") == b"%d" % won.index(True)

    def test_who_creates_again_what_he_has_created_has_it(self, store: Store) -> None:
        assert put_if_absent(store, "claims/x", b"mine")
        assert put_if_absent(store, "claims/x", b"mine")
        assert not put_if_absent(store, "claims/x", b"theirs")
        assert get(store, "claims/x") == b"mine"

    def test_an_object_is_replaced_and_removed_whole(self, store: Store) -> None:
        put(store, "a/b", b"first, and longer")
        put(store, "a/b", b"second")
        assert get(store, "a/b") == b"second"
        remove(store, "a/b")
        remove(store, "a/b")
        assert get(store, "a/b") is None
        assert names(store, "a") == []

    def test_an_empty_object_is_one(self, store: Store) -> None:
        put(store, "a/b", b"")
        assert get(store, "a/b") == b""
        assert names(store, "a") == ["b"]

    def test_a_folder_is_no_object(self, store: Store) -> None:
        put(store, "a/b/c", b"1")
        assert get(store, "a/b") is None
        assert get(store, "a") is None

    def test_names_are_those_directly_below(self, store: Store) -> None:
        for key in ("a/x", "a/y/1", "a/y/2", "ab/z", "b"):
            put(store, key, b"1")
        assert names(store, "") == ["a", "ab", "b"]
        assert names(store, "a") == names(store, "a/") == ["x", "y"]
        assert names(store, "none") == names(store, "none/at/all") == []
        assert keys(store, "a/") == ["a/x", "a/y/1", "a/y/2"]

    def test_what_is_below_a_path_is_removed_and_nothing_else(self, store: Store) -> None:
        for key in ("a/b/1", "a/b/c/2", "a/bc/3"):
            put(store, key, b"1")
        remove_all(store, "a/b")
        assert keys(store, "a/") == ["a/bc/3"]
        remove_all(store, "a/b")

    def test_more_names_than_one_answer_holds(self, store: Store) -> None:
        n = 1203
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: put(store, f"many/{number:05d}", b"1"), range(n)))
        assert names(store, "many") == [f"{number:05d}" for number in range(n)]
        assert len(keys(store, "many/")) == n
        remove_all(store, "many")
        assert keys(store, "many/") == []


class TestCatalogs:
    def test_claims(self, store: Store, settings: RunSettings) -> None:
        catalog = Catalog.create(store, [f"/photos/{number}.jpg" for number in range(8)], block_size=4)
        run_id = catalog.start_run(settings)
        (shape,) = catalog.image_tables()
        together = threading.Barrier(4)

        def claim(_: int) -> bool:
            together.wait()
            return catalog.run_blocks(run_id).claim(shape, 1, Owner(), 0) is not None

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(claim, range(4))).count(True) == 1
        first = catalog.run_blocks(run_id).latest_claim(shape, 1)
        assert first is not None
        assert first.generation == 0
        assert claim_next(catalog, run_id, shape, 1).labels.generation == 1
        assert catalog.run_blocks(run_id).latest_claim(shape, 0) is None

    def test_results_of_two_generations(
        self, catalog: Catalog, run_id: str, note_done: Note, note_failed: Note
    ) -> None:
        (shape,) = catalog.image_tables()
        old, new = claim_next(catalog, run_id, shape, 1), claim_next(catalog, run_id, shape, 1)
        note_failed(new, 4)
        note_done(new, 5, 2)
        new.writer.flush()
        note_done(old, 4, 1)
        note_done(old, 5, 1)
        old.writer.flush()
        assert old.is_overtaken
        table = catalog.to_xarray(run_id)
        assert table.status.values.tolist() == ["pending"] * 4 + ["done"] * 2 + ["pending"] * 4
        assert table.composition.values[4:6].argmax(axis=1).tolist() == [1, 2]

    def test_label_maps_are_folded_and_removed(self, store: Store) -> None:
        folder = LabelFolder(store, "run", 0, 0, 0)
        maps = [np.full((2 + number, 3), number, np.uint8) for number in range(6)]
        places = [folder.write(part, maps[2 * part : 2 * part + 2]) for part in range(3)]
        sized = [(place, labels.size) for place, labels in zip(itertools.chain(*places), maps, strict=True)]
        folded = folder.fold(3, sized)
        folder.remove([0, 1, 2])
        for place, labels in zip(folded, maps, strict=True):
            np.testing.assert_array_equal(folder.read(place, *labels.shape), labels)
        assert {key.split("/")[6] for key in keys(store, "runs/run/00000/0/labels/0/")} == {"3", "zarr.json"}
        with pytest.raises(CatalogError, match="is gone"):
            folder.read(LabelPlace(0, 0), 2, 3)

    def test_growth_by_several_at_once(self, store: Store) -> None:
        Catalog.create(store, ["/photos/0.jpg"])
        together = threading.Barrier(3)

        def add(number: int) -> int:
            together.wait()
            return Catalog.open(store).add(["/photos/0.jpg", "/photos/all.jpg", f"/photos/of-{number}.jpg"])

        with ThreadPoolExecutor(3) as pool:
            assert sum(pool.map(add, range(3))) == 4
        uris = Catalog.open(store).images().uri.values.tolist()
        assert len(uris) == len(set(uris)) == 5

    def test_opening_what_is_not_there(self, store: Store) -> None:
        with pytest.raises(CatalogError, match="there is no catalog at"):
            Catalog.open(store)
        assert is_empty(store)
        put(store, "thesis.tex", b"precious")
        with pytest.raises(CatalogError, match="holds something that is not a catalog"):
            Catalog.create(store, ["/photos/0.jpg"])

    def test_pickled_it_is_the_same_place_for_another_process(self, store: Store, settings: RunSettings) -> None:
        if isinstance(store, MemoryStore):
            pytest.skip("memory is not shared")
        catalog = Catalog.create(store, ["/photos/0.jpg"], block_size=4)
        run_id = catalog.start_run(settings)
        (shape,) = catalog.image_tables()
        folder = claim_next(catalog, run_id, shape, 0).labels
        assert pickle.loads(pickle.dumps(store)) == store
        words = (
            "import pickle, sys, numpy as np; folder = pickle.load(sys.stdin.buffer);"
            "print(folder.write(0, [np.arange(6, dtype=np.uint8).reshape(2, 3)])[0].packed())"
        )
        sent = pickle.dumps(folder)
        assert b"its-secret" not in sent
        done = subprocess.run([sys.executable, "-c", words], input=sent, stdout=subprocess.PIPE, check=True)
        place = LabelPlace.unpacked(int(done.stdout))
        np.testing.assert_array_equal(folder.read(place, 2, 3), np.arange(6).reshape(2, 3))

    def test_its_classes_come_back(self, catalog: Catalog, run_id: str) -> None:
        again = Catalog.open(catalog.store)
        assert again.to_xarray(run_id).class_name.values.tolist() == list(CLASS_NAMES)


class TestRefusals:
    """An S3 server that says no is not asked twice."""

    @pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_wrong_keys(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, "wrong")
        begin = time.monotonic()
        with pytest.raises(CatalogError, match=f"s3://{BUCKET}/x: {s3.endpoint} says the keys are wrong .*{name}"):
            Catalog.open(f"s3://{BUCKET}/x")
        with pytest.raises(CatalogError, match="says the keys are wrong"):
            Catalog.create(f"s3://{BUCKET}/x", ["/photos/0.jpg"])
        with pytest.raises(CatalogError, match="says the keys are wrong"):
            put_if_absent(open_store(f"s3://{BUCKET}/x"), "claims/x", b"mine")
        assert time.monotonic() - begin < 5

    def test_a_bucket_that_is_not_there(self, s3: S3Server) -> None:
        begin = time.monotonic()
        for call in (Catalog.open, lambda location: Catalog.create(location, ["/photos/0.jpg"])):
            with pytest.raises(CatalogError, match=f"there is no bucket 'none' at {s3.endpoint}; make it first"):
                call("s3://none/x")
        assert time.monotonic() - begin < 5

    def test_nobody_there(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        begin = time.monotonic()
        with pytest.raises(StoreLostError, match=r"no answer from http://127\.0\.0\.1:9 for 0\.5 s.*AWS_ENDPOINT_URL"):
            Catalog.open(f"s3://{BUCKET}/x", retry_seconds=0.5)
        assert time.monotonic() - begin < 5

    def test_its_name_is_its_url(self, s3: S3Server) -> None:
        assert store_name(open_store(f"s3://{BUCKET}/some/folder")) == f"s3://{BUCKET}/some/folder"


class LostAnswers:
    """Stands between a store and its server: requests arrive, but every second answer gets lost, n in all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int, *, always: bool = False) -> None:
        self.always = always
        self.left = n
        self._requests = 0
        for name in ("set", "set_if_not_exists", "delete"):
            monkeypatch.setattr(f"zarr.storage.ObjectStore.{name}", self._losing(name))

    def _losing(self, name: str) -> object:
        from zarr.storage import ObjectStore

        request = getattr(ObjectStore, name)

        async def answer_is_lost(store: Store, key: str, *value: Buffer) -> None:
            await request(store, key, *value)
            self._requests += 1
            if self.left and (self._requests % 2 or self.always):
                self.left -= 1
                raise ConnectionResetError("the answer got lost")

        return answer_is_lost


class TestLostAnswers:
    def test_a_creation_whose_answer_got_lost_is_ours(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        store = open_store(f"s3://{BUCKET}/lost-{os.getpid()}")
        lost = LostAnswers(monkeypatch, 1)
        assert put_if_absent(store, "claims/x", b"mine")
        assert lost.left == 0
        assert not put_if_absent(store, "claims/x", b"theirs")

    def test_so_is_a_catalog(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch, settings: RunSettings) -> None:
        lost = LostAnswers(monkeypatch, 4)
        catalog = Catalog.create(f"s3://{BUCKET}/lost-catalog-{os.getpid()}", ["/photos/0.jpg"], block_size=1)
        assert lost.left == 0
        lost.left = 4
        run_id = catalog.start_run(settings)
        (shape,) = catalog.image_tables()
        assert catalog.run_blocks(run_id).claim(shape, 0, Owner(), 0) is not None
        assert lost.left == 0

    def test_a_failure_that_goes_on_ends_though_others_get_answers(
        self, s3: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = open_store(f"s3://{BUCKET}/on", retry_seconds=0.5)
        assert isinstance(store, RemoteStore)
        LostAnswers(monkeypatch, 1000, always=True)
        stop = threading.Event()
        reader = threading.Thread(target=lambda: [get(store, "x") for _ in iter(stop.is_set, True)])
        reader.start()
        try:
            with pytest.raises(StoreLostError, match="the answer got lost"):
                put(store, "y", b"1")
        finally:
            stop.set()
            reader.join()
