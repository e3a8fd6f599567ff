"""Starting, connecting to, describing and stopping clusters."""

import itertools
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ipyparallel
import pandas as pd
import psutil
import pytest

from toolkit import paths
from toolkit.engines import Cluster
from toolkit.engines import profiles as engine_profiles
from toolkit.engines.environment import usable_cores
from toolkit.engines.launched_cluster import LaunchedCluster
from toolkit.testing.waiting import GO, begin_and_wait, n_begun, wait_until

ANSWER = 60.0


@pytest.fixture
def profile_dir(tmp_path: Path) -> Path:
    """A copy of the profile "local", so that a test may change it, and clusters without an id do not meet."""
    return Path(shutil.copytree(paths.clusters() / "local", tmp_path / "site", ignore=_runtime_folders))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A profile directory in which ``ipcluster start`` runs one engine."""
    profile_dir = tmp_path_factory.mktemp("clusters") / "local"
    shutil.copytree(paths.clusters() / "local", profile_dir, ignore=_runtime_folders)
    command = [sys.executable, "-m", "ipyparallel.cluster", "start", f"--profile-dir={profile_dir}", "-n", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield profile_dir
    process.send_signal(signal.SIGINT)
    process.wait(ANSWER)


def _runtime_folders(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_dir()]


class TestStart:
    def test_an_unknown_profile_is_refused_with_those_that_exist(self) -> None:
        with pytest.raises(ValueError, match=r"profile 'nope' is neither one of .*'local'"):
            Cluster.start("nope")

    @pytest.mark.parametrize("n", [0, -1])
    def test_fewer_than_one_engine_is_refused(self, n: int) -> None:
        with pytest.raises(ValueError, match=f"n must be a whole number of at least 1, not {n}"):
            Cluster.start(n=n)

    @pytest.mark.parametrize("n", [1.5, "2", True])
    def test_something_else_than_a_number_of_engines_is_refused(self, n: object) -> None:
        with pytest.raises(TypeError, match=f"n must be a whole number of at least 1, not {n!r}"):
            Cluster.start(n=n)  # type: ignore[arg-type]

    def test_a_time_out_that_is_no_time_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"timeout must be a number of seconds of at least 0\.1, not 0"):
            Cluster.start(timeout=0)

    def test_all_engines_are_there(self, cluster: Cluster) -> None:
        assert cluster.n_engines == 2
        assert cluster.ids == [0, 1]

    @pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
    def test_engines_share_the_cores(self, cluster: Cluster, name: str) -> None:
        assert cluster.executor().submit(os.getenv, name).result(ANSWER) == str(max(1, usable_cores() // 2))

    def test_engines_keep_the_memory_that_they_free(self, cluster: Cluster) -> None:
        executor = cluster.executor()
        assert executor.submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result(ANSWER) == str(8 * 2**30)
        assert executor.submit(os.getenv, "MALLOC_MMAP_THRESHOLD_").result(ANSWER) == str(8 * 2**30)
        assert executor.submit(os.getenv, "MALLOC_TOP_PAD_").result(ANSWER) == str(256 * 2**20)

    def test_engines_that_end_while_starting_are_an_error_that_names_the_log(self, profile_dir: Path) -> None:
        (profile_dir / "ipengine_config.py").write_text("raise SystemExit('no GPU here')")
        with pytest.raises(RuntimeError, match=r"only 0 of 1 engines .* ended while starting") as caught:
            Cluster.start(profile_dir, n=1, timeout=60)
        log = Path(str(caught.value).rpartition(" ")[2])
        assert log.parent == profile_dir / "log"
        assert "no GPU here" in log.read_text()

    def test_engines_that_do_not_come_are_an_error_that_says_how_many(self, profile_dir: Path) -> None:
        (profile_dir / "ipengine_config.py").write_text("import time; time.sleep(600)")
        times = itertools.chain([0.0, 0.0], itertools.repeat(61.0))  # late when engines are waited for, not before
        with pytest.raises(TimeoutError, match="only 0 of 1 engines came up within 60 s"):
            LaunchedCluster(profile_dir, 1, 60.0, lambda: next(times))
        assert _running_in(profile_dir) == []

    def test_a_controller_that_does_not_come_is_an_error(self, profile_dir: Path) -> None:
        (profile_dir / "ipcontroller_config.py").write_text("raise SystemExit('port taken')")
        with pytest.raises(RuntimeError, match="the controller did not come up") as caught:
            Cluster.start(profile_dir, n=1, timeout=60)
        assert "port taken" in Path(str(caught.value).rpartition(" ")[2]).read_text()

    def test_a_profile_sets_the_number_and_environment_of_engines(
        self, profile_dir: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        settings = (profile_dir / "ipcluster_config.py").read_text()
        settings = settings.replace("ENGINES = None", "ENGINES = 1")
        settings = settings.replace("ENVIRONMENT = {}", "ENVIRONMENT = {'OMP_NUM_THREADS': '7'}")
        (profile_dir / "ipcluster_config.py").write_text(settings)
        with Cluster.start(profile_dir) as cluster:
            assert cluster.n_engines == 1
            assert cluster.executor().submit(os.getenv, "OMP_NUM_THREADS").result(ANSWER) == "7"
        assert capfd.readouterr() == ("", "")  # nor does it write anything into a notebook

    def test_a_profile_that_cannot_be_written_is_copied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
        shipped, access = paths.clusters().resolve(), os.access
        monkeypatch.setattr(os, "access", lambda path, mode: shipped not in Path(path).parents and access(path, mode))
        copy = engine_profiles.runtime_directory("local")
        assert copy == tmp_path / "profile_segscape_local"
        assert {path.name for path in copy.iterdir()} == {
            "ipcluster_config.py",
            "ipcontroller_config.py",
            "ipengine_config.py",
        }


class TestStop:
    def test_nothing_is_left_behind_even_of_a_busy_cluster(self, profile_dir: Path) -> None:
        cluster = Cluster.start(profile_dir, n=1)
        executor = cluster.executor()
        future = executor.submit(time.sleep, 600)
        assert len(_running_in(profile_dir)) > 2
        cluster.stop()

        assert _running_in(profile_dir) == []
        assert future.cancelled()
        assert [path for folder in ("log", "security", "pid") for path in (profile_dir / folder).iterdir()] == []

        cluster.stop()  # once more changes nothing
        assert cluster.n_engines == 0
        assert cluster.resources().empty
        assert repr(cluster) == "<Cluster: stopped; profile 'site', started here>"
        with pytest.raises(RuntimeError, match="was stopped"):
            cluster.executor()


class TestResources:
    def test_there_is_one_row_per_engine(self, cluster: Cluster) -> None:
        table = cluster.resources()
        assert list(table["engine"]) == cluster.ids
        assert set(table["host"]) == {socket.gethostname()}
        assert all(psutil.pid_exists(pid) for pid in table["pid"])
        assert all(device == "cpu" or device.startswith("cuda:0 ") for device in table["device"])
        assert (table["memory"] > 10 * 2**20).all()
        assert (table["threads"] >= 1).all()
        assert (pd.Timestamp.now("UTC") - table["since"] < pd.Timedelta("1h")).all()

    def test_busy_engines_say_what_they_do_without_waiting(self, cluster: Cluster, tmp_path: Path) -> None:
        executor = cluster.executor()
        futures = [executor.submit(begin_and_wait, str(tmp_path)) for _ in range(2)]
        wait_until(lambda: n_begun(tmp_path) == 2)
        table = cluster.resources()
        assert set(table["doing"]) == {"begin_and_wait"}
        assert table.drop(columns=["gpu_memory", "gpu_load"]).notna().all(axis=None)
        assert not any(future.done() for future in futures)
        (tmp_path / GO).touch()
        assert {future.result(ANSWER) for future in futures} == set(table["pid"])
        assert set(cluster.resources()["doing"]) == {""}

    def test_an_engine_that_is_stopped_has_a_name_but_no_numbers(self, cluster: Cluster) -> None:
        pid = int(cluster.resources()["pid"][0])
        os.kill(pid, signal.SIGSTOP)
        try:
            while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
                time.sleep(0.01)
            for _ in range(2):
                table = cluster.resources().set_index("pid")
                assert table["doing"].loc[pid] == "does not answer"
                assert pd.isna(table["memory"].loc[pid])
                assert table["memory"].drop(pid).notna().all()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (cluster.resources()["doing"] == "").all()

    def test_engines_of_a_foreign_profile_are_asked_as_well(self, tmp_path: Path) -> None:
        with ipyparallel.Cluster(n=1, profile_dir=str(tmp_path), log_level=logging.ERROR) as client:
            client.wait_for_engines(1, timeout=ANSWER)
            (file,) = (tmp_path / "security").glob("ipcontroller-*client.json")
            with Cluster.connect(connection_file=file) as cluster:
                deadline = time.monotonic() + ANSWER
                while cluster.resources()["memory"].isna().any():
                    assert time.monotonic() < deadline
                with pytest.raises(RuntimeError, match="how to start engines of this cluster is not known"):
                    cluster.scale(2)

    def test_a_notebook_shows_the_table(self, cluster: Cluster) -> None:
        assert repr(cluster) == "<Cluster: 2 engines; profile 'local', started here>"
        html = cluster._repr_html_()
        assert "2 engines" in html
        assert f"<td>{cluster.resources()['pid'][0]}</td>" in html


class TestConnect:
    def test_a_running_cluster_runs_tasks_and_outlives_the_connection(self, running: Path) -> None:
        for _ in range(2):
            with Cluster.connect(profile_dir=running) as cluster:
                assert cluster.ids == [0]
                assert cluster.executor().submit(abs, -3).result(ANSWER) == 3
            assert cluster.n_engines == 0

    def test_its_engines_have_the_profiles_environment(self, running: Path) -> None:
        with Cluster.connect(connection_file=running / "security" / "ipcontroller-client.json") as cluster:
            assert cluster.executor().submit(os.getenv, "OMP_NUM_THREADS").result(ANSWER) == str(usable_cores())
            assert cluster.executor().submit(os.getenv, "SEGSCAPE_PARENT_PID").result(ANSWER) is None

    def test_a_cluster_that_another_process_started_is_found_by_its_id(self, cluster: Cluster) -> None:
        with Cluster.connect("local", cluster_id=cluster.cluster_id) as second:
            assert second.ids == cluster.ids

    def test_where_nothing_runs_the_error_says_how_to_start(self, profile_dir: Path) -> None:
        with pytest.raises(TimeoutError, match=r"no cluster is running here.*ipcluster start --profile-dir="):
            Cluster.connect(profile_dir=profile_dir, timeout=0.5)

    def test_a_wrong_id_is_answered_with_those_that_run(self, cluster: Cluster) -> None:
        with pytest.raises(TimeoutError, match=f"clusters with cluster_id .*'{cluster.cluster_id}'"):
            Cluster.connect("local", cluster_id="nope", timeout=0.5)

    def test_what_a_dead_controller_left_is_named(self, running: Path, tmp_path: Path) -> None:
        left = tmp_path / "ipcontroller-client.json"
        settings = json.loads((running / "security" / "ipcontroller-client.json").read_text())
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            left.write_text(json.dumps({**settings, "registration": unused.getsockname()[1]}))
            with pytest.raises(TimeoutError, match="did not answer within 1 s; if it no longer runs, delete that file"):
                Cluster.connect(connection_file=left, timeout=1)

    def test_two_ways_to_find_a_cluster_are_one_too_many(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="only one of profile, profile_dir and connection_file"):
            Cluster.connect("local", profile_dir=tmp_path)


def _running_in(profile_dir: Path) -> list[psutil.Process]:
    """Controllers, engines and what they started in a profile directory."""
    return [process for process in psutil.process_iter() if _profile_of(process) == str(profile_dir)]


def _profile_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("IPP_PROFILE_DIR", "")
    except psutil.Error:
        return ""
