"""An engine that gets no further with an image says so, and ends itself."""

import faulthandler
import math
import os
import sys
import threading
import time
from collections.abc import Callable

from toolkit.catalog.format.layout import stuck_path
from toolkit.catalog.store.objects import get, put, remove
from toolkit.runs.tasks import Task

_POLL_SECONDS = 0.1
_SECONDS_FOR_PYTHON = 5.0
_SECONDS_BETWEEN_ARMING = 1.0
_EXIT_CODE = 75


class Watchdog:
    """Ends this process if nobody calls `kick` for long enough while it is set. One per engine process.

    A thread does so, after it has left a note that says which image it was. Where no Python thread gets to run any more
    (native code that never comes back holds the interpreter), faulthandler ends the process some seconds later.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, end: Callable[[int], object] = os._exit) -> None:
        self._clock = clock
        self._end = end
        self._task: Task | None = None
        self._leaves_notes = False
        self._kicked = clock()
        self._armed = -math.inf
        self._thread: threading.Thread | None = None

    def set(self, task: Task, *, leaves_notes: bool) -> None:
        """Watch over a task, if it has a time limit; notes are left where the catalog is in reach."""
        if task.image_seconds is None:
            return
        self._leaves_notes = leaves_notes
        self._kicked = self._clock()  # first, so that no earlier time counts for this task
        self._task = task
        self.kick()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def kick(self) -> None:
        """Something was got on with."""
        self._kicked = self._clock()
        # It starts a thread every time, which is dear to those who kick often.
        if self._kicked - self._armed < _SECONDS_BETWEEN_ARMING:
            return
        if self._task is not None and self._task.image_seconds is not None:
            self._armed = self._kicked
            seconds = self._task.image_seconds + _SECONDS_FOR_PYTHON
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)

    def unset(self) -> None:
        """Nothing is worked on."""
        self._task = None
        self._armed = -math.inf
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        while True:
            time.sleep(_POLL_SECONDS)
            task = self._task
            if task is None or task.image_seconds is None or self._clock() - self._kicked < task.image_seconds:
                continue
            if len(task.rows) == 1 and self._leaves_notes:
                folder = task.labels
                put(folder.store, stuck_path(folder.run_id, folder.segment, task.rows[0]), b"")
            self._end(_EXIT_CODE)
            return


def gave_up(task: Task) -> bool:
    """Whether an engine that ended left the note that it got no further with this image; removes the note."""
    folder = task.labels
    path = stuck_path(folder.run_id, folder.segment, task.rows[0])
    found = get(folder.store, path) is not None
    if found:
        remove(folder.store, path)
    return found
