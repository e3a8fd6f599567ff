"""Engines are killed with -9 in mid-run: those left finish the work; without any, the run stops and says so."""

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

import toolkit as tk
from toolkit import Catalog, Cluster, Model, Protocol, Run
from toolkit.engines import NoEnginesError
from toolkit.runs import EngineLost, Event, RunError
from toolkit.testing.gate import Gate
from toolkit.testing.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def cluster(gate_of_the_module: Gate) -> Iterator[Cluster]:
    """Two engines of which a test may kill any: others take their places."""
    with Cluster.start("local", n=2) as cluster:
        yield cluster


def begin(catalog: Catalog, model: Model, protocol: Protocol, cluster: Cluster, gate: Gate) -> tuple[Run, list[int]]:
    """A run of which some images are done, and each of two engines stands at the gate with another; their pids."""
    wait_until(lambda: cluster.n_engines == 2)
    pids = cluster.resources()["pid"].astype(int).tolist()
    run = tk.segment(catalog, model, protocol, cluster=cluster, batch_size=1, flush_seconds=0.2)
    gate.let_through(6)
    wait_until(lambda: run.progress.done >= 2 and set(gate.held) == set(pids))
    return run, pids


def test_one_of_two(cluster: Cluster, catalog: Catalog, model: Model, protocol: Protocol, gate: Gate) -> None:
    run, pids = begin(catalog, model, protocol, cluster, gate)
    os.kill(pids[0], signal.SIGKILL)
    gate.open()
    run.wait(PATIENCE)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", len(catalog), 0)
    assert run.progress.engines_lost >= 1
    table = catalog.to_xarray(run.id)
    assert set(table.status.values) == {"done"}
    assert np.allclose(table.composition.sum("class_name"), 1)
    assert table.attempts.values.tolist() == [1] * len(catalog)
    for image in range(len(catalog)):
        assert catalog.labels(run.id, image).shape == (64, 96)


def test_both_are_replaced(cluster: Cluster, catalog: Catalog, model: Model, protocol: Protocol, gate: Gate) -> None:
    run, pids = begin(catalog, model, protocol, cluster, gate)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    gate.open()
    run.wait(PATIENCE)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", len(catalog), 0)
    assert run.progress.engines_lost >= 2
    assert not set(pids) & set(cluster.resources()["pid"])


def test_both_without_replacement(catalog: Catalog, model: Model, protocol: Protocol, gate: Gate) -> None:
    events: list[Event] = []
    with Cluster.start("local", n=2, replace=False) as cluster:
        run, pids = begin(catalog, model, protocol, cluster, gate)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(RunError, match=r"(?s)all engines have died.*make the same call again") as caught:
            run.wait(PATIENCE)
    assert isinstance(caught.value.__cause__, NoEnginesError)
    assert run.progress.state == "stopped"
    before = catalog.to_xarray(run.id)
    done = np.flatnonzero(before.status == "done")
    assert 2 <= done.size == run.progress.done < len(catalog)
    assert set(before.status.values) == {"done", "pending"}  # no image is blamed for it

    gate.open()
    again = tk.segment(catalog, model, protocol, observers=[events.append])
    again.wait(PATIENCE)
    assert not any(isinstance(event, EngineLost) for event in events)
    assert again.progress.processed == len(catalog) - done.size
    after = catalog.to_xarray(run.id)
    assert set(after.status.values) == {"done"}
    assert after.attempts.values.tolist() == [1] * len(catalog)
    xr.testing.assert_identical(after.isel(image=done), before.isel(image=done))
