"""Engines that see neither the catalog nor the photos, as on another machine: they have other file systems."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import toolkit as tk
from toolkit.runs import RunError
from toolkit.sources.sftp import CONFIG_VARIABLE
from toolkit.testing.profiles import adapted
from toolkit.testing.ssh_server import SshServer
from toolkit.testing.waiting import PATIENCE


@pytest.fixture
def apart(tmp_path: Path) -> Path:
    """A profile of which the engines see another, empty folder in the place of ``tmp_path / "here"``."""
    (tmp_path / "here").mkdir()
    hide = f"mount -t tmpfs none {tmp_path / 'here'}"
    allowed = subprocess.run(["unshare", "--mount", "sh", "-c", hide], check=False, capture_output=True, text=True)
    if allowed.returncode:
        pytest.skip(f"mounts of a process's own are not allowed here: {allowed.stderr.strip()}")
    profile = adapted("local", tmp_path / "site", {})
    shell = f'{hide} && exec "$0" "$@"'
    with (profile / "ipcluster_config.py").open("a") as settings:
        settings.write(f"import sys\ncommand = ['unshare', '--mount', 'sh', '-c', {shell!r}]\n")
        settings.write("c.EngineLauncher.engine_cmd = [*command, sys.executable, '-m', 'ipyparallel.engine']\n")
    return profile


def test_label_maps_and_the_model_find_their_way(
    ssh: SshServer,
    apart: Path,
    tmp_path: Path,
    small_photos: list[Path],
    model: tk.Model,
    small_protocol: tk.Protocol,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEGSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(CONFIG_VARIABLE, os.environ[CONFIG_VARIABLE])
    uris = [ssh.uri(photo) for photo in small_photos]
    alone = tk.Catalog.create(tmp_path / "alone.zarr", uris, block_size=4)
    bundle = model.save_bundle(tmp_path / "here" / "bundle")
    tk.segment(alone, tk.load_model(bundle), small_protocol).wait()
    cat = tk.Catalog.create(tmp_path / "here" / "demo.zarr", uris, block_size=4)
    with tk.Cluster.start(apart, n=2) as cluster:
        run = tk.segment(cat, tk.load_model(bundle), small_protocol, cluster=cluster, flush_seconds=0.5)
        run.wait(PATIENCE)
    assert (run.progress.done, run.progress.failed) == (10, 0)
    np.testing.assert_array_equal(cat.to_xarray().composition.values, alone.to_xarray().composition.values)
    for row in range(10):
        np.testing.assert_array_equal(cat.labels(run.id, row), alone.labels(None, row))
    assert cat.verify() == []


def test_photos_that_only_this_machine_has_stop_the_run(
    apart: Path, tmp_path: Path, small_photos: list[Path], model: tk.Model, small_protocol: tk.Protocol
) -> None:
    photos = [Path(shutil.copy(photo, tmp_path / "here")) for photo in small_photos]
    cat = tk.Catalog.create(tmp_path / "demo.zarr", photos)
    with tk.Cluster.start(apart, n=1) as cluster:
        run = tk.segment(cat, model, small_protocol, cluster=cluster)
        with pytest.raises(RunError, match=r"is here, but not for the engine .* give the images as sftp://"):
            run.wait(PATIENCE)
    assert set(cat.to_xarray().status.values) == {"pending"}
