"""Catalogs with enough small photos that a run can be caught in the middle of its work."""

from collections.abc import Callable
from pathlib import Path

import pytest

import toolkit as tk
from toolkit import Catalog

N_IMAGES = 40


@pytest.fixture(scope="session")
def many_photos(make_photos: Callable[..., list[Path]], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small photos, all different; not to be changed by a test."""
    return make_photos(tmp_path_factory.mktemp("many"), N_IMAGES)


@pytest.fixture
def catalog(tmp_path: Path, many_photos: list[Path]) -> Catalog:
    """Those photos in blocks of eight; nothing ran yet."""
    return Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=8)


@pytest.fixture(scope="session")
def protocol() -> tk.Protocol:
    """Work enough for an image to take about a tenth of a second."""
    return tk.Protocol(crop_size=97, scales=(0.75, 1.0), flip=True)
