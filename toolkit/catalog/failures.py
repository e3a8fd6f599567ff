"""Why images failed, in words: an append-only log per driver."""

import json
from dataclasses import asdict, dataclass

from zarr.abc.store import Store

from toolkit.catalog.layout import log_path
from toolkit.catalog.objects import get, keys, put
from toolkit.catalog.owners import Owner


@dataclass(frozen=True)
class Failure:
    """One attempt at one image that failed."""

    segment: int
    """Segment of the image."""
    row: int
    """Row within the segment."""
    generation: int
    """Generation of its block in which it failed."""
    error: str
    """Code from the error vocabulary."""
    message: str
    """What happened, naming the file."""


class FailureLog:
    """Appends as new objects, because object stores cannot append; each is written once."""

    def __init__(self, store: Store, run_id: str, owner: Owner) -> None:
        self._store = store
        self._folder = f"{log_path(run_id)}/{owner.name}"
        self._n_written = 0

    def append(self, failures: list[Failure]) -> None:
        """Write these failures; nothing is written for an empty list."""
        if failures:
            lines = "".join(json.dumps(asdict(failure)) + "\n" for failure in failures)
            put(self._store, f"{self._folder}/{self._n_written:06d}.jsonl", lines.encode())
            self._n_written += 1


def read_failures(store: Store, run_id: str) -> list[Failure]:
    """All failures of a run that any driver logged."""
    # A killed writer leaves temporary files of other names.
    logs = [key for key in keys(store, log_path(run_id) + "/") if key.endswith(".jsonl")]
    lines = (line for key in logs for line in (get(store, key) or b"").splitlines())
    return [Failure(**json.loads(line)) for line in lines]
