"""What the profiles hand to schedulers: filled in by ipyparallel, read by a shell, asking for what the site said."""

import logging
import re
import subprocess
from pathlib import Path

import ipyparallel
import pytest

from toolkit.engines.site import EngineJob
from toolkit.paths import clusters

SCHEDULERS = ["slurm", "pbs", "sge", "lsf", "htcondor"]
MARKS = {"slurm": "#SBATCH", "pbs": "#PBS", "sge": "#$", "lsf": "#BSUB"}
SETTINGS = {
    "WALLTIME": "12:30:00",
    "CPUS_PER_ENGINE": 3,
    "MEMORY_PER_ENGINE": "10G",
    "GPUS_PER_ENGINE": 1,
    "ACTIVATE": 'module load cuda\nexport X="${HOME}"',
}


def render(scheduler: str, folder: Path, n: int = 3, **settings: object) -> str:
    """The script for ``n`` engines of a profile in which a site has set some settings."""
    folder.mkdir(exist_ok=True)
    for file in (clusters() / scheduler).glob("*.py"):
        text = file.read_text(encoding="utf-8")
        for name, value in settings.items():
            text, n_set = re.subn(rf"^{name} = .*$", lambda _, n=name, v=value: f"{n} = {v!r}", text, flags=re.M)
            assert n_set == (file.name == "ipcluster_config.py"), name
        (folder / file.name).write_text(text, encoding="utf-8")
    cluster = ipyparallel.Cluster(
        profile_dir=str(folder), parent=None, log=logging.Logger("test"), shutdown_atexit=False, cluster_id="abc"
    )
    launcher = cluster.engine_launcher_class(
        parent=cluster, profile_dir=str(folder), work_dir=str(folder), cluster_id="abc"
    )
    launcher.write_batch_script(n)
    return Path(launcher.batch_file).read_text(encoding="utf-8")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
class TestEveryScheduler:
    def test_as_it_comes(self, scheduler: str, tmp_path: Path) -> None:
        script = render(scheduler, tmp_path / "profile")
        assert "ipyparallel.engine" in script
        assert str(tmp_path / "profile") in script
        assert "{" not in re.sub(r"\$\{.*?\}", "", script)  # all is filled in

    def test_a_shell_can_read_it(self, scheduler: str, tmp_path: Path) -> None:
        script = render(scheduler, tmp_path / "profile", **SETTINGS)
        if scheduler == "htcondor":
            (quoted,) = re.findall(r"""^arguments = "-c '(.*)'"$""", script, flags=re.M)
            script = quoted.replace("''", "'").replace('""', '"')
            assert 'export X="${HOME}"; exec ' in script
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("scheduler", list(MARKS))
def test_marks_come_before_any_command(scheduler: str, tmp_path: Path) -> None:
    lines = render(scheduler, tmp_path / "profile", **SETTINGS).splitlines()
    assert lines[0] == "#!/bin/bash"
    marked = [line.startswith(MARKS[scheduler] + " ") for line in lines[1:]]
    assert marked == sorted(marked, reverse=True)
    assert 'export X="${HOME}"' in lines
    assert "export OMP_NUM_THREADS=3" in lines
    assert lines[-1].startswith("exec ")


@pytest.mark.parametrize(
    ("scheduler", "settings", "wanted"),
    [
        (
            "slurm",
            {"PARTITION": "gpu", "ACCOUNT": "health", "OPTIONS": ["--constraint=a100"]},
            [
                "--partition=gpu",
                "--account=health",
                "--constraint=a100",
                "--time=12:30:00",
                "--cpus-per-task=3",
                "--mem-per-cpu=3414M",
                "--gpus-per-task=1",
                "--array=1-3",
                "--job-name=segscape-abc",
            ],
        ),
        ("slurm", {"ARRAY": False}, ["--ntasks=3"]),
        (
            "pbs",
            {"QUEUE": "gpu", "ACCOUNT": "health", "OPTIONS": ["-l place=scatter"]},
            [
                "-q gpu",
                "-A health",
                "-l place=scatter",
                "-l walltime=12:30:00",
                "-J 1-3",
                "-l select=1:ncpus=3:mem=10240mb:ngpus=1",
            ],
        ),
        ("pbs", {"TORQUE": True}, ["-t 1-3", "-l nodes=1:ppn=3:gpus=1", "-l mem=10240mb"]),
        (
            "sge",
            {"QUEUE": "all.q", "PROJECT": "health"},
            ["-q all.q", "-P health", "-t 1-3", "-pe smp 3", "-l h_rt=12:30:00", "-l h_vmem=3414M", "-l gpu=1"],
        ),
        (
            "lsf",
            {"QUEUE": "gpu", "PROJECT": "health"},
            [
                "-q gpu",
                "-P health",
                "-J segscape[1-3]",
                "-n 3",
                "-W 12:30",
                "-gpu num=1",
                '-R "span[hosts=1] rusage[mem=10240MB]"',
            ],
        ),
    ],
)
def test_it_asks_for_what_the_site_said(
    scheduler: str, settings: dict[str, object], wanted: list[str], tmp_path: Path
) -> None:
    lines = render(scheduler, tmp_path / "profile", **SETTINGS, **settings).splitlines()
    asked = [line.removeprefix(f"{MARKS[scheduler]} ") for line in lines if line.startswith(MARKS[scheduler])]
    assert set(wanted) <= set(asked)


def test_htcondor(tmp_path: Path) -> None:
    lines = render("htcondor", tmp_path / "profile", **SETTINGS, ACCOUNT="health").splitlines()
    wanted = {"request_cpus = 3", "request_memory = 10240", "request_gpus = 1", "accounting_group = health", "queue 3"}
    assert wanted <= set(lines)
    assert lines[-1] == "queue 3"


def test_pbs_knows_no_array_of_one(tmp_path: Path) -> None:
    assert "-J" not in render("pbs", tmp_path / "profile", n=1)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_what_is_left_open_is_the_sites_default(scheduler: str, tmp_path: Path) -> None:
    script = render(scheduler, tmp_path / "profile", MEMORY_PER_ENGINE="").lower()
    assert not any(word in script for word in ("partition", "account", "mem=", "h_vmem", "request_memory", "gpu"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("walltime", "4h"), ("walltime", "4:99:00"), ("memory", "much"), ("memory", "8 GB"), ("cpus", 0), ("gpus", -1)],
)
def test_a_setting_that_is_nonsense_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(value))):
        EngineJob(**{name: value})  # type: ignore[arg-type]
