"""A driver, as claims, reservations and heartbeats name it."""

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass, field

from zarr.abc.store import Store

from toolkit import processes
from toolkit.catalog.errors import DamagedError
from toolkit.catalog.store.objects import get_json


@dataclass(frozen=True)
class Owner:
    """A process that claims blocks, or adds images."""

    host: str = field(default_factory=socket.gethostname)
    """Host that it runs on."""
    pid: int = field(default_factory=os.getpid)
    """Its process id there."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Makes two drivers of one process, or of a reused pid, different."""
    place: str = field(default_factory=processes.place)
    """Where the process id holds; empty if that cannot be said."""
    began: int = field(default_factory=lambda: processes.began(os.getpid()) or 0)
    """When the process was started, in ticks since the machine's boot; tells it from a later one of its id."""

    @property
    def name(self) -> str:
        """Unique, and fit for a path."""
        return f"{self.host}-{self.pid}-{self.token[:12]}"

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to be gone; False also where nothing can be said from here."""
        if not self.place or self.place != processes.place():
            return False
        return processes.began(self.pid) != self.began

    def to_json(self) -> bytes:
        """What a claim or reservation holds."""
        return json.dumps(asdict(self)).encode()


NOBODY = Owner("unknown", 0, "0" * 12, "", 0)
"""Who owns what a damaged claim is about: nobody has its heartbeat, so that it lapses."""


def read_owner(store: Store, path: str) -> Owner | None:
    """The owner that a claim or reservation names; None if there is none, `NOBODY` if it cannot be read."""
    try:
        fields = get_json(store, path)
        return None if fields is None else Owner(**fields)
    except (DamagedError, TypeError):
        return NOBODY
