"""The scripts by which schedulers of clusters start engines; profiles fill them in.

What stands in braces is ipyparallel's to fill in, when engines are started: ``{n}``, their number; ``{cluster_id}``;
``{profile_dir}``; ``{program_and_args}``, the command.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.arguments import whole_number
from toolkit.engines.environment import allocator_environment, thread_environment

_MIB_PER_UNIT = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


@dataclass(frozen=True)
class EngineJob:
    """What one engine asks a scheduler for.

    Raises
    ------
    TypeError, ValueError
        A setting is not what it must be; the message says what is allowed.
    """

    queue: str = ""
    """Queue or partition; empty: the site's default."""
    account: str = ""
    """Whom the hours are charged to; empty: the site's default."""
    walltime: str = "04:00:00"
    """``HH:MM:SS``."""
    cpus: int = 4
    """Cores."""
    memory: str = "8G"
    """Memory, a number with K, M, G or T; empty: the site's default."""
    gpus: int = 0
    """GPUs; an engine uses one."""
    options: Sequence[str] = ()
    """Further options, as they stand behind the scheduler's mark in a script."""
    activate: str = ""
    """Lines of shell before the engine starts."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d+:[0-5]\d:[0-5]\d", self.walltime):
            raise ValueError(f"WALLTIME: {self.walltime!r} is no time; write it as '04:00:00'")
        if self.memory and not re.fullmatch(r"\d+(\.\d+)?[KMGT]", self.memory):
            raise ValueError(f"MEMORY_PER_ENGINE: {self.memory!r} is no amount of memory; write it as '8G' or '500M'")
        whole_number("CPUS_PER_ENGINE", self.cpus, least=1)
        whole_number("GPUS_PER_ENGINE", self.gpus, least=0)

    @property
    def mebibytes(self) -> int:
        """Memory, rounded up; 0: the site's default."""
        return -int(-float(self.memory[:-1]) * _MIB_PER_UNIT[self.memory[-1]] // 1) if self.memory else 0

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the engine."""
        return {**thread_environment(self.cpus), **allocator_environment()}


def configure_jobs(c: Any, settings: str, launcher: str, script: str, engines: int | None) -> None:
    """Fill in the settings ``c`` of an ``ipcluster_config.py``, at the path ``settings``, whose engines are jobs.

    ``launcher`` is ipyparallel's name for the scheduler (``"Slurm"``, ``"PBS"``, ``"SGE"``, ``"LSF"``, ``"HTCondor"``),
    ``script`` is handed to it, and ``engines`` is how many there are where nobody says; None: one.
    """
    c.Cluster.n = engines or 1
    c.Cluster.engine_launcher_class = launcher.lower()
    c.Cluster.delay = 0
    c.BatchSystemLauncher.batch_file_name = script_path(settings)
    c[f"{launcher}EngineSetLauncher"].batch_template = script


def script_path(settings: str) -> str:
    """Where a profile's script is written, given the path of its settings: to its logs, not wherever a notebook is."""
    return str(Path(settings).parent / "log" / f"engines-{os.getpid()}.sh")


def slurm_script(job: EngineJob, *, array: bool = True) -> str:
    """For ``sbatch``: a job per engine (an array), or one job for all."""
    directives = [
        "--job-name=segscape-{cluster_id}",
        "--array=1-{n}" if array else "--ntasks={n}",
        "--output={profile_dir}/log/slurm-" + ("%A_%a.log" if array else "%j.log"),
        f"--time={job.walltime}",
        f"--cpus-per-task={job.cpus}",
        *_given("--partition=", job.queue),
        *_given("--account=", job.account),
        *_given("--mem-per-cpu=", f"{-(-job.mebibytes // job.cpus)}M" if job.memory else ""),
        *_given("--gpus-per-task=", job.gpus),
        "--requeue",
        "--signal=" + ("B:TERM@60" if array else "TERM@60"),  # before the wall time ends; preemption warns by itself
        "--export=ALL",
        *job.options,
    ]
    run = "exec {program_and_args}" if array else "srun --kill-on-bad-exit=0 {program_and_args}"
    return _script("#SBATCH", directives, job, run)


def pbs_script(job: EngineJob, *, torque: bool = False) -> str:
    """For ``qsub`` of PBS Professional and OpenPBS, or of Torque: an array, a job per engine."""
    memory, gpus = f":mem={job.mebibytes}mb" * bool(job.memory), f":ngpus={job.gpus}" * bool(job.gpus)
    nodes = f"nodes=1:ppn={job.cpus}" + f":gpus={job.gpus}" * bool(job.gpus)
    directives = [
        "-N segscape",
        f"-l {nodes}" if torque else f"-l select=1:ncpus={job.cpus}{memory}{gpus}",
        *_given("-l mem=", f"{job.mebibytes}mb" if torque and job.memory else ""),
        f"-l walltime={job.walltime}",
        "-j oe",
        "-o {profile_dir}/log/",
        "-V",
        *_given("-q ", job.queue),
        *_given("-A ", job.account),
        *job.options,
    ]
    # PBS refuses an array of one.
    number = "#PBS -t 1-{n}" if torque else '{"#PBS -J 1-%i" % n if n > 1 else "# one engine"}'
    return _script("#PBS", directives, job, "exec {program_and_args}", number)


def sge_script(job: EngineJob, *, parallel_environment: str = "smp") -> str:
    """For ``qsub`` of Grid Engine and its kin: an array, a job per engine."""
    directives = [
        "-N segscape",
        "-t 1-{n}",
        "-S /bin/bash",
        f"-pe {parallel_environment} {job.cpus}",
        f"-l h_rt={job.walltime}",
        *_given("-l h_vmem=", f"{-(-job.mebibytes // job.cpus)}M" if job.memory else ""),  # per core
        *_given("-l gpu=", job.gpus),
        "-j y",
        "-o {profile_dir}/log/",
        "-V",
        *_given("-q ", job.queue),
        *_given("-P ", job.account),
        *job.options,
    ]
    return _script("#$", directives, job, "exec {program_and_args}")


def lsf_script(job: EngineJob) -> str:
    """For ``bsub``: an array, a job per engine."""
    hours, minutes, _ = job.walltime.split(":")
    memory = f" rusage[mem={job.mebibytes}MB]" * bool(job.memory)
    directives = [
        "-J segscape[1-{n}]",
        f"-n {job.cpus}",
        f'-R "span[hosts=1]{memory}"',
        f"-W {hours}:{minutes}",
        *_given("-gpu num=", job.gpus),
        "-o {profile_dir}/log/lsf-%J_%I.log",
        "-env all",
        *_given("-q ", job.queue),
        *_given("-P ", job.account),
        *job.options,
    ]
    return _script("#BSUB", directives, job, "exec {program_and_args}")


def htcondor_description(job: EngineJob) -> str:
    """For ``condor_submit``: as many jobs as engines, on nodes that see the file system of this one."""
    hours, minutes, seconds = map(int, job.walltime.split(":"))
    seconds += 3600 * hours + 60 * minutes
    shell = "; ".join([*_escaped(job.activate).splitlines(), "exec {program_and_args}"])
    shell = shell.replace("'", "''").replace('"', '""')  # as HTCondor wants quotes within its own
    lines = [
        "universe = vanilla",
        "executable = /bin/bash",
        "transfer_executable = False",
        "should_transfer_files = NO",
        f"arguments = \"-c '{shell}'\"",
        "getenv = True",
        'environment = "' + " ".join(f"{name}={value}" for name, value in job.environment.items()) + '"',
        f"request_cpus = {job.cpus}",
        *_given("request_memory = ", job.mebibytes),
        *_given("request_gpus = ", job.gpus),
        f"periodic_remove = (JobStatus == 2) && (time() - EnteredCurrentStatus > {seconds})",
        *_given("accounting_group = ", job.account),
        *_given("requirements = ", job.queue),
        "output = {profile_dir}/log/htcondor-$(Cluster).$(Process).log",
        "error = {profile_dir}/log/htcondor-$(Cluster).$(Process).log",
        "log = {profile_dir}/log/htcondor-$(Cluster).events",
        *job.options,
        "queue {n}",
        "",
    ]
    return "\n".join(lines)


def _script(mark: str, directives: Iterable[str], job: EngineJob, run: str, number: str = "") -> str:
    exports = [f"export {name}={value}" for name, value in job.environment.items()]
    activate = [_escaped(job.activate)] if job.activate else []
    marked = [f"{mark} {directive}" for directive in directives]
    return "\n".join(["#!/bin/bash", *([number] if number else []), *marked, *exports, *activate, run, ""])


def _given(option: str, value: str | int) -> list[str]:
    """An option with its value, if there is one."""
    return [f"{option}{value}"] if value else []


def _escaped(text: str) -> str:
    """The shell's own braces, doubled."""
    return text.replace("{", "{{").replace("}", "}}")
