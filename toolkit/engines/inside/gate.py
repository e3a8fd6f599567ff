"""A gate before the tasks of a group, which are to begin together or not at all; see `toolkit.engines.ranks`."""

import threading
import time
from collections import deque

from toolkit.engines.inside.retirement import retirement

OPEN = "segscape_open_gate"
"""The request by which an engine's control thread is told to open its gate."""

_REMEMBERED = 100
_SECONDS_BETWEEN_LOOKS = 0.2


class Gate:
    """One task waits; another thread lets it begin, or sends it away."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._told: deque[tuple[str, bool]] = deque(maxlen=_REMEMBERED)
        self.waits_for = ""
        """The group of the task that waits; empty: none does."""

    def wait(self, group: str, seconds: float) -> bool:
        """Whether the task may begin: as `open` has said or will say.

        Not so if it has not after so many seconds, or if this process is asked to end.
        """
        with self._changed:
            self.waits_for = group
            end = time.monotonic() + seconds
            while group not in dict(self._told) and not retirement.asked and time.monotonic() < end:
                self._changed.wait(_SECONDS_BETWEEN_LOOKS)  # nobody tells of retirement
            self.waits_for = ""
            return dict(self._told).get(group, False)

    def open(self, group: str, begin: bool) -> None:
        """Have the task of this group begin, or go away, also if it comes only later."""
        with self._changed:
            self._told.append((group, begin))
            self._changed.notify_all()


gate = Gate()
"""That of this process."""
