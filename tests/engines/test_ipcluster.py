"""Clusters that ipyparallel's own command starts and stops."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

from toolkit import paths
from toolkit.engines import Cluster

SECONDS = 120.0


def ipcluster(command: str, profile: Path, *options: str) -> None:
    arguments = [sys.executable, "-m", "ipyparallel.cluster", command, f"--profile-dir={profile}", *options]
    subprocess.run(arguments, check=True, capture_output=True, timeout=SECONDS)


def processes_of(profile: Path) -> list[psutil.Process]:
    """Controller and engines; the command is no name to know them by."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("IPP_PROFILE_DIR") == str(profile):
                found.append(process)
    return found


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    (tmp_path / "local").mkdir()
    for settings in (paths.clusters() / "local").glob("*.py"):
        shutil.copy(settings, tmp_path / "local")
    return tmp_path / "local"


def test_what_it_started_it_stops(
    profile: Path, survivors: Callable[[Iterable[psutil.Process], float], list[psutil.Process]]
) -> None:
    ipcluster("start", profile, "-n", "1", "--daemonize")
    with Cluster.connect(profile_dir=profile, timeout=SECONDS) as cluster:
        assert cluster.n_engines == 1
    processes = processes_of(profile)
    assert processes
    ipcluster("stop", profile)
    assert survivors(processes, SECONDS) == []


def test_it_stops_what_was_started_from_python(
    profile: Path, survivors: Callable[[Iterable[psutil.Process], float], list[psutil.Process]]
) -> None:
    with Cluster.start(profile, n=1) as cluster:
        processes = processes_of(profile)
        assert processes
        ipcluster("stop", profile, f"--cluster-id={cluster.cluster_id}")
        assert survivors(processes, SECONDS) == []
