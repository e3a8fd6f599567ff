"""A gate before the tasks of a group, which are to begin together or not at all; see `toolkit.engines.ranks`."""

import threading
from collections import deque

OPEN = "segscape_open_gate"
"""The request by which an engine's control thread is told to open its gate."""

_REMEMBERED = 100


class Gate:
    """One task waits; another thread lets it begin, or sends it away."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._told: deque[tuple[str, bool]] = deque(maxlen=_REMEMBERED)
        self.waits_for = ""
        """The group of the task that waits; empty: none does."""

    def wait(self, group: str, seconds: float) -> bool:
        """Whether the task may begin: as `open` has said or will say, and not if it has not after so many seconds."""
        with self._changed:
            self.waits_for = group
            self._changed.wait_for(lambda: group in dict(self._told), seconds)
            self.waits_for = ""
            return dict(self._told).get(group, False)

    def open(self, group: str, begin: bool) -> None:
        """Have the task of this group begin, or go away, also if it comes only later."""
        with self._changed:
            self._told.append((group, begin))
            self._changed.notify_all()


gate = Gate()
"""That of this process."""
