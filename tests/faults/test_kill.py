"""The driving process is killed with -9 in mid-run: the same call goes on, and nothing is lost or done twice."""

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr

import toolkit as tk
from toolkit import Catalog, Model, Protocol
from toolkit.catalog import DONE

DRIVE = Path(__file__).with_name("drive.py")
WHO_AND_WHEN = ["engine", "started", "seconds"]


@pytest.fixture(scope="session")
def undisturbed(
    model: Model, protocol: Protocol, many_photos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Catalog:
    """The catalog of a run that nobody disturbed."""
    catalog = Catalog.create(tmp_path_factory.mktemp("undisturbed") / "demo.zarr", many_photos, block_size=8)
    tk.segment(catalog, model, protocol).wait()
    return catalog


@dataclass(frozen=True)
class Rows:
    """What the catalog knew at one moment."""

    done: np.ndarray
    """Rows that were done."""
    started: np.ndarray
    """When each row was worked on."""
    generation: np.ndarray
    """Which generation each row's result is from."""


def rows_of(catalog: Catalog) -> Rows:
    run_id = catalog.runs().index[-1]
    (shape,) = catalog.image_tables()
    results = catalog.run_results(run_id).read(shape)
    return Rows(np.flatnonzero(results.status == DONE), results.values["started"], results.generation)


def start_driver(catalog: Catalog, protocol: Protocol, n_engines: int) -> "subprocess.Popen[str]":
    path = str(catalog.store.root)  # type: ignore[attr-defined]
    command = [sys.executable, str(DRIVE), path, json.dumps(protocol.to_dict()), str(n_engines)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_when(catalog: Catalog, driver: "subprocess.Popen[str]", n_done: int, then_wait: float) -> None:
    """Kill -9 a driver soon after the catalog shows so many images done."""
    deadline = time.monotonic() + 60
    while catalog.runs().empty or rows_of(catalog).done.size < n_done:
        assert driver.poll() is None, f"the driver ended by itself: {driver.communicate()[1]}"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(then_wait)
    driver.send_signal(signal.SIGKILL)
    driver.wait(10)


def assert_nothing_done_again(before: Rows, after: Rows) -> None:
    np.testing.assert_array_equal(after.started[before.done], before.started[before.done])
    np.testing.assert_array_equal(after.generation[before.done], before.generation[before.done])


def assert_equal_to(undisturbed: Catalog, catalog: Catalog) -> None:
    expected, found = undisturbed.to_xarray(), catalog.to_xarray()
    assert found.status.values.tolist() == ["done"] * expected.sizes["image"]
    assert found.attempts.values.tolist() == [1] * expected.sizes["image"]
    del expected.attrs["created"], found.attrs["created"]
    # An engine has fewer threads than this process, and adds up in another order.
    xr.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-5)
    alike = [results.drop_vars([*WHO_AND_WHEN, "confidence"]) for results in (found, expected)]
    xr.testing.assert_identical(*alike)
    for image in range(expected.sizes["image"]):
        np.testing.assert_array_equal(catalog.labels(None, image), undisturbed.labels(None, image))


def test_a_run_in_the_driver(undisturbed: Catalog, catalog: Catalog, model: Model, protocol: Protocol) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    before = Rows(*np.zeros((3, 0), dtype=int))
    for _ in range(2):
        driver = start_driver(catalog, protocol, n_engines=0)
        kill_when(catalog, driver, before.done.size + chance.randrange(1, 10), chance.uniform(0, 0.25))
        after = rows_of(catalog)
        print(f"killed at {after.done.size} done")
        assert_nothing_done_again(before, after)
        before = after

    run = tk.segment(catalog, model, protocol)
    run.wait()
    assert run.progress.processed == len(catalog) - before.done.size
    assert_nothing_done_again(before, rows_of(catalog))
    assert_equal_to(undisturbed, catalog)


def test_a_run_on_engines_that_end_with_their_driver(
    undisturbed: Catalog, catalog: Catalog, model: Model, protocol: Protocol
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    driver = start_driver(catalog, protocol, n_engines=2)
    assert driver.stdout is not None
    engines = [psutil.Process(pid) for pid in json.loads(driver.stdout.readline())]
    assert len(engines) == 2
    kill_when(catalog, driver, chance.randrange(1, len(catalog) - 16), chance.uniform(0, 0.3))
    before = rows_of(catalog)
    print(f"killed at {before.done.size} done")
    _, alive = psutil.wait_procs(engines, timeout=15)
    assert alive == []

    run = tk.segment(catalog, model, protocol)
    run.wait()
    assert run.progress.processed == len(catalog) - before.done.size
    assert_nothing_done_again(before, rows_of(catalog))
    assert_equal_to(undisturbed, catalog)
