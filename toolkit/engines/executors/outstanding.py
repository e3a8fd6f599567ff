"""Futures that were handed out and are not resolved yet: each is resolved exactly once, and none is forgotten."""

import threading
from concurrent.futures import Future
from typing import Any


class Outstanding:
    """The unresolved futures of one executor; all methods may be called from any thread.

    Whoever resolves a future claims it first. A result, a watchdog and ``future.cancel()`` may race for the same
    future; only one of them gets the claim.
    """

    def __init__(self) -> None:
        self._futures: set[Future[Any]] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._futures)

    def new(self) -> "Future[Any]":
        """Return a future that is outstanding until it is claimed."""
        future: Future[Any] = Future()
        with self._lock:
            self._futures.add(future)
        future.add_done_callback(self._notice_cancel)
        return future

    def claim(self, future: "Future[Any]") -> bool:
        """Whether the caller, and nobody else, must now resolve this future."""
        return self._remove(future) and future.set_running_or_notify_cancel()

    def claim_all(self) -> "list[Future[Any]]":
        """Claim every future that is outstanding."""
        with self._lock:
            futures = list(self._futures)
        return [future for future in futures if self.claim(future)]

    def cancel_all(self) -> None:
        """Cancel every future that is outstanding."""
        with self._lock:
            futures = list(self._futures)
        for future in futures:
            future.cancel()

    def _remove(self, future: "Future[Any]") -> bool:
        with self._lock:
            if future not in self._futures:
                return False
            self._futures.remove(future)
            return True

    def _notice_cancel(self, future: "Future[Any]") -> None:
        # concurrent.futures.wait counts a cancelled future as done only after this notification; without it, waiting
        # for a cancelled future that no engine ever picks up would hang.
        if self._remove(future):
            future.set_running_or_notify_cancel()
