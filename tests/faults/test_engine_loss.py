"""Engines are killed with -9 in mid-run: those left finish the work; without any, the run stops and says so."""

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

import toolkit as tk
from toolkit import Catalog, Cluster, Model, Protocol, Run
from toolkit.engines import NoEnginesError
from toolkit.runs import EngineLost, Event, RunError


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two engines of which a test may kill any."""
    with Cluster.start("local", n=2) as cluster:
        yield cluster


def wait_for(run: Run, n_done: int) -> None:
    deadline = time.monotonic() + 60
    while run.progress.done < n_done:
        assert run.progress.state == "running"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_of_two(cluster: Cluster, catalog: Catalog, model: Model, protocol: Protocol) -> None:
    events: list[Event] = []
    pids = cluster.resources()["pid"].tolist()
    run = tk.segment(catalog, model, protocol, cluster=cluster, flush_seconds=0.2, observers=[events.append])
    wait_for(run, 6)
    os.kill(pids[0], signal.SIGKILL)
    run.wait(60)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", len(catalog), 0)
    assert run.progress.engines_lost == len([event for event in events if isinstance(event, EngineLost)]) >= 1
    table = catalog.to_xarray(run.id)
    assert set(table.status.values) == {"done"}
    assert np.allclose(table.composition.sum("class_name"), 1)
    assert table.attempts.values.tolist() == [1] * len(catalog)
    for image in range(len(catalog)):
        assert catalog.labels(run.id, image).shape == (64, 96)


def test_both_are_replaced(cluster: Cluster, catalog: Catalog, model: Model, protocol: Protocol) -> None:
    pids = cluster.resources()["pid"].tolist()
    run = tk.segment(catalog, model, protocol, cluster=cluster, flush_seconds=0.2)
    wait_for(run, 6)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    run.wait(120)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", len(catalog), 0)
    assert run.progress.engines_lost >= 1
    assert not set(pids) & set(cluster.resources()["pid"])


def test_both_without_replacement(catalog: Catalog, model: Model, protocol: Protocol) -> None:
    with Cluster.start("local", n=2, replace=False) as cluster:
        pids = cluster.resources()["pid"].tolist()
        run = tk.segment(catalog, model, protocol, cluster=cluster, flush_seconds=0.2)
        wait_for(run, 6)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        _stops_without_engines(run, catalog, model, protocol)


def _stops_without_engines(run: Run, catalog: Catalog, model: Model, protocol: Protocol) -> None:
    begin = time.monotonic()
    with pytest.raises(RunError, match=r"(?s)all engines have died.*make the same call again") as caught:
        run.wait(60)
    assert time.monotonic() - begin < 60
    assert isinstance(caught.value.__cause__, NoEnginesError)
    assert run.progress.state == "stopped"
    before = catalog.to_xarray(run.id)
    done = np.flatnonzero(before.status == "done")
    assert 6 <= done.size == run.progress.done < len(catalog)
    assert set(before.status.values) == {"done", "pending"}  # no image is blamed for it

    with Cluster.start("local", n=2) as another:
        again = tk.segment(catalog, model, protocol, cluster=another)
        again.wait(60)
    assert again.progress.processed == len(catalog) - done.size
    after = catalog.to_xarray(run.id)
    assert set(after.status.values) == {"done"}
    assert after.attempts.values.tolist() == [1] * len(catalog)
    xr.testing.assert_identical(after.isel(image=done), before.isel(image=done))
