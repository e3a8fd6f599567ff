"""Engines that a real Slurm starts on two nodes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolkit as tk
from toolkit.engines import deciding, started_engines
from toolkit.engines.started_engines import StartedEngines
from toolkit.testing.profiles import adapted
from toolkit.testing.slurm_site import NODES, SlurmSite
from toolkit.testing.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmSite]:
    with SlurmSite(tmp_path_factory.mktemp("slurm")) as site, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(site.config))
        yield site
        assert site.ask("squeue", "-h") == ""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The profile as a site would have adapted it: small nodes, and nothing listens beyond this machine."""
    changes = {"CPUS_PER_ENGINE": "2", "MEMORY_PER_ENGINE": '"1G"', "WALLTIME": '"00:10:00"', "IP": '"127.0.0.1"'}
    return adapted("slurm", tmp_path, changes)


def test_engines_of_both_nodes_do_the_work_and_one_that_is_cancelled_is_replaced(
    slurm: SlurmSite, profile: Path, make_photos: object, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 80)  # type: ignore[operator]
    cat = tk.Catalog.create(tmp_path / "demo.zarr", photos, block_size=8)
    protocol = tk.Protocol(crop_size=97, scales=(0.75, 1.0), flip=True)
    with tk.Cluster.start(profile, n=2, timeout=PATIENCE) as cluster:
        wait_until(lambda: cluster.n_engines == 2)
        run = tk.segment(cat, "deeplabv3-mobilenetv2-voc", protocol, cluster=cluster, flush_seconds=0.5)
        wait_until(lambda: run.progress.done >= 8)
        jobs = slurm.ask("squeue", "-h", "-r", "-o", "%i %N").split("\n")
        running = dict(line.split() for line in jobs if line.strip())
        assert set(running.values()) == set(NODES)
        slurm.ask("scancel", next(iter(running)))
        wait_until(lambda: cluster.ids == [1, 2] or cluster.ids == [0, 2])  # a new job, as long as there is work
        run.wait(PATIENCE)
        assert run.progress.engines_lost == 0  # Slurm warns, and half a minute is enough
        used = set(cat.to_xarray().engine.values)
        assert len(used) == 3
    assert (run.progress.state, run.progress.failed) == ("finished", 0)
    assert set(cat.to_xarray().status.values) == {"done"}
    wait_until(lambda: slurm.ask("squeue", "-h") == "")
    assert list((profile / "log").glob("slurm-*.log"))


def test_a_job_that_is_cancelled_in_the_queue_is_replaced(
    slurm: SlurmSite, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started_engines, "SECONDS_BETWEEN_QUESTIONS", 1.0)
    monkeypatch.setattr(deciding, "SECONDS_WITHOUT_JOB", 3.0)
    with tk.Cluster.start(profile, n=3, timeout=120) as cluster:  # there is room for two
        wait_until(lambda: cluster.n_engines == 2)
        (waiting,) = slurm.ask("squeue", "-h", "-r", "-t", "pending", "-o", "%i").split()
        slurm.ask("scancel", waiting)
        wait_until(lambda: set(slurm.ask("squeue", "-h", "-r", "-t", "pending", "-o", "%i").split()) - {waiting})
        assert cluster.n_engines == 2
    wait_until(lambda: slurm.ask("squeue", "-h") == "", 30)


@pytest.mark.parametrize(("setting", "n_jobs"), [("True", 2), ("False", 1)])
def test_engines_are_counted_whether_they_are_jobs_of_an_array_or_tasks_of_one_job(
    slurm: SlurmSite, profile: Path, setting: str, n_jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started_engines, "SECONDS_BETWEEN_QUESTIONS", 0.0)
    settings = profile / "ipcluster_config.py"
    settings.write_text(settings.read_text().replace("ARRAY = True", f"ARRAY = {setting}"))
    engines = StartedEngines(profile, "nobody")
    try:
        engines.start_engines(2, among=2)
        assert len(slurm.ask("squeue", "-h", "-r").splitlines()) == n_jobs
        assert engines.count_jobs() == 2
    finally:
        engines.stop()
    wait_until(lambda: engines.count_jobs() == 0)


def test_ipcluster_starts_it_too(slurm: SlurmSite, profile: Path) -> None:
    ipcluster = shutil.which("ipcluster", path=str(Path(sys.executable).parent))
    assert ipcluster is not None
    command = [ipcluster, "start", f"--profile-dir={profile}", "-n", "2", "--daemonize=False"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with tk.Cluster.connect(profile_dir=profile, timeout=PATIENCE) as cluster:
            wait_until(lambda: cluster.n_engines == 2)
            executor = cluster.executor()
            futures = [executor.submit(os.getenv, "SLURMD_NODENAME") for _ in range(20)]
            assert {future.result(PATIENCE) for future in futures} == set(NODES)
    finally:
        subprocess.run([ipcluster, "stop", f"--profile-dir={profile}"], check=False, capture_output=True)
        process.terminate()
        process.wait(PATIENCE)
    wait_until(lambda: slurm.ask("squeue", "-h") == "")
