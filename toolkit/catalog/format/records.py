"""What a run is: its settings, their fingerprint, and the records in the store of them and of who worked on it."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.errors import ContainsGroupError

from toolkit.catalog.errors import naming_damage
from toolkit.catalog.format.layout import run_path, session_path
from toolkit.catalog.provenance import Origin, Session, now
from toolkit.catalog.store.objects import exists, get_json, names, put


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run's results, and how to speak of it."""

    model: str
    """Name of the model; for people, not part of the identity."""
    model_digest: str
    """sha256 over the model's weights and definition."""
    class_names: tuple[str, ...]
    """Names of the classes."""
    protocol: Mapping[str, Any]
    """The protocol's fields, as JSON types."""
    numerics_version: int
    """Version of the code's numerics."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """RGB colour of each class; for pictures, not part of the identity."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else decides the results, as JSON types: precision, compilation, further results that are kept."""

    @property
    def run_id(self) -> str:
        """Fingerprint: 16 hexadecimal digits that are equal exactly if the results would be."""
        identity: list[Any] = [self.model_digest, list(self.class_names), dict(self.protocol), self.numerics_version]
        if self.options:
            identity.append(dict(self.options))
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RunRecord:
    """A run as the catalog knows it."""

    settings: RunSettings
    """What decides its results."""
    created: str
    """When it was first asked for, ISO 8601, UTC."""
    by: Origin
    """Who asked first, where and with what."""


def record_run(store: Store, settings: RunSettings, origin: Origin | None = None) -> str:
    """Enter a run unless it is there already; its id either way."""
    if settings.run_id not in list_runs(store):
        record = RunRecord(settings, now(), origin or Origin.here())
        # Attributes arrive with the group in one atomic write: a run without settings is never seen. Another driver may
        # have entered the same run meanwhile.
        with contextlib.suppress(ContainsGroupError):
            zarr.create_group(store, path=run_path(settings.run_id), zarr_format=3, attributes=asdict(record))
    return settings.run_id


def list_runs(store: Store) -> list[str]:
    """Ids of all runs, in no order."""
    return [run_id for run_id in names(store, "runs") if exists(store, f"{run_path(run_id)}/zarr.json")]


def read_record(store: Store, run_id: str) -> RunRecord:
    """The record of a run that exists."""
    with naming_damage(run_path(run_id)):
        attributes: dict[str, Any] = dict(zarr.open_group(store, path=run_path(run_id), mode="r").attrs)
        settings = dict(attributes["settings"])
        settings["class_names"] = tuple(settings["class_names"])
        settings["palette"] = tuple(tuple(color) for color in settings["palette"])
        return RunRecord(RunSettings(**settings), attributes["created"], Origin(**attributes["by"]))


def record_session(store: Store, run_id: str, name: str, session: Session) -> None:
    """Enter a session under the name of its driver."""
    put(store, session_path(run_id, name), json.dumps(asdict(session)).encode())


def list_sessions(store: Store, run_id: str) -> list[str]:
    """Names of the drivers that worked on a run."""
    files = names(store, f"{run_path(run_id)}/sessions")
    return [file.removesuffix(".json") for file in files if file.endswith(".json")]


def read_sessions(store: Store, run_id: str) -> dict[str, Session]:
    """All sessions of a run by the names of their drivers, oldest first."""
    sessions = {name: read_session(store, run_id, name) for name in list_sessions(store, run_id)}
    return dict(sorted(sessions.items(), key=lambda item: item[1].started))


def read_session(store: Store, run_id: str, name: str) -> Session:
    """The session of the driver of this name."""
    path = session_path(run_id, name)
    with naming_damage(path):
        fields = get_json(store, path) or {}
        return Session(fields["started"], Origin(**fields["origin"]), tuple(fields["devices"]))
