"""Reading ahead and writing behind, so that the network waits for neither; bounded, so that memory does not grow."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Written = TypeVar("Written")


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Loaded], *, threads: int = 2, ahead: int = 2
) -> Iterator[tuple[Item, Future[Loaded]]]:
    """Read items in threads while the caller works on earlier ones.

    Parameters
    ----------
    items : iterable
        What to read, in order.
    read : callable
        Called with an item in one of the threads.
    threads : int
        Number of threads.
    ahead : int
        How many items may be read before they are asked for.

    Yields
    ------
    tuple
        Each item with the future of what was read; its ``result()`` raises what ``read`` raised.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="read") as pool:
        reading: deque[tuple[Item, Future[Loaded]]] = deque()
        try:
            for item in items:
                reading.append((item, pool.submit(read, item)))
                if len(reading) > ahead:
                    yield reading.popleft()
            while reading:
                yield reading.popleft()
        finally:
            for _, future in reading:
                future.cancel()


class WriteBehind(Generic[Item, Written]):
    """Write items in a thread while the caller goes on; results come in order at the end.

    Parameters
    ----------
    write : callable
        Called with an item in the thread.
    behind : int
        How many items may wait to be written before `submit` blocks.
    """

    def __init__(self, write: Callable[[Item], Written], *, behind: int = 2) -> None:
        self._write = write
        self._behind = behind
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._futures: list[Future[Written]] = []

    def submit(self, item: Item) -> None:
        """Have an item written; raises what an earlier write raised."""
        self._futures.append(self._pool.submit(self._write, item))
        if len(self._futures) > self._behind:
            self._futures[-1 - self._behind].result()

    def results(self) -> list[Written]:
        """Wait for all writes; what they returned, in order. Raises what the first failing one raised."""
        return [future.result() for future in self._futures]

    def __enter__(self) -> "WriteBehind[Item, Written]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self.results()  # so that a failed write is never passed over
