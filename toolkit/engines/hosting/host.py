"""This process as an engine at work: what it says of itself, who watches over it, and whether it is asked to end."""

import contextlib
import functools
import os
import socket
from collections.abc import Callable, Iterator

from toolkit.engines.hosting.models import LacksModel
from toolkit.engines.hosting.watchdog import Watchdog
from toolkit.engines.inside import engine_number
from toolkit.engines.inside.activity import activity
from toolkit.engines.inside.retirement import Retirement, retirement


class Host:
    """What work on an engine needs beside the work itself. One per process: `this_host`.

    Parameters
    ----------
    retirement : Retirement
        Knows whether this process is asked to end.
    """

    def __init__(self, retirement: Retirement = retirement) -> None:
        self._retirement = retirement
        self._watchdog = Watchdog()

    @property
    def name(self) -> str:
        """``host:pid``."""
        return f"{socket.gethostname()}:{os.getpid()}"

    @property
    def number(self) -> int | None:
        """Its id in its cluster; None if this process is no engine."""
        return engine_number()

    @property
    def asked_to_end(self) -> bool:
        """Whether nothing new should be begun here."""
        return self._retirement.asked

    @contextlib.contextmanager
    def watched(self, seconds: float | None, leave_note: Callable[[], None]) -> Iterator[None]:
        """End this process if it gets no further for so many seconds meanwhile; None: it may take as long as it takes.

        ``leave_note`` is called before that.
        """
        self._watchdog.set(seconds, leave_note)
        try:
            yield
        finally:
            self._watchdog.unset()

    def begin(self, what: str) -> None:
        """Something else is being worked on from now on, as status reports say it: the URI of an image."""
        self._watchdog.kick()
        activity.set(what)

    def step(self) -> None:
        """Something was got on with.

        Raises
        ------
        Abandoned
            This process was asked to end, and what it is at has taken too long since.
        """
        self._watchdog.kick()
        self._retirement.check()

    def count(self, n: int) -> None:
        """So many more are finished."""
        activity.count(n)

    def lacks_model(self, reason: object) -> LacksModel:
        """What to answer a driver whose model cannot be loaded here."""
        return LacksModel(socket.gethostname(), -1 if self.number is None else self.number, str(reason))


@functools.cache
def this_host() -> Host:
    """That of this process."""
    return Host()
