"""With ``fsync=True`` every object is on the disk before the call that writes it returns, however it is written."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from claiming import claim_next
from zarr.abc.codec import CodecPipeline
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.storage import LocalStore

from toolkit.catalog import Catalog, CatalogError, Failure, FailureLog, Heartbeat, Owner, RunSettings
from toolkit.catalog.store.durable import DurableLocalStore

PIPELINES = [
    f"{module.__name__}.{name}"
    for module in [importlib.import_module("zarr.core.codec_pipeline")]
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, CodecPipeline) and found is not CodecPipeline
]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Inodes of what was forced to the disk: a file keeps its own when it is renamed or linked."""
    inodes: set[int] = set()
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        inodes.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr("os.fsync", recorded)
    return inodes


def not_synced(folder: Path, synced: set[int]) -> list[Path]:
    """Files, and folders that hold something new, that a loss of power may take."""
    return [path for path in [folder, *folder.rglob("*")] if path.stat().st_ino not in synced]


def test_whatever_a_driver_writes(tmp_path: Path, synced: set[int], settings: RunSettings, note_done: Any) -> None:
    catalog = Catalog.create(tmp_path / "demo.zarr", ["/a.jpg", "/b.jpg"], fsync=True)
    run_id = catalog.start_run(settings)
    owner = Owner()
    with Heartbeat(catalog.store, owner):
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, owner)
        places = owned.labels.write(0, [np.zeros((2, 3), np.uint8)])
        owned.labels.fold(1, [(places[0], 6)])
        note_done(owned, 0)
        owned.writer.flush()
        FailureLog(catalog.store, run_id, owner).append([Failure(0, 1, 0, "missing", "gone")])
    assert not not_synced(tmp_path / "demo.zarr", synced)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_whatever_the_pipeline_of_zarr(tmp_path: Path, synced: set[int], pipeline: str) -> None:
    with zarr.config.set({"codec_pipeline.path": pipeline}):
        group = zarr.create_group(DurableLocalStore(tmp_path / "demo.zarr"))
        group.create_array("plain", data=np.arange(10), chunks=(4,))
        group.create_array("sharded", data=np.arange(16), chunks=(2,), shards=(8,))[3:5] = 0
    assert not not_synced(tmp_path / "demo.zarr", synced)


def test_written_directly(tmp_path: Path, synced: set[int]) -> None:
    store = DurableLocalStore(tmp_path)
    content = default_buffer_prototype().buffer.from_bytes(b"content")
    store.set_sync("a/b", content)
    assert (tmp_path / "a" / "b").read_bytes() == b"content"
    assert not not_synced(tmp_path, synced)


def test_every_way_to_write_that_zarr_has_is_known() -> None:
    """If this fails, a version of Zarr came with another one: `DurableLocalStore` has to keep the order there, too."""
    ways = {name for kind in (Store, LocalStore) for name in vars(kind) if name.lstrip("_").startswith(("set", "put"))}
    assert ways <= {"set", "set_if_not_exists", "set_sync", "_set", "_set_many"}


def test_a_way_to_write_that_is_not_known_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStore, "set_range_sync", lambda *_: None, raising=False)
    with pytest.raises(CatalogError, match=r"fsync=True cannot be kept .* set_range_sync; install an older one"):
        Catalog.create(tmp_path / "demo.zarr", ["/a.jpg"], fsync=True)
    Catalog.create(tmp_path / "demo.zarr", ["/a.jpg"])
