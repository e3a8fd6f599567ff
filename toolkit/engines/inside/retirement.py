"""An engine that is told to end (SIGTERM, as schedulers warn of preemption) brings its work to an end first.

It finishes the image that it is at if that takes no longer than `GRACE_SECONDS`, gives it up otherwise, answers with
what is done, leaves the cluster, and ends. Tasks that reach it on its way out go back untouched. Nothing is lost.
"""

import asyncio
import signal
import time
from typing import Any

GRACE_SECONDS = 10.0
"""An image may take so much longer; schedulers kill half a minute after the warning."""

LEAVING = "leaving"
"""What an engine is doing, as its status says, from then on."""

_SECONDS_TO_LEAVE = 0.3  # the scheduler may have sent a task before it heard that we leave


class Abandoned(BaseException):
    """What goes on is to be given up; no `Exception`, since it says nothing about an image."""


class Retirement:
    """Whether this process was asked to end.

    Parameters
    ----------
    grace_seconds : float
        What goes on may take so much longer then.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace_seconds = grace_seconds
        self._asked: float | None = None

    def ask(self) -> None:
        """End soon."""
        if self._asked is None:
            self._asked = time.monotonic()

    @property
    def asked(self) -> bool:
        """Whether nothing new should be begun."""
        return self._asked is not None

    def check(self) -> None:
        """Raise `Abandoned` if what goes on has gone on for too long since the process was asked to end."""
        if self._asked is not None and time.monotonic() - self._asked > self._grace_seconds:
            raise Abandoned


retirement = Retirement()
"""That of this process."""


def leave_on_sigterm(engine: Any) -> None:
    """Have an ``IPEngine`` bring its work to an end before it obeys SIGTERM. Call it in the main thread."""
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop)  # ipyparallel's own

    async def leave() -> None:  # runs when the task is through and its answer sent
        engine.session.send(engine.registrar, "unregistration_request", content={"id": engine.id})
        await asyncio.sleep(_SECONDS_TO_LEAVE)
        stop(signal.SIGTERM, None)

    def ask(number: int, frame: Any) -> None:
        if not retirement.asked:
            engine.log.warning("asked to end (signal %s)", number)
            retirement.ask()
            engine.loop.add_callback_from_signal(leave)

    signal.signal(signal.SIGTERM, ask)
