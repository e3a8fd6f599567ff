"""A private SSH server on this machine alone, with SFTP, that may be killed and started again; it takes one key."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_SECONDS = 15.0


def find_sshd() -> Path | None:
    """The program; None if it is not installed."""
    found = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    return None if found is None else Path(found)


class SshServer:
    """A server with a host key and one key that it takes.

    Parameters
    ----------
    program : pathlib.Path
        ``sshd``.
    folder : pathlib.Path
        Where its keys and settings lie.
    addresses : sequence of str
        Loopback addresses that it listens on, as if it were as many machines.
    """

    def __init__(self, program: Path, folder: Path, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        self._program = program
        self._folder = folder
        self._addresses = addresses
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd wants to keep its children apart
        for name in ("host_key", "id", "stranger"):
            make_key(folder / name)
        (folder / "authorized_keys").write_bytes((folder / "id.pub").read_bytes())
        settings = {
            "Port": self.port,
            "HostKey": folder / "host_key",
            "PidFile": "none",
            "AuthorizedKeysFile": folder / "authorized_keys",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "UsePAM": "no",
            "StrictModes": "no",
            "MaxStartups": "100",
            "Subsystem": "sftp internal-sftp",
        }
        lines = [*settings.items(), *(("ListenAddress", address) for address in addresses)]
        (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in lines))
        self.trust(folder / "host_key.pub")
        self.use_key(folder / "id")

    @property
    def config(self) -> Path:
        """An OpenSSH configuration file for clients: the right key, and the server's own key as the one known."""
        return self._folder / "ssh_config"

    @property
    def public_key(self) -> Path:
        """The server's own host key."""
        return self._folder / "host_key.pub"

    @property
    def stranger(self) -> Path:
        """A key that it does not take, and that is not its own."""
        return self._folder / "stranger"

    def uri(self, path: Path | str, port: int | None = None) -> str:
        """URI of a file or folder of this machine on it; ``port`` is another way there."""
        return f"sftp://127.0.0.1:{port or self.port}{path}"

    def trust(self, public_key: Path, *ports: int) -> None:
        """Have clients know the server, at its own port and others, by this key."""
        kind, key = public_key.read_text().split()[:2]
        known = "".join(f"[{name}]:{port} {kind} {key}\n" for name in self._addresses for port in (self.port, *ports))
        (self._folder / "known_hosts").write_text(known)

    def use_key(self, private_key: Path) -> None:
        """Have clients come with this key."""
        (self._folder / "ssh_config").write_text(
            f"Host *\n  IdentityFile {private_key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self._folder / 'known_hosts'}\n  GlobalKnownHostsFile none\n"
        )

    def start(self) -> None:
        """Start it on the port that it had before; returns once it answers."""
        command = [str(self._program), "-D", "-e", "-f", str(self._folder / "sshd_config")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + _SECONDS
        while True:
            assert self._process.poll() is None, f"sshd ended: {(self._folder / 'log').read_text()[-2000:]}"
            with contextlib.suppress(OSError), socket.create_connection((self._addresses[0], self.port), 1):
                return
            assert time.monotonic() < deadline, f"sshd did not answer within {_SECONDS:g} s"
            time.sleep(0.02)

    def kill(self) -> None:
        """As a loss of power would: the server and every connection that it has."""
        import psutil

        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self._process.pid).children(recursive=True):
                    child.kill()
            self._process.kill()
            self._process.wait()
            self._process = None


def make_key(path: Path) -> None:
    """An ed25519 key pair without a passphrase."""
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@contextlib.contextmanager
def ssh_server(folder: Path, addresses: Sequence[str] = ("127.0.0.1",)) -> Iterator[SshServer]:
    """A server that answers; ended with the context.

    Raises
    ------
    FileNotFoundError
        OpenSSH's server is not installed.
    """
    program = find_sshd()
    if program is None:
        raise FileNotFoundError("there is no program 'sshd'; apt install openssh-server")
    server = SshServer(program, folder, addresses)
    try:
        server.start()
        yield server
    finally:
        server.kill()
