"""Who owns a block: tokens created by put-if-absent, one generation after the other.

A claim is the object ``claims/<run_id>/<segment>/<block>/<generation>``; its creator owns that generation of the block,
forever and alone, and writes its results only there. A later owner claims the next generation. So an owner that was
thought dead and is not can at most add to its own generation, which readers use only for images that newer ones lack.
"""

import json
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass, field

from zarr.abc.store import Store

from toolkit.catalog.layout import claims_path
from toolkit.catalog.objects import names, put_if_absent


@dataclass(frozen=True)
class Owner:
    """A driver, as claims and logs name it."""

    host: str = field(default_factory=socket.gethostname)
    """Host that the driver runs on."""
    pid: int = field(default_factory=os.getpid)
    """Its process id there."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Makes two drivers of one process, or of a reused pid, different."""

    @property
    def name(self) -> str:
        """Unique, and fit for a path."""
        return f"{self.host}-{self.pid}-{self.token[:12]}"


def claim_next_generation(store: Store, run_id: str, segment: int, block: int, owner: Owner) -> int:
    """Create the block's next claim and return its generation, 0 for the first."""
    path = claims_path(run_id, segment, block)
    while True:
        claimed = [int(name) for name in names(store, path) if name.isdigit()]
        generation = max(claimed, default=-1) + 1
        token = json.dumps({**asdict(owner), "claimed": time.time()}).encode()
        if put_if_absent(store, f"{path}/{generation}", token):
            return generation
