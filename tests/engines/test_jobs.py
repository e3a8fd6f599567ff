"""What schedulers print of their jobs, and what that says; Slurm's own word is in tests/hpc."""

from pathlib import Path

import pytest

from toolkit.engines import Cluster, started_engines
from toolkit.engines.launchers.jobs import COMMANDS, parse
from toolkit.engines.started_engines import StartedEngines
from toolkit.paths import clusters
from toolkit.testing.profiles import adapted

ANSWERS = {
    "slurm": "12      1       \n12      1       \n13      4       \n",
    "pbs": """
pbs:
                                                            Req'd  Req'd   Elap
Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time
--------------- -------- -------- ---------- ------ --- --- ------ ----- - -----
12[].pbs        me       workq    segscape      --    1   4    8gb 04:00 B   --
12[1].pbs       me       workq    segscape    3310    1   4    8gb 04:00 R 00:10
12[2].pbs       me       workq    segscape      --    1   4    8gb 04:00 Q   --
12[3].pbs       me       workq    segscape      --    1   4    8gb 04:00 X 00:01
13.pbs          me       workq    segscape      --    1   4    8gb 04:00 Q   --
""",
    "sge": """job-ID  prior   name       user         state submit/start at     queue             slots ja-task-ID
----------------------------------------------------------------------------------------------------
     12 0.55500 segscape   me           r     11/27/2026 10:00:00 all.q@node1                        4 1
     12 0.55500 segscape   me           qw    11/27/2026 10:00:00                                    4 2
     13 0.55500 segscape   me           qw    11/27/2026 10:00:00                                    4 1
""",
    "lsf": "12\n12\n13\n",
    "htcondor": "12\n12\n13\n",
}
SLURM = {"12": 2, "13": 4}
OTHERS = {"12": 2, "13": 1}


@pytest.mark.parametrize("scheduler", list(COMMANDS))
def test_engines_are_counted_by_job(scheduler: str) -> None:
    assert parse(ANSWERS[scheduler]) == (SLURM if scheduler == "slurm" else OTHERS)


def test_nothing_is_nothing() -> None:
    assert parse("No unfinished job found\n") == {}


class Job:
    def __init__(self, job_id: str, n: int) -> None:
        self.job_id, self.n = job_id, n


@pytest.mark.parametrize(
    ("scheduler", "answer", "n"),
    [
        ("slurm", "echo '12 1\n12 1\n99 7'", 2),
        ("pbs", "echo '12[3].x S 0'", 1),
        ("sge", "", 0),
        ("lsf", "exit 1", None),
    ],
)
def test_those_of_this_cluster_are_counted_by_the_command_of_its_scheduler(
    scheduler: str, answer: str, n: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / COMMANDS[scheduler].split()[0]
    command.write_text(f"#!/bin/sh\n{answer}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "ipcluster_config.py").write_text((clusters() / scheduler / "ipcluster_config.py").read_text())
    engines = StartedEngines(profile)
    engines.cluster.engines = {"1": Job("12", 3), "2": Job("14", 1)}
    try:
        assert engines.count_jobs() == n
        assert engines.log_file.exists() == (n is None)  # it says why it does not know
        command.unlink()
        assert engines.count_jobs() == n  # and is not asked every moment
    finally:
        for handler in engines.logger.handlers[:]:
            handler.close()


def test_a_cluster_none_of_whose_jobs_is_left_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started_engines, "SECONDS_BETWEEN_QUESTIONS", 0.0)
    for name, answer in {"sbatch": "echo Submitted batch job 12", "squeue": "", "scancel": ""}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(
        RuntimeError, match="only 0 of 2 engines came up, and no job is in the scheduler's queue any more"
    ):
        Cluster.start(adapted("slurm", tmp_path / "site", {"IP": "'127.0.0.1'"}), n=2)
