"""An ipyparallel launcher for engines on other machines, by SSH: which ones, a file of hosts says."""

import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ipyparallel.cluster.launcher import SSHEngineLauncher, SSHEngineSetLauncher
from ipyparallel.cluster.shellcmd import ShellCommandSend
from traitlets import List

from toolkit.engines.environment import allocator_environment
from toolkit.engines.inside import ENGINES_ON_HOST
from toolkit.engines.inside.status import ENGINE_PLACE

_STRICT = [
    *("-o", "BatchMode=yes"),
    *("-o", "StrictHostKeyChecking=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"),  # a machine that froze is given up
]
_AT_ONCE = 16
_SECONDS_PER_COMMAND = 120.0  # longer than the minute for which one of ipyparallel's waits
_SECONDS_OUT_OF_REACH = 5.0
_SECONDS_LAST = 300.0


@dataclass(frozen=True)
class Host:
    """A line of the file of hosts."""

    location: str
    """``[user@]name``, as ``ssh`` takes it; a name of ``~/.ssh/config`` too."""
    port: int | None = None
    """Port of its SSH server; None: what ``ssh`` would use."""
    engines: int = 1
    """How many engines it can have."""
    gpus: int = 0
    """How many GPUs its engines are spread over; 0: they use no GPU of their own."""

    def environment(self, number: int) -> dict[str, str]:
        """Environment of its engine of this number."""
        shared = {ENGINES_ON_HOST: str(self.engines), **allocator_environment()}
        pinned = (
            {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(number % self.gpus)} if self.gpus else {}
        )
        return shared | pinned


def read_hosts(path: Path) -> list[Host]:
    """Read a file of hosts: one per line, ``[user@]name[:port] [engines=N] [gpus=N]``; ``#`` begins a comment.

    Without ``engines`` a host has one per GPU, or one.

    Raises
    ------
    ValueError
        A line is not like that, or there is none.
    FileNotFoundError
        There is no such file.
    """
    hosts = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        found = re.fullmatch(r"(?P<location>(?:[^@:\s]+@)?[^@:\s]+)(?::(?P<port>\d+))?", words[0])
        options = dict(word.partition("=")[::2] for word in words[1:])
        numbers = all(value.isdigit() for value in options.values())
        if found is None or not numbers or not options.keys() <= {"engines", "gpus"} or options.get("engines") == "0":
            raise ValueError(f"{path}:{number}: {line!r} is not like 'user@host:22 engines=2 gpus=2'")
        gpus = int(options.get("gpus", 0))
        engines = int(options.get("engines", max(gpus, 1)))
        hosts.append(Host(found["location"], int(found["port"]) if found["port"] else None, engines, gpus))
    if not hosts:
        raise ValueError(f"{path} names no host; write one per line, such as 'user@host engines=2'")
    return hosts


class _QuietShell(ShellCommandSend):  # type: ignore[misc]  # ipyparallel is untyped
    """What commands complain of belongs to their errors, not on the screen."""

    def _check_output(self, cmd: Any, **options: Any) -> Any:
        return super()._check_output(cmd, **{"timeout": _SECONDS_PER_COMMAND, "stderr": subprocess.PIPE, **options})

    def _runs_successful(self, cmd: Any) -> bool:
        done = subprocess.run(cmd, input=b"", capture_output=True, check=False, timeout=_SECONDS_PER_COMMAND)
        return done.returncode == 0


class SshEngine(SSHEngineLauncher):  # type: ignore[misc]  # ipyparallel is untyped
    """One engine by SSH. Only what engines need is sent, and what keys they need goes with the command."""

    environment: dict[str, str]
    _shell: Any = None

    @property
    def ssh_sender(self) -> ShellCommandSend:
        """What runs commands there."""
        if self._shell is None:
            args = [*self.ssh_args, self.location]
            self._shell = _QuietShell(self.ssh_cmd, args, self.remote_python, log=self.log)
        return self._shell

    def wait_one(self, timeout: float) -> int:
        """The engine's exit code.

        Raises
        ------
        TimeoutError
            It runs on after so many seconds, or its machine is out of reach.
        """
        try:
            code: int = super().wait_one(timeout)
        except (subprocess.SubprocessError, RuntimeError) as error:
            time.sleep(_SECONDS_OUT_OF_REACH)
            raise TimeoutError(_reason(error)) from error
        return code

    def _to_send_default(self) -> list[tuple[str, str]]:
        name = "ipengine_config.py"
        return [(f"{self.profile_dir}/{name}", f"{self.remote_profile_dir}/{name}")]


