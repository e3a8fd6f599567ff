"""A private Slurm with two nodes, both of them this machine, for tests; its scheduler is the real one."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from toolkit.processes import end
from toolkit.testing.servers import Server, UnavailableError, find_program, free_ports

NODES = ("n1", "n2")

_REMEDY = "on Debian and Ubuntu: apt install slurm-wlm munge"
_SECONDS_TO_END = 10.0


class SlurmSite(Server):
    """Slurm's daemons in the foreground, each a child of this process, with two idle nodes.

    Parameters
    ----------
    folder : pathlib.Path
        Where state, keys and logs lie.

    Raises
    ------
    UnavailableError
        Slurm or munge is not installed, or this is not root.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._programs = {name: find_program(name, _REMEDY) for name in ("slurmctld", "slurmd", "munged", "sbatch")}
        if os.getuid() != 0:
            raise UnavailableError("Slurm's daemons have to be started by root")
        self.config = folder / "slurm.conf"
        """What ``SLURM_CONF`` must name."""

    def start(self) -> None:
        """Start all, and wait until both nodes are idle."""
        ports = free_ports(1 + len(NODES))
        host = socket.gethostname().split(".")[0]
        for name in ("state", "log", "run", "munge", *(f"spool/{node}" for node in NODES)):
            (self._folder / name).mkdir(parents=True)
        munge = self._folder / "munge"
        (munge / "key").write_bytes(os.urandom(128))
        shutil.chown(munge, "munge", "munge")
        shutil.chown(munge / "key", "munge", "munge")
        (munge / "key").chmod(0o400)
        for folder in (*reversed(munge.parents), munge):  # another user has to get there
            if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
                folder.chmod(folder.stat().st_mode | 0o011)
        munged = [self._programs["munged"], "--foreground", "--force", f"--socket={munge}/sock"]
        files = [f"--{name}-file={munge}/{name}" for name in ("key", "pid", "log", "seed")]
        self._run("runuser", "-u", "munge", "--", *munged, *files)
        self._wait_until((munge / "sock").exists)
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldAddr": "127.0.0.1",
            "SlurmctldPort": ports[0],
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={munge}/sock",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "StateSaveLocation": self._folder / "state",
            "SlurmdSpoolDir": self._folder / "spool" / "%n",
            "SlurmctldPidFile": self._folder / "run" / "slurmctld.pid",
            "SlurmdPidFile": self._folder / "run" / "slurmd-%n.pid",
            "SlurmctldLogFile": self._folder / "log" / "slurmctld.log",
            "SlurmdLogFile": self._folder / "log" / "slurmd-%n.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "JobAcctGatherType": "jobacct_gather/none",
            "AccountingStorageType": "accounting_storage/none",
            "JobCompType": "jobcomp/none",
            "SlurmdParameters": "config_overrides",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "sched_min_interval=100000",
            "ReturnToService": 2,
            "KillWait": 2,
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=2000 State=UNKNOWN"
            for node, port in zip(NODES, ports[1:], strict=True)
        ]
        lines += [f"PartitionName=debug Nodes={','.join(NODES)} Default=YES MaxTime=60 State=UP", ""]
        self.config.write_text("\n".join(lines))
        environment = {"SLURM_CONF": str(self.config)}
        self._run(self._programs["slurmctld"], "-D", "-c", "-f", str(self.config), environment=environment)
        for node in NODES:
            self._run(self._programs["slurmd"], "-D", "-f", str(self.config), "-N", node, environment=environment)
        self._wait_until(lambda: self.ask("sinfo", "-h", "-o", "%t %D").split() == ["idle", "2"])

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints; empty if it fails."""
        environment = {**os.environ, "SLURM_CONF": str(self.config)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def close(self) -> None:
        """End the daemons, which take their leave of one another."""
        end(self._processes(), _SECONDS_TO_END)
        super().close()
