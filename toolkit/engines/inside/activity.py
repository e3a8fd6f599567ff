"""What this process is doing, and how fast: set by the work, read by whoever asks for the engine's status."""

import threading
import time
from collections import deque

_WINDOW_SECONDS = 30.0


class Activity:
    """All methods may be called from any thread, and cost next to nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing = ""
        self._images = 0
        self._ended: deque[tuple[float, int]] = deque()

    def set(self, doing: str) -> None:
        """What is being done from now on; empty: nothing."""
        self._doing = doing

    def count(self, n_images: int) -> None:
        """So many images were finished just now."""
        now = time.monotonic()
        with self._lock:
            self._images += n_images
            self._ended.append((now, n_images))
            self._forget(now)

    @property
    def doing(self) -> str:
        """What is being done; empty: nothing."""
        return self._doing

    @property
    def images(self) -> int:
        """Images finished by this process, ever."""
        return self._images

    @property
    def images_per_second(self) -> float:
        """Images per second in the last half minute; 0 if none was finished."""
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            if len(self._ended) < 2:
                return sum(n for _, n in self._ended) / _WINDOW_SECONDS
            # What was finished first took its time before the window's first moment.
            first = self._ended[0][0]
            return sum(n for _, n in list(self._ended)[1:]) / max(now - first, 1e-3)

    def _forget(self, now: float) -> None:
        while self._ended and now - self._ended[0][0] > _WINDOW_SECONDS:
            self._ended.popleft()


activity = Activity()
"""That of this process."""
