"""Why images failed, in words: an append-only log per driver."""

import json
from dataclasses import astuple, dataclass

from zarr.abc.store import Store

from toolkit.catalog.errors import naming_damage
from toolkit.catalog.format.layout import is_being_written, is_ours, log_path
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.store.objects import get, keys, put

_STORED = ("segment", "row", "generation", "error", "message")


@dataclass(frozen=True)
class Failure:
    """One attempt at one image that failed."""

    table: int
    """Number of the image's table."""
    row: int
    """Row within the table."""
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
            entries = [dict(zip(_STORED, astuple(failure), strict=True)) for failure in failures]
            lines = "".join(json.dumps(entry) + "\n" for entry in entries)
            put(self._store, f"{self._folder}/{self._n_written:06d}.jsonl", lines.encode())
            self._n_written += 1


def read_failures(store: Store, run_id: str) -> list[Failure]:
    """All failures of a run that any driver logged."""
    return [failure for path in list_logs(store, run_id) for failure in read_log(store, path)]


def list_logs(store: Store, run_id: str) -> list[str]:
    """Where a run's logs lie."""
    return [key for key in keys(store, log_path(run_id) + "/") if is_ours(key, {}) and not is_being_written(key)]


def read_log(store: Store, path: str) -> list[Failure]:
    """The failures of one log."""
    with naming_damage(path):
        entries = [json.loads(line) for line in (get(store, path) or b"").splitlines()]
        return [Failure(*(entry[name] for name in _STORED)) for entry in entries]
