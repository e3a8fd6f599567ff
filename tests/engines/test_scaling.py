"""Engines that join and leave, by order and by accident."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from toolkit.engines import Cluster, EngineLostError, InProcessExecutor
from toolkit.testing.profiles import adapted
from toolkit.testing.waiting import wait_until

QUICK = {"SILENT_SECONDS": "3"}
CURIOUS = "from toolkit.engines.inside import membership; membership.SECONDS_BETWEEN_QUESTIONS = 0.5"


def pids(cluster: Cluster) -> set[int]:
    return set(cluster.resources()["pid"].dropna().astype(int))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted("local", tmp_path_factory.mktemp("quick"), QUICK)


class TestScale:
    def test_engines_join_and_leave_while_work_runs(self, quick: Path) -> None:
        with Cluster.start(quick, n=1) as cluster:
            executor = cluster.executor()
            futures = [executor.submit(time.sleep, 0.1) for _ in range(60)]
            cluster.scale(3)
            wait_until(lambda: cluster.n_engines == 3)
            threads = [executor.submit_to(engine, os.getenv, "OMP_NUM_THREADS") for engine in cluster.ids[1:]]
            assert {future.result(20) for future in threads} == {"1"}  # of two cores or more, shared by three
            cluster.scale(1)
            wait_until(lambda: cluster.ids == [0])
            assert [future.result(30) for future in futures] == [None] * 60  # those that left had finished theirs
            assert len(pids(cluster)) == 1
            with pytest.raises(EngineLostError):
                executor.submit_to(2, abs, -1)

    @pytest.mark.parametrize(("n", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
    def test_what_is_no_number_of_engines_is_refused(self, cluster: Cluster, n: object, error: type[Exception]) -> None:
        with pytest.raises(error, match="must be a positive number of engines"):
            cluster.scale(n)  # type: ignore[arg-type]

    def test_one_engine_of_this_process_is_what_it_is(self) -> None:
        executor = InProcessExecutor()
        assert executor.submit_to(0, abs, -3).result(5) == 3
        executor.close()


class TestSilence:
    def test_an_engine_that_was_stopped_is_ended_and_replaced(self, quick: Path) -> None:
        with Cluster.start(quick, n=2) as cluster:
            victim = int(cluster.resources()["pid"][0])
            os.kill(victim, signal.SIGSTOP)
            wait_until(lambda: cluster.ids == [1, 2])
            wait_until(lambda: not psutil.pid_exists(victim) or psutil.Process(victim).status() == "zombie")
            assert victim not in pids(cluster)

    def test_work_cannot_starve_the_heartbeat(self, quick: Path) -> None:
        with Cluster.start(quick, n=1) as cluster:
            began = time.monotonic()
            future = cluster.executor().submit(sum, range(500_000_000))  # no other Python thread gets to run meanwhile
            time.sleep(1)
            assert list(cluster.resources()["doing"]) == ["does not answer"]
            future.result(60)
            assert time.monotonic() - began > 4
            assert cluster.ids == [0]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A profile directory in which ``ipcluster start`` runs one engine."""
    profile_dir = adapted("local", tmp_path_factory.mktemp("foreign"), QUICK, CURIOUS)
    ipcluster = shutil.which("ipcluster", path=str(Path(sys.executable).parent))
    assert ipcluster is not None
    command = [ipcluster, "start", f"--profile-dir={profile_dir}", "-n", "1"]
    output = profile_dir / "ipcluster.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        Cluster.connect(profile_dir=profile_dir, timeout=60).stop()
    except TimeoutError:
        pytest.fail(output.read_text())
    yield profile_dir
    process.send_signal(signal.SIGINT)
    process.wait(20)


class TestForeign:
    def test_an_engine_that_was_given_up_joins_again(self, foreign: Path) -> None:
        with Cluster.connect(profile_dir=foreign) as cluster:
            (pid,), (before,) = pids(cluster), cluster.ids
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: not cluster.ids)
            os.kill(pid, signal.SIGCONT)
            wait_until(lambda: cluster.n_engines == 1)
            assert cluster.ids != [before]
            assert cluster.executor().submit(abs, -3).result(20) == 3
            wait_until(lambda: pids(cluster) == {pid})

    def test_it_can_be_scaled_by_whoever_knows_its_profile(self, foreign: Path) -> None:
        with Cluster.connect(profile_dir=foreign) as cluster:
            (theirs,) = cluster.ids
            cluster.scale(2)
            wait_until(lambda: cluster.n_engines == 2)
            ours = pids(cluster)
        with Cluster.connect(profile_dir=foreign) as cluster:
            wait_until(lambda: cluster.ids == [theirs])  # what was added ended with the connection
            assert pids(cluster) < ours

    def test_engines_end_soon_after_their_controller(self, foreign: Path) -> None:
        with Cluster.connect(profile_dir=foreign) as cluster:
            (pid,) = pids(cluster)
        engine = psutil.Process(pid)
        ipcluster = engine.parent()
        assert ipcluster is not None
        (controller,) = (child for child in ipcluster.children() if "ipyparallel.controller" in child.cmdline())
        schedulers = controller.children()
        ipcluster.kill()  # which would end them
        controller.kill()
        try:
            wait_until(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE)
        finally:
            for scheduler in schedulers:
                scheduler.kill()
