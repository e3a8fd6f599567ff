"""A storage server that goes away in mid-run, or is not to be trusted: the run pauses and goes on, or stops at once."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import toolkit as tk
from toolkit.catalog import Catalog
from toolkit.runs import Event, Paused, RunError
from toolkit.sources import ReadLimits
from toolkit.testing.slow_link import SlowLink, slow_link
from toolkit.testing.small_run import COMPARED
from toolkit.testing.ssh_server import SshServer

LIMITS = ReadLimits(stall_seconds=1.0, retry_seconds=1.0)
N_PHOTOS = 24

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
    photos = [ssh.uri(photo, link.port) for photo in many_photos[:N_PHOTOS]]
    return Catalog.create(tmp_path / "demo.zarr", photos, block_size=8)


@pytest.fixture(scope="module")
def expected(
    model: tk.Model, protocol: tk.Protocol, many_photos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Catalog:
    """The same photos from this machine's disk."""
    catalog = Catalog.create(tmp_path_factory.mktemp("local") / "demo.zarr", many_photos[:N_PHOTOS], block_size=8)
    tk.segment(catalog, model, protocol).wait()
    return catalog


def assert_complete(catalog: Catalog, expected: Catalog) -> None:
    found, wanted = catalog.to_xarray(), expected.to_xarray()
    assert set(found.status.values) == {"done"}
    assert set(found.attempts.values) == {1}
    for name in COMPARED:
        if wanted[name].dtype.kind == "f":  # engines have other numbers of threads, which round differently
            np.testing.assert_allclose(found[name].values, wanted[name].values, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name].values, wanted[name].values, err_msg=name)


def wait_until(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_a_server_that_goes_away_and_comes_back(
    ssh: SshServer,
    link: SlowLink,
    catalog: Catalog,
    expected: Catalog,
    model: tk.Model,
    protocol: tk.Protocol,
    how: str,
) -> None:
    events: list[Event] = []
    run = tk.segment(catalog, model, protocol, limits=LIMITS, flush_seconds=0.5, observers=[events.append])
    wait_until(lambda: run.progress.done >= 5)
    ssh.kill() if how == "killed" else link.go_silent()
    wait_until(lambda: run.progress.paused)
    assert run.progress.state == "running"
    assert f"paused: sftp://127.0.0.1:{link.port} cannot be reached" in str(run.progress)
    done = run.progress.done
    time.sleep(2)
    assert run.progress.done == done
    ssh.start() if how == "killed" else link.go_silent(False)
    run.wait(60)
    assert (run.progress.state, run.progress.failed, run.progress.paused) == ("finished", 0, "")
    assert [bool(event.reason) for event in events if isinstance(event, Paused)] == [True, False]
    assert_complete(catalog, expected)


def test_connections_that_break_now_and_then(
    link: SlowLink, catalog: Catalog, expected: Catalog, model: tk.Model, protocol: tk.Protocol
) -> None:
    run = tk.segment(catalog, model, protocol, flush_seconds=0.5)
    for _ in range(3):
        link.cut_after(60_000)
        wait_until(lambda: link._cut_after is None or run.progress.ended)
    run.wait(60)
    assert link.connections > 2
    assert_complete(catalog, expected)


def test_a_paused_run_can_be_cancelled(
    ssh: SshServer, catalog: Catalog, model: tk.Model, protocol: tk.Protocol
) -> None:
    ssh.kill()
    run = tk.segment(catalog, model, protocol, limits=LIMITS)
    wait_until(lambda: run.progress.paused)
    run.cancel()
    run.wait(30)
    assert run.progress.state == "cancelled"
    assert set(catalog.to_xarray().status.values) == {"pending"}


def test_a_server_with_another_key_stops_the_run(
    ssh: SshServer, catalog: Catalog, model: tk.Model, protocol: tk.Protocol
) -> None:
    ssh.trust(ssh.stranger.with_suffix(".pub"))
    with pytest.raises(RunError, match="host key is not the one in known_hosts"):
        tk.segment(catalog, model, protocol).wait(60)
    assert set(catalog.to_xarray().status.values) == {"pending"}


def test_on_engines(ssh: SshServer, link: SlowLink, catalog: Catalog, expected: Catalog, protocol: tk.Protocol) -> None:
    with tk.Cluster.start("local", n=2) as cluster:
        model = "deeplabv3-mobilenetv2-voc"
        run = tk.segment(catalog, model, protocol, cluster=cluster, limits=LIMITS, flush_seconds=0.5)
        wait_until(lambda: run.progress.done >= 5)
        ssh.kill()
        wait_until(lambda: run.progress.paused)
        ssh.start()
        run.wait(60)
    assert (run.progress.state, run.progress.failed, run.progress.engines_lost) == ("finished", 0, 0)
    assert_complete(catalog, expected)
