"""The kinds of stores that a catalog may lie in, made anew for a test."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from toolkit.catalog.store.objects import open_store
from toolkit.testing.s3_server import BUCKET

STORES = ["local", "memory", "durable", "s3"]
CLASS_NAMES = ("sky", "tree", "road")

Note = Callable[..., None]


def make_store(request: pytest.FixtureRequest, folder: Path) -> Store:
    """A new store of the kind that a parameter names."""
    if request.param == "memory":
        return MemoryStore()
    if request.param == "s3":
        request.getfixturevalue("s3")
        return open_store(f"s3://{BUCKET}/{uuid.uuid4().hex}")
    return open_store(folder / "demo.zarr", fsync=request.param == "durable")
