"""A store that fails, or whose process dies, at the n-th write, for every n: nothing is lost, and nothing is wrong."""

import errno
import functools
import multiprocessing
import os
import signal
import uuid
from pathlib import Path

import pytest
import xarray as xr
from everything import EVERYTHING
from zarr.abc.store import Store
from zarr.storage import MemoryStore

import toolkit as tk
from toolkit.catalog import CatalogError
from toolkit.catalog.store.objects import open_store
from toolkit.runs import RunError
from toolkit.testing.failing_store import DisturbedStore, kill_this_process
from toolkit.testing.s3_server import BUCKET
from toolkit.testing.small_run import N_IMAGES, assert_same, make_images, run, run_disturbed, small_model
from toolkit.testing.waiting import PATIENCE

ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES]
"""A store fails at every third write (all of them if the environment asks for it), with each of these at a third."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def model() -> tk.Model:
    return small_model()


@pytest.fixture(scope="module")
def undisturbed(images: list[Path], model: tk.Model) -> tuple[xr.Dataset, int]:
    """The table of a run that nothing happened to, and how many writes it took."""
    store = DisturbedStore(MemoryStore())
    table = run(store, images, model).to_xarray()
    assert table.status.values.tolist() == ["done"] * (N_IMAGES - 1) + ["failed"]
    return table, store.n_writes


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def what_stops(store: Store, images: list[Path], model: tk.Model) -> str:
    """Why a run stopped; empty if it did not."""
    try:
        run(store, images, model)
    except (RunError, OSError) as error:
        return str(error)
    return ""


def check(store: Store, images: list[Path], model: tk.Model, expected: xr.Dataset) -> None:
    """What is there is right, or can be mended; going on ends in the same table; and then all is well."""
    try:
        catalog = tk.Catalog.open(store)
    except CatalogError:
        pass  # it did not get that far
    else:
        before = catalog.verify(repair=True, labels=True)
        assert before.clean, before
        assert not {problem.kind for problem in before} & {"unreadable", "inconsistent", "labels_missing"}
    catalog = run(store, images, model)
    assert_same(catalog.to_xarray(), expected)
    for image in range(N_IMAGES - 1):
        assert catalog.labels(None, image).shape == (6, 9)
    after = catalog.verify(repair=True, labels=True)
    assert after.clean, after
    assert not catalog.verify(labels=True)


@pytest.mark.parametrize("number", ERRORS, ids=["ENOSPC", "EIO", "EACCES"])
def test_a_store_that_fails(
    images: list[Path], model: tk.Model, undisturbed: tuple[xr.Dataset, int], number: int
) -> None:
    expected, n_writes = undisturbed
    stopped = 0
    cases = range(ERRORS.index(number), n_writes, 3 if EVERYTHING else 9)
    for at in cases:
        store = MemoryStore()
        message = what_stops(DisturbedStore(store, at, functools.partial(fail, number)), images, model)
        assert not message or os.strerror(number) in message
        stopped += bool(message)
        check(store, images, model, expected)
    assert stopped >= len(cases) * 2 // 3


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_process_that_dies(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    images: list[Path],
    model: tk.Model,
    undisturbed: tuple[xr.Dataset, int],
    kind: str,
    after: bool,
) -> None:
    expected, n_writes = undisturbed
    environment = request.getfixturevalue("s3").environment if kind == "s3" else {}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toolkit.testing.small_run", "toolkit.runs", "toolkit.segmentation"])
    killed = 0
    cases = range(int(after), n_writes, 2 if EVERYTHING else {"local": 16, "s3": 32}[kind])
    for at in cases:
        location = f"s3://{BUCKET}/{uuid.uuid4().hex}" if environment else str(tmp_path / f"{at}.zarr")
        arguments = (environment, location, images, at, kill_this_process, after)
        process = context.Process(target=run_disturbed, args=arguments)
        process.start()
        process.join(PATIENCE)
        assert process.exitcode in (0, -signal.SIGKILL)
        killed += process.exitcode != 0
        check(open_store(location), images, model, expected)
    assert killed >= len(cases) * 2 // 3
