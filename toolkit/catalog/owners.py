"""Who drives, and whether they still do: heartbeats that others watch, without comparing clocks.

A driver renews one object, ``owners/<name>``, whose number grows. Whoever wants what it holds watches that number: a
driver whose number has not changed for its time to live *by the watcher's own monotonic clock* has lapsed. No two
machines' clocks are ever compared, so that their skew is of no matter; the price is that a stranger is taken for alive
until it was watched for its time to live. A driver that ended well says so, and one whose process is gone from this
machine is known to be gone at once.

Taking a living driver for dead (it was stopped, or cut off from the store) costs work that is done twice and nothing
else: see `toolkit.catalog.claims`.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Literal

from zarr.abc.store import Store

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.layout import OWNERS, is_driver, owner_path
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.store.objects import get_json, names, put

TIME_TO_LIVE = 30.0
"""Seconds without a heartbeat after which a driver's claims lapse."""

_BEATS_PER_LIFE = 5
_ENDED_HERE: set[str] = set()
"""Names of the owners of this process that have ended, whether or not they could say so."""


@dataclass(frozen=True)
class Beat:
    """What a heartbeat says."""

    owner: Owner
    """Whose it is."""
    number: int
    """Grows with every beat."""
    time_to_live: float
    """Seconds without a new one after which the owner has lapsed."""
    ended: bool = False
    """Whether the owner gave up all that it held."""


class Heartbeat:
    """Says every few seconds, from a thread, that an owner lives; says at the end that it has ended.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The catalog's store.
    owner : Owner
        Whose heartbeat it is; nobody else writes it.
    time_to_live : float
        Seconds without a beat after which others may take what the owner holds.
    """

    def __init__(self, store: Store, owner: Owner, time_to_live: float = TIME_TO_LIVE) -> None:
        self._store = store
        self._owner = owner
        self._time_to_live = time_to_live
        self._number = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._beat()  # before anything is claimed; and if that cannot be written, nothing can
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        _ENDED_HERE.add(self._owner.name)
        with contextlib.suppress(Exception):  # what could not be said is found out by watching
            self._beat(ended=True)

    def _go_on(self) -> None:
        while not self._ended.wait(self._time_to_live / _BEATS_PER_LIFE):
            with contextlib.suppress(Exception):  # the store may be back for the next one; a flush that fails is told
                self._beat()

    def _beat(self, *, ended: bool = False) -> None:
        self._number += 1
        _write_beat(self._store, Beat(self._owner, self._number, self._time_to_live, ended))


Life = Literal["alive", "unknown", "silent", "ended"]
"""Of an owner: it was seen to beat; was not watched for long enough yet; did not beat for its time to live; said that
it has ended, or its process is gone."""


class Watch:
    """Finds out which owners live.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The catalog's store.
    clock : callable
        Monotonic seconds of this process.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[str, tuple[Beat | None, float]] = {}
        self._looked: dict[str, float] = {}
        self._beating: set[str] = set()

    def is_alive(self, owner: Owner) -> bool:
        """Whether an owner may still be at work: False once it ended, is gone, or was silent for its time to live."""
        return self.life(owner) in ("alive", "unknown")

    def life(self, owner: Owner) -> Life:
        """What is known of an owner."""
        beat, since = self._latest(owner)
        if (beat is not None and beat.ended) or owner.is_gone or owner.name in _ENDED_HERE:
            return "ended"
        silent = self._clock() - since
        if silent >= (TIME_TO_LIVE if beat is None else beat.time_to_live):
            return "silent"
        return "alive" if owner.name in self._beating else "unknown"

    def _latest(self, owner: Owner) -> tuple[Beat | None, float]:
        """The newest beat, and since when it is known; read again a few times in a life only, not for every block."""
        now = self._clock()
        known = self._seen.get(owner.name)
        if known is not None:
            life = TIME_TO_LIVE if known[0] is None else known[0].time_to_live
            if now - self._looked[owner.name] < life / (4 * _BEATS_PER_LIFE):
                return known
        self._looked[owner.name] = now
        beat = read_beat(self._store, owner.name)
        if known is None or known[0] != beat:
            if known is not None:
                self._beating.add(owner.name)
            self._seen[owner.name] = known = (beat, now)
        return known


def read_beat(store: Store, name: str) -> Beat | None:
    """The newest heartbeat of the owner of this name; None if it has none that can be read."""
    try:
        with naming_damage(owner_path(name)):
            fields = get_json(store, owner_path(name))
            return None if fields is None else Beat(**{**fields, "owner": Owner(**fields["owner"])})
    except DamagedError:  # one that lives writes another
        return None


def list_owners(store: Store) -> list[str]:
    """Names of all drivers that ever had a heartbeat."""
    return [name for name in names(store, OWNERS) if is_driver(name)]


def end_for(store: Store, beat: Beat) -> None:
    """Say in the name of a driver that is gone that it has ended."""
    _write_beat(store, replace(beat, ended=True))


def _write_beat(store: Store, beat: Beat) -> None:
    put(store, owner_path(beat.owner.name), json.dumps(asdict(beat)).encode())
