"""Which servers of images are out of reach, and what that means for a run."""

import math
import time
from collections.abc import Callable, Iterable


class Reach:
    """All methods are of the driver's thread.

    While no server is reached at all, the run pauses: one task at a time finds out whether that is over. Where others
    are reached, only the images of the one that is away wait; for some time, if nothing else is left to be done.

    Parameters
    ----------
    patience : float
        Seconds for which a server that is away is waited for while others are in reach.
    probe_seconds : float
        Seconds between two tries of a paused run.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self, patience: float, probe_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._probe_seconds = probe_seconds
        self._clock = clock
        self._reached_at = self._probe_at = -math.inf
        self._away: dict[str, tuple[float, str]] = {}
        """Since when each server is away, and what was said of it."""
        self.paused = False

    def note(self, read: Iterable[str], lost: str, reason: str, since: float) -> None:
        """What a task has found.

        Parameters
        ----------
        read : iterable of str
            URIs of the images that were read.
        lost : str
            URI of one whose server did not answer, and ``reason`` what happened; both empty if there was none.
        reason : str
            See ``lost``.
        since : float
            When the task was handed out, by the clock.
        """
        now = self._clock()
        servers = set(map(server_of, read))
        for server in servers:
            self._away.pop(server, None)
        if servers:
            self._reached_at = now
        if reason:
            self._away[server_of(lost)] = (self._away.get(server_of(lost), (now, ""))[0], reason)
        if reason and self._reached_at < since:
            self._probe_at = now + self._probe_seconds
            self.paused = True
        elif servers:
            self.paused = False

    @property
    def may_probe(self) -> bool:
        """Whether it is time for another try of a paused run."""
        return self._clock() >= self._probe_at

    def given_up(self) -> str:
        """Why nobody waits any more for the servers that are away; empty: they are waited for.

        They all have been away for longer than the patience, while others were reached.
        """
        limit = self._clock() - self._patience
        waited_for = [since for since, _ in self._away.values() if since > min(limit, self._reached_at)]
        return "" if waited_for or not self._away else "; ".join(reason for _, reason in self._away.values())


def server_of(uri: str) -> str:
    """What tells one server from another: scheme and host of a URI."""
    return "/".join(uri.split("/", 3)[:3])
