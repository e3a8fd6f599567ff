"""Who asks for results, when, where and with what."""

import getpass
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

NOTEBOOK_VARIABLE = "SEGSCAPE_NOTEBOOK"
"""Environment variable by which whoever runs a notebook unattended tells it its own name."""
PARAMETERS_VARIABLE = "SEGSCAPE_PARAMETERS"
"""The same for its parameters, as JSON."""

_RECORDED_PACKAGES = ("segscape", "torch", "torchvision", "transformers", "numpy", "pillow", "zarr", "ipyparallel")
_GIT_SECONDS = 5.0


@dataclass(frozen=True)
class Origin:
    """Who asks for results, where and with what."""

    user: str
    """Name of the user."""
    host: str
    """Name of the machine."""
    python: str
    """Version of Python."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages that decide results."""
    commit: str = ""
    """Git commit of the working directory, ``+`` after it if files were changed since; empty without a repository."""
    notebook: str = ""
    """The notebook that it is asked from; empty if that is not known."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The notebook's parameters, where it was run unattended."""

    @classmethod
    def here(cls) -> "Origin":
        """This process."""
        return cls(
            user=_user(),
            host=socket.gethostname(),
            python=platform.python_version(),
            packages={name: found for name in _RECORDED_PACKAGES if (found := _version(name))},
            commit=_commit(),
            notebook=os.environ.get(NOTEBOOK_VARIABLE) or os.environ.get("JPY_SESSION_NAME", ""),
            parameters=_parameters(),
        )

    def columns(self) -> dict[str, Any]:
        """Flat, for a table."""
        return {**{name: value for name, value in asdict(self).items() if name != "packages"}, **self.packages}


@dataclass(frozen=True)
class Session:
    """One driver's work on a run."""

    started: str
    """When it began, ISO 8601, UTC."""
    origin: Origin
    """Who, where, with what."""
    devices: tuple[str, ...]
    """Where the networks ran: one entry per engine at the beginning, such as ``"host cuda:0 NVIDIA A40"``."""

    @classmethod
    def here(cls, devices: Sequence[str]) -> "Session":
        """A session of this process that begins now."""
        return cls(now(), Origin.here(), tuple(devices))


def now() -> str:
    """The time, ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id that has no name
        return "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):  # no git, or no repository
        return ""


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS).stdout.strip()


def _parameters() -> dict[str, Any]:
    try:
        found = json.loads(os.environ.get(PARAMETERS_VARIABLE, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
