"""Catalogs of small real photos, and a recorder of events."""

from pathlib import Path

import pytest

from toolkit import Catalog
from toolkit.runs import Event


@pytest.fixture
def catalog(tmp_path: Path, small_photos: list[Path]) -> Catalog:
    """The ten small samples in blocks of four; nothing ran yet."""
    return Catalog.create(tmp_path / "demo.zarr", small_photos, block_size=4)


@pytest.fixture
def events() -> list[Event]:
    """Give its ``append`` to a run as an observer."""
    return []
