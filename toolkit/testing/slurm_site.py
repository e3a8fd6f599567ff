"""A private Slurm with two nodes, both of them this machine, for tests; its scheduler is the real one."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "scancel", "squeue", "sinfo")
NODES = ("n1", "n2")

_SECONDS = 30.0
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def missing_programs() -> list[str]:
    """What has to be installed first; and who does not run this as root has to become it."""
    found = [program for program in PROGRAMS if shutil.which(program, path=_PATH) is None]
    return found if os.getuid() == 0 else [*found, "root"]


class SlurmSite:
    """Slurm's daemons in the foreground, each a child of this process.

    Parameters
    ----------
    folder : pathlib.Path
        Where state, keys and logs lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.config = folder / "slurm.conf"
        """What ``SLURM_CONF`` must name."""

    def start(self) -> None:
        """Start all, and wait until both nodes are idle."""
        ports = _free_ports(1 + len(NODES))
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
        self._run(
            *("runuser", "-u", "munge", "--", _find("munged"), "--foreground", "--force", f"--socket={munge}/sock"),
            *(
                f"--key-file={munge}/key",
                f"--pid-file={munge}/pid",
                f"--log-file={munge}/log",
                f"--seed-file={munge}/seed",
            ),
        )
        _wait_for((munge / "sock").exists)
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldAddr": "127.0.0.1",
            "SlurmctldPort": ports[0],
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={munge}/sock",
            "CredType": "cred/munge",
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
        lines = [f"{name}={value}" for name, value in settings.items() if name != "CredType"]
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=2000 State=UNKNOWN"
            for node, port in zip(NODES, ports[1:], strict=True)
        ]
        lines += [f"PartitionName=debug Nodes={','.join(NODES)} Default=YES MaxTime=60 State=UP", ""]
        self.config.write_text("\n".join(lines))
        self._run(_find("slurmctld"), "-D", "-c", "-f", str(self.config))
        for node in NODES:
            self._run(_find("slurmd"), "-D", "-f", str(self.config), "-N", node)
        _wait_for(lambda: self.ask("sinfo", "-h", "-o", "%t %D").split() == ["idle", "2"])

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints; empty if it fails."""
        environment = {**os.environ, "SLURM_CONF": str(self.config)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def stop(self) -> None:
        """End the daemons that were started, the last first."""
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _run(self, *command: str) -> None:
        environment = {**os.environ, "SLURM_CONF": str(self.config)}
        with (self._folder / "log" / "output").open("ab") as log:
            self._daemons.append(
                subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )


@contextlib.contextmanager
def slurm_site(folder: Path) -> Iterator[SlurmSite]:
    """A Slurm whose nodes are idle; ended with the context."""
    site = SlurmSite(folder)
    try:
        site.start()
        yield site
    finally:
        site.stop()


def _find(program: str) -> str:
    found = shutil.which(program, path=_PATH)
    assert found is not None
    return found


def _wait_for(condition: object) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "Slurm did not get ready"
        time.sleep(0.1)


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
