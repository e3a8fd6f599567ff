"""A storage server that goes away in mid-run, or is not to be trusted: the run pauses and goes on, or stops at once."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit as tk
from toolkit.catalog import Catalog
from toolkit.runs import Event, Paused, Resumed, RunError
from toolkit.sources import ReadLimits
from toolkit.testing.gate import Gate
from toolkit.testing.slow_link import SlowLink, slow_link
from toolkit.testing.small_run import COMPARED
from toolkit.testing.ssh_server import SshServer
from toolkit.testing.waiting import PATIENCE, wait_until

LIMITS = ReadLimits(stall_seconds=1.0, retry_seconds=1.0)

pytestmark = pytest.mark.filterwarnings("ignore:run .* stopped")


@pytest.fixture
def link(ssh: SshServer) -> Iterator[SlowLink]:
    """A link to the server, slow enough that a run can be caught in its middle."""
    with slow_link(ssh.port, 0.01) as link:
        ssh.trust(ssh.public_key, link.port)
        yield link


@pytest.fixture
def catalog(ssh: SshServer, link: SlowLink, many_photos: list[Path], tmp_path: Path) -> Catalog:
    """Photos on the server."""
    photos = [ssh.uri(photo, link.port) for photo in many_photos]
    return Catalog.create(tmp_path / "demo.zarr", photos, block_size=8)


def assert_complete(catalog: Catalog, undisturbed: Catalog) -> None:
    found, wanted = catalog.to_xarray(), undisturbed.to_xarray()
    assert set(found.status.values) == {"done"}
    assert set(found.attempts.values) == {1}
    for name in COMPARED:
        if wanted[name].dtype.kind == "f":  # engines have other numbers of threads, which round differently
            np.testing.assert_allclose(found[name].values, wanted[name].values, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name].values, wanted[name].values, err_msg=name)


def begin(catalog: Catalog, model: tk.Model, protocol: tk.Protocol, gate: Gate, **options: Any) -> tk.Run:
    """A run of which some images are done, and that has come no further than six of them."""
    run = tk.segment(catalog, model, protocol, batch_size=1, limits=LIMITS, flush_seconds=0.5, **options)
    gate.let_through(6)
    wait_until(lambda: run.progress.done >= 2)
    return run


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_a_server_that_goes_away_and_comes_back(
    ssh: SshServer,
    link: SlowLink,
    catalog: Catalog,
    undisturbed: Catalog,
    model: tk.Model,
    protocol: tk.Protocol,
    gate: Gate,
    how: str,
) -> None:
    events: list[Event] = []
    run = begin(catalog, model, protocol, gate, observers=[events.append])
    ssh.kill() if how == "killed" else link.go_silent()
    gate.open()
    wait_until(lambda: run.progress.paused)
    assert run.progress.state == "running"
    assert f"paused: sftp://127.0.0.1:{link.port} cannot be reached" in str(run.progress)
    done = run.progress.done
    time.sleep(1)
    assert run.progress.done == done
    ssh.start() if how == "killed" else link.go_silent(False)
    run.wait(PATIENCE)
    assert (run.progress.state, run.progress.failed, run.progress.paused) == ("finished", 0, "")
    assert [type(event) for event in events if isinstance(event, Paused | Resumed)] == [Paused, Resumed]
    assert_complete(catalog, undisturbed)


def test_connections_that_break_now_and_then(
    link: SlowLink, catalog: Catalog, undisturbed: Catalog, model: tk.Model, protocol: tk.Protocol
) -> None:
    run = tk.segment(catalog, model, protocol, flush_seconds=0.5)
    for _ in range(3):
        link.cut_after(60_000)
        wait_until(lambda: not link.will_be_cut or run.progress.ended)
    run.wait(PATIENCE)
    assert link.connections > 2
    assert_complete(catalog, undisturbed)


def test_a_paused_run_can_be_cancelled(
    ssh: SshServer, catalog: Catalog, model: tk.Model, protocol: tk.Protocol
) -> None:
    ssh.kill()
    run = tk.segment(catalog, model, protocol, limits=LIMITS)
    wait_until(lambda: run.progress.paused)
    run.cancel()
    run.wait(PATIENCE)
    assert run.progress.state == "cancelled"
    assert set(catalog.to_xarray().status.values) == {"pending"}


def test_a_server_with_another_key_stops_the_run(
    ssh: SshServer, catalog: Catalog, model: tk.Model, protocol: tk.Protocol
) -> None:
    ssh.trust(ssh.stranger.with_suffix(".pub"))
    with pytest.raises(RunError, match="host key is not the one in known_hosts"):
        tk.segment(catalog, model, protocol).wait(PATIENCE)
    assert set(catalog.to_xarray().status.values) == {"pending"}


def test_on_engines(
    ssh: SshServer, catalog: Catalog, undisturbed: Catalog, model: tk.Model, protocol: tk.Protocol, gate: Gate
) -> None:
    with tk.Cluster.start("local", n=2) as cluster:
        run = begin(catalog, model, protocol, gate, cluster=cluster)
        ssh.kill()
        gate.open()
        wait_until(lambda: run.progress.paused)
        ssh.start()
        run.wait(PATIENCE)
    assert (run.progress.state, run.progress.failed, run.progress.engines_lost) == ("finished", 0, 0)
    assert_complete(catalog, undisturbed)