class SshEngines(SSHEngineSetLauncher):  # type: ignore[misc]
    """Engines on hosts, several hosts at once; those that cannot be reached are left out, and tried again later.

    Raises
    ------
    RuntimeError
        No engine could be started; the message says why, host by host.
    """

    launcher_class = SshEngine
    entrypoint_name = "toolkit.engines.site.SshEngines"
    """As what ``ipcluster start`` notes it, and ``ipcluster stop`` imports it."""
    _failed: ClassVar[dict[Host, float]] = {}
    """When a host could not be reached, of all clusters of this process."""
    hosts: Any = List([], config=True, help="what `read_hosts` gives")

    def start(self, n: int) -> Any:
        """Start ``n`` engines, one per host before the second of any."""
        places = self._free_places()[:n]
        if not places:
            raise RuntimeError("every host has the engines that it can have; add hosts, or raise their engines=…")
        by_host: dict[Host, list[SshEngine]] = {}
        for host, number in places:
            by_host.setdefault(host, []).append(self._engine(host, number))
        with ThreadPoolExecutor(min(_AT_ONCE, len(by_host))) as threads:
            problems = list(threads.map(self._start_on, by_host, by_host.values()))
        failed = [f"{host.location}: {problem}" for host, problem in zip(by_host, problems, strict=True) if problem]
        for words in failed:
            self.log.warning("no engine on %s", words)
        if not self.launchers:
            raise RuntimeError(f"no engine could be started: {'; '.join(failed)}")
        self.n = len(self.launchers)
        self.notify_start(list(self.launchers))
        return list(self.launchers)

    def _free_places(self) -> list[tuple[Host, int]]:
        sets = {id(each): each for each in [self, *getattr(self.parent, "engines", {}).values()]}
        taken = Counter(name for engines in sets.values() for name in engines.launchers)
        places = [(host, i) for host in self.hosts for i in range(host.engines) if not taken[_name(host, i)]]
        lately = {host for host, when in self._failed.items() if time.monotonic() - when < _SECONDS_LAST}
        return sorted(places, key=lambda place: (place[0] in lately, place[1]))

    def _engine(self, host: Host, number: int) -> SshEngine:
        shared = set(self.traits(config=True)) & set(self.launcher_class.class_traits(config=True))
        shared -= {"location", "user", "hostname", "to_send", "to_fetch", "environment"}
        traits = {name: getattr(self, name) for name in shared | {"profile_dir", "cluster_id"}}
        ports = (["-p", str(host.port)], ["-P", str(host.port)]) if host.port else ([], [])
        traits["ssh_args"] = [*self.ssh_args, *_STRICT, *ports[0]]
        traits["scp_args"] = [*self.scp_args, *_STRICT, *ports[1]]
        engine = self.launcher_class(
            **traits,
            environment={**host.environment(number), ENGINE_PLACE: _name(host, number), **self.environment},
            parent=self,
            loop=self.loop,
            identifier=_name(host, number),
            hostname=host.location,
        )
        engine.on_stop(self._notice_engine_stopped)
        return engine

    def _start_on(self, host: Host, engines: list[SshEngine]) -> str:
        """Start engines of one host, one after the other; what went wrong, or nothing."""
        for engine in engines:
            try:
                engine.start()
            except Exception as error:  # noqa: BLE001  the other hosts are none the worse for it
                self._failed[host] = time.monotonic()
                return _reason(error)
            self.launchers[engine.identifier] = engine
        return ""


def _reason(error: BaseException) -> str:
    """What ssh, or the Python there, said last."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, subprocess.CalledProcessError) and (cause.stderr or "").strip():
            return str(cause.stderr).strip().splitlines()[-1]
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0] if str(error) else repr(error)


def _name(host: Host, number: int) -> str:
    return f"{host.location}:{host.port or ''}/{number}"
