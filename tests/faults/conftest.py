"""Catalogs of small photos, and a gate at which a run is caught in the middle of its work, however quick it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import toolkit as tk
from toolkit import Catalog
from toolkit.testing.gate import PROTOCOL, Gate, waiting_model

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
    """One call of the network for each photo."""
    return PROTOCOL


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> tk.Model:
    """A model that waits at the gate with every image; runs are to have ``batch_size=1``."""
    return waiting_model(tmp_path_factory.mktemp("model") / "waiting")


@pytest.fixture(scope="session")
def undisturbed(
    model: tk.Model, protocol: tk.Protocol, many_photos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Catalog:
    """The catalog of a run that nobody disturbed."""
    catalog = Catalog.create(tmp_path_factory.mktemp("undisturbed") / "demo.zarr", many_photos, block_size=8)
    tk.segment(catalog, model, protocol).wait()
    return catalog


@pytest.fixture(scope="module")
def gate_of_the_module(undisturbed: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """What engines that tests share, and this process, find in their environment."""
    gate = Gate(tmp_path_factory.mktemp("gate") / "gate")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in gate.environment.items():
            patch.setenv(name, value)
        yield gate


@pytest.fixture
def gate(gate_of_the_module: Gate) -> Iterator[Gate]:
    """The gate, closed."""
    gate_of_the_module.reset()
    yield gate_of_the_module
    gate_of_the_module.open()
