"""Catalogs of images that need not exist, on every kind of store."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from everything import EVERYTHING
from kinds_of_stores import CLASS_NAMES, STORES, Note, make_store
from zarr.abc.store import Store

from toolkit.catalog import DONE, FAILED, Catalog, OwnedBlock, RunSettings


@pytest.fixture(params=STORES if EVERYTHING else STORES[:2])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store. The slower kinds pass `test_catalog_stores`, and all of these if the environment asks for it."""
    return make_store(request, tmp_path)


@pytest.fixture(scope="module")
def quick_lives() -> Iterator[None]:
    """Nobody waits for long for a heartbeat of those that have none."""
    import toolkit.runs  # noqa: F401  whose drivers live as long as ever

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.catalog.owners.TIME_TO_LIVE", 0.1)
        patch.setattr("toolkit.catalog.verifying.verification._POLL_SECONDS", 0.02)
        yield


@pytest.fixture
def settings() -> RunSettings:
    """A run of three classes."""
    return RunSettings("a model", "0" * 64, CLASS_NAMES, {"scales": [0.5, 1.0], "flip": True}, 1, ((0, 0, 0),) * 3)


@pytest.fixture
def catalog(store: Store) -> Catalog:
    """Ten images in blocks of four."""
    return Catalog.create(store, [f"/photos/{number}.jpg" for number in range(10)], block_size=4)


@pytest.fixture
def run_id(catalog: Catalog, settings: RunSettings) -> str:
    """A run of the catalog; nothing of it is done."""
    return catalog.start_run(settings)


@pytest.fixture
def note_done() -> Note:
    """Notes a row as done in an owned block; all of it is of one class."""

    def note(owned: OwnedBlock, row: int, class_index: int = 0, **values: object) -> None:
        composition = np.eye(len(CLASS_NAMES), dtype=np.float32)[class_index]
        results = {"attempts": 1, "engine": "host:1", "started": 1_000, "seconds": 0.5, "height": 2, "width": 3}
        owned.writer.set(row, composition=composition, status=DONE, **{**results, **values})

    return note


@pytest.fixture
def note_failed() -> Note:
    """Notes a row as failed in an owned block."""

    def note(owned: OwnedBlock, row: int, **values: object) -> None:
        results = {"attempts": 1, "error": 1, "engine": "host:1", "started": 1_000, "seconds": 0.5}
        owned.writer.set(row, status=FAILED, **{**results, **values})

    return note
