"""Engines that a real SSH starts on two "hosts": loopback addresses of a private server; connections are encrypted."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq

import toolkit as tk
from toolkit.processes import is_alive
from toolkit.testing.profiles import adapted
from toolkit.testing.ssh_server import SshServer, make_key
from toolkit.testing.waiting import PATIENCE, wait_until

HOSTS = ("127.0.0.2", "127.0.0.3")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with SshServer(tmp_path_factory.mktemp("sshd"), HOSTS) as server:
        yield server


def profile(server: SshServer, folder: Path) -> Path:
    """The profile as a site would have adapted it; the controller listens on an address as if that were a network's."""
    changes = {
        "PYTHON": repr(sys.executable),
        "FOLDER": repr(str(folder / "there")),
        "SSH_OPTIONS": repr(["-F", str(server.config)]),
        "IP": repr("127.0.0.9"),
    }
    folder = adapted("ssh", folder, changes)
    (folder / "hosts").write_text(f"{HOSTS[0]}:{server.port}  # one\n\n{HOSTS[1]}:{server.port} engines=2\n")
    return folder


def processes(cluster: tk.Cluster, n: int) -> list[psutil.Process]:
    """Its engines, once so many have said who they are."""
    wait_until(lambda: cluster.resources()["pid"].notna().sum() == n)
    return [psutil.Process(int(pid)) for pid in cluster.resources()["pid"]]


def test_a_run_on_two_hosts_leaves_nothing_behind_and_keeps_strangers_out(
    server: SshServer, tmp_path: Path, make_photos: object
) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", make_photos(tmp_path / "photos", 20))  # type: ignore[operator]
    folder = profile(server, tmp_path)
    with tk.Cluster.start(folder) as cluster:
        engines = processes(cluster, 3)
        assert {engine.environ()["SEGSCAPE_ENGINES_ON_HOST"] for engine in engines} == {"1", "2"}

        (file,) = (folder / "security").glob("ipcontroller-*-client.json")
        assert file.stat().st_mode & 0o077 == 0
        assert not list((tmp_path / "there").rglob("*client*"))
        keys = json.loads(file.read_text())
        assert keys["curve_serverkey"]
        for key in ("", zmq.curve_keypair()[0].decode()):
            stranger = tmp_path / "stranger.json"
            stranger.write_text(json.dumps({**keys, "curve_serverkey": key}))
            with pytest.raises(TimeoutError, match="did not answer"):
                tk.Cluster.connect(connection_file=stranger, timeout=2)

        run = tk.segment(cat, "deeplabv3-mobilenetv2-voc", tk.Protocol(crop_size=97), cluster=cluster)
        run.wait(PATIENCE)
        assert (run.progress.done, run.progress.failed) == (20, 0)
        engines[0].kill()
        wait_until(lambda: cluster.n_engines == 3 and max(cluster.ids) == 3)  # another takes its place
        engines += processes(cluster, 3)
    wait_until(lambda: not any(map(is_alive, engines)))


def test_a_host_that_is_not_the_one_that_is_known_gets_no_engine(
    server: SshServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_key(tmp_path / "other")
    folder = profile(server, tmp_path)
    server.trust(tmp_path / "other.pub")
    try:
        with pytest.raises(
            RuntimeError, match=r"no engine could be started: 127\.0\.0\.2: Host key verification failed"
        ):
            tk.Cluster.start(folder)
    finally:
        server.trust(server.public_key)
