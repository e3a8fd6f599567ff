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
from toolkit.processes import is_alive
from toolkit.testing.gate import Gate
from toolkit.testing.waiting import wait_until

DRIVE = Path(__file__).with_name("drive.py")
WHO_AND_WHEN = ["engine", "started", "seconds"]


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


def start_driver(catalog: Catalog, model: Model, n_engines: int) -> "subprocess.Popen[str]":
    command = [sys.executable, str(DRIVE), str(catalog.store.root), model.source, str(n_engines)]  # type: ignore[attr-defined]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_when(catalog: Catalog, driver: "subprocess.Popen[str]", n_done: int, then_wait: float) -> None:
    """Kill -9 a driver soon after the catalog shows so many images done."""

    def are_done() -> bool:
        assert driver.poll() is None, f"the driver ended by itself: {driver.communicate()[1]}"
        return not catalog.runs().empty and rows_of(catalog).done.size >= n_done

    wait_until(are_done)
    time.sleep(then_wait)  # some moment of what it does then
    driver.send_signal(signal.SIGKILL)
    driver.communicate()


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


def test_a_run_in_the_driver(
    undisturbed: Catalog, catalog: Catalog, model: Model, protocol: Protocol, gate: Gate, chance: random.Random
) -> None:
    before = Rows(*np.zeros((3, 0), dtype=int))
    for _ in range(2):
        gate.let_more_through(12)  # of those, at least the first is on disk before the gate stops the driver
        driver = start_driver(catalog, model, n_engines=0)
        kill_when(catalog, driver, before.done.size + chance.randrange(1, 3), chance.uniform(0, 0.25))
        after = rows_of(catalog)
        print(f"killed at {after.done.size} done")
        assert_nothing_done_again(before, after)
        before = after
    go_on(undisturbed, catalog, model, protocol, gate, before)


def test_a_run_on_engines_that_end_with_their_driver(
    undisturbed: Catalog, catalog: Catalog, model: Model, protocol: Protocol, gate: Gate, chance: random.Random
) -> None:
    gate.let_through(24)
    driver = start_driver(catalog, model, n_engines=2)
    assert driver.stdout is not None
    engines = [psutil.Process(pid) for pid in json.loads(driver.stdout.readline())]
    assert len(engines) == 2
    kill_when(catalog, driver, chance.randrange(1, 4), chance.uniform(0, 0.3))
    before = rows_of(catalog)
    print(f"killed at {before.done.size} done")
    gate.open()
    wait_until(lambda: not any(map(is_alive, engines)))
    go_on(undisturbed, catalog, model, protocol, gate, before)


def go_on(undisturbed: Catalog, catalog: Catalog, model: Model, protocol: Protocol, gate: Gate, before: Rows) -> None:
    gate.open()
    run = tk.segment(catalog, model, protocol)
    run.wait()
    assert 0 < run.progress.processed == len(catalog) - before.done.size
    assert_nothing_done_again(before, rows_of(catalog))
    assert_equal_to(undisturbed, catalog)


@pytest.fixture
def chance() -> random.Random:
    """Another one each time; its seed is printed."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    return random.Random(seed)
