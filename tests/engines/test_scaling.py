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
from toolkit.engines.environment import usable_cores
from toolkit.processes import is_alive
from toolkit.testing.profiles import adapted
from toolkit.testing.waiting import GO, begin_and_hold, begin_and_wait, n_begun, wait_until

QUICK = {"SILENT_SECONDS": "3"}
CURIOUS = "from toolkit.engines.inside import membership; membership.SECONDS_BETWEEN_QUESTIONS = 0.5"


def pids(cluster: Cluster) -> set[int]:
    return set(cluster.resources()["pid"].dropna().astype(int))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted("local", tmp_path_factory.mktemp("quick"), QUICK)


class TestScale:
    def test_engines_join_and_leave_while_work_runs(self, quick: Path, tmp_path: Path) -> None:
        with Cluster.start(quick, n=1) as cluster:
            executor = cluster.executor()
            futures = [executor.submit(begin_and_wait, str(tmp_path)) for _ in range(3)]
            cluster.scale(3)
            wait_until(lambda: n_begun(tmp_path) == 3)
            engines = [psutil.Process(pid) for pid in pids(cluster)]
            threads = sorted(int(engine.environ()["OMP_NUM_THREADS"]) for engine in engines)
            assert threads == [max(1, usable_cores() // 3)] * 2 + [usable_cores()]
            cluster.scale(1)
            wait_until(lambda: list(cluster.resources()["doing"]).count("leaving") == 2)
            (tmp_path / GO).touch()
            wait_until(lambda: cluster.ids == [0])
            assert len({future.result(60) for future in futures}) == 3  # those that left had finished theirs
            assert len(pids(cluster)) == 1
            with pytest.raises(EngineLostError):
                executor.submit_to(2, abs, -1)

    @pytest.mark.parametrize(("n", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
    def test_what_is_no_number_of_engines_is_refused(self, cluster: Cluster, n: object, error: type[Exception]) -> None:
        with pytest.raises(error, match="n must be a whole number of at least 1"):
            cluster.scale(n)  # type: ignore[arg-type]

    def test_one_engine_of_this_process_is_what_it_is(self) -> None:
        executor = InProcessExecutor()
        assert executor.submit_to(0, abs, -3).result(60) == 3
        executor.close()


class TestSilence:
    def test_an_engine_that_was_stopped_is_ended_and_replaced(self, quick: Path) -> None:
        with Cluster.start(quick, n=2) as cluster:
            victim = psutil.Process(int(cluster.resources()["pid"][0]))
            victim.suspend()
            wait_until(lambda: cluster.ids == [1, 2])
            wait_until(lambda: not is_alive(victim))
            assert victim.pid not in pids(cluster)

    def test_work_cannot_starve_the_heartbeat(self, quick: Path, tmp_path: Path) -> None:
        with Cluster.start(quick, n=1) as cluster:
            future = cluster.executor().submit(begin_and_hold, str(tmp_path))
            wait_until(lambda: n_begun(tmp_path) == 1)
            time.sleep(4)  # longer than an engine may be silent
            assert list(cluster.resources()["doing"]) == ["does not answer"]
            assert cluster.ids == [0]
            (tmp_path / GO).touch()
            future.result(60)


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
            assert cluster.executor().submit(abs, -3).result(60) == 3
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
            wait_until(lambda: not is_alive(engine))
        finally:
            for scheduler in schedulers:
                scheduler.kill()
