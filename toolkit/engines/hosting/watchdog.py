"""A process that gets no further says so, and ends itself."""

import faulthandler
import math
import os
import sys
import threading
import time
from collections.abc import Callable

_POLL_SECONDS = 0.1
_SECONDS_FOR_PYTHON = 5.0
_SECONDS_BETWEEN_ARMING = 1.0
_EXIT_CODE = 75


class Watchdog:
    """Ends this process if nobody calls `kick` for long enough while it is set. One per process.

    A thread does so, after it has left a note. Where no Python thread gets to run any more (native code that never
    comes back holds the interpreter), faulthandler ends the process some seconds later.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    end : callable
        Ends this process.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, end: Callable[[], None] = lambda: os._exit(_EXIT_CODE)
    ) -> None:
        self._clock = clock
        self._end = end
        self._seconds: float | None = None
        self._leave_note: Callable[[], None] = lambda: None
        self._kicked = clock()
        self._armed = -math.inf
        self._thread: threading.Thread | None = None

    def set(self, seconds: float | None, leave_note: Callable[[], None]) -> None:
        """Watch from now on; None: do not. ``leave_note`` is called before the end."""
        if seconds is None:
            return
        self._leave_note = leave_note
        self._kicked = self._clock()  # before the thread may look
        self._seconds = seconds
        self.kick()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def kick(self) -> None:
        """Something was got on with."""
        self._kicked = self._clock()
        # It starts a thread every time, which is dear to those who kick often.
        if self._seconds is not None and self._kicked - self._armed >= _SECONDS_BETWEEN_ARMING:
            self._armed = self._kicked
            seconds = self._seconds + _SECONDS_FOR_PYTHON
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)

    def unset(self) -> None:
        """Nothing is worked on."""
        self._seconds = None
        self._armed = -math.inf
        faulthandler.cancel_dump_traceback_later()

    def look(self) -> None:
        """End this process if it is time; the thread does so several times a second."""
        seconds = self._seconds
        if seconds is not None and self._clock() - self._kicked >= seconds:
            try:
                self._leave_note()
            finally:
                self._end()

    def _watch(self) -> None:
        while True:
            time.sleep(_POLL_SECONDS)
            self.look()
