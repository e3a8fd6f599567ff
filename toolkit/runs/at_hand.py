"""The work that a driver has claimed and no engine has."""

import time
from collections import deque
from collections.abc import Callable, Iterable

from toolkit.runs.reach import server_of
from toolkit.runs.tasks import Task


class WorkAtHand:
    """Tasks in the order in which they are to be done; single images whose server is out of reach wait beside them.

    Parameters
    ----------
    claim : callable
        Gives all that is to be done of another block, or None if there is none for now.
    clock : callable
        Monotonic seconds.
    try_seconds : float
        Seconds between two tries of an image whose server is out of reach.
    """

    def __init__(
        self,
        claim: Callable[[], Task | None],
        clock: Callable[[], float] = time.monotonic,
        *,
        try_seconds: float = 30.0,
    ) -> None:
        self._claim = claim
        self._try_seconds = try_seconds
        self._clock = clock
        self._tasks: deque[Task] = deque()
        self._out_of_reach: deque[Task] = deque()
        self._try_at = 0.0

    def __bool__(self) -> bool:
        """Whether there is any, without claiming more."""
        return bool(self._tasks or self._out_of_reach)

    def take(self) -> Task | None:
        """The next task, claimed if need be; None if there is nothing for now.

        An image whose server could not be reached is tried again now and then.
        """
        if self._out_of_reach and self._clock() >= self._try_at:
            return self.take_out_of_reach()
        return self._tasks.popleft() if self._tasks else self._claim()

    def take_out_of_reach(self) -> Task | None:
        """An image whose server could not be reached, for another try; None if there is none."""
        self._try_at = self._clock() + self._try_seconds
        return self._out_of_reach.popleft() if self._out_of_reach else None

    def drop_out_of_reach(self) -> int:
        """Forget the images whose servers are out of reach; how many they are."""
        n_images = sum(len(task.rows) for task in self._out_of_reach)
        self._out_of_reach.clear()
        return n_images

    def put_first(self, task: Task) -> None:
        """To be done before the others."""
        self._tasks.appendleft(task)

    def put_last(self, task: Task) -> None:
        """To be done after the others, before more is claimed."""
        self._tasks.append(task)

    def set_aside(self, task: Task) -> None:
        """The server of its first image is out of reach; what comes from others goes on."""
        first, others = task.split(1)
        if not self._out_of_reach:
            self._try_at = self._clock() + self._try_seconds
        self._out_of_reach.append(first)
        if others is not None:
            self._tasks.append(others)

    def note_reached(self, uris: Iterable[str]) -> None:
        """These images were read: what waits for their servers is to be done next."""
        servers = set(map(server_of, uris))
        back = [task for task in self._out_of_reach if server_of(task.uris[0]) in servers]
        self._out_of_reach = deque(task for task in self._out_of_reach if task not in back)
        self._tasks.extendleft(reversed(back))

    def drop(self, key: tuple[int, int, int]) -> None:
        """Forget the work of a block that is not ours any more."""
        self._tasks = deque(task for task in self._tasks if task.labels.key != key)
        self._out_of_reach = deque(task for task in self._out_of_reach if task.labels.key != key)
