"""A private SSH server on this machine alone, with SFTP, that may be killed and started again; it takes one key."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from toolkit.testing.servers import Server, find_program, free_ports


class SshServer(Server):
    """A server with a host key and one key that it takes.

    Parameters
    ----------
    folder : pathlib.Path
        Where its keys and settings lie.
    addresses : sequence of str
        Loopback addresses that it listens on, as if it were as many machines.

    Raises
    ------
    UnavailableError
        OpenSSH's server is not installed.
    """

    def __init__(self, folder: Path, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        super().__init__(folder)
        self._program = find_program("sshd", "on Debian and Ubuntu: apt install openssh-server")
        self._addresses = addresses
        (self.port,) = free_ports(1)
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
        self._run(self._program, "-D", "-e", "-f", str(self._folder / "sshd_config"))
        self._wait_until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._addresses[0], self.port), 1):
            return True
        return False


def make_key(path: Path) -> None:
    """An ed25519 key pair without a passphrase."""
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
