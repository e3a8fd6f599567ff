"""What engines and this process are at for a run, and what is to be done when each of it ends."""

import math
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures import Executor as Pool
from dataclasses import dataclass
from typing import Any

from toolkit.engines import EngineLostError, Executor, NoEnginesError
from toolkit.runs.events import EngineLost, Observer
from toolkit.runs.open_block import OpenBlock

_MOST_LOSSES_IN_A_ROW = 20


@dataclass(frozen=True, eq=False)
class _Submission:
    block: OpenBlock
    where: "Executor | Pool"
    n_images: int
    since: float
    end: Callable[[Any], None]
    lost: Callable[[EngineLostError], None]


class UnderWay:
    """Submits work, and calls what it was submitted with once it ends. All methods are of the driver's thread.

    Parameters
    ----------
    emit : callable
        Gets an event for every engine that died.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, emit: Observer, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._submissions: dict[Future[Any], _Submission] = {}
        self._losses = Losses(clock)

    def __len__(self) -> int:
        return len(self._submissions)

    @property
    def n_images(self) -> int:
        """Images that it is about."""
        return sum(submission.n_images for submission in self._submissions.values())

    def submit(
        self,
        where: Executor | Pool,
        function: Callable[[Any], Any],
        task: Any,
        block: OpenBlock,
        *,
        n_images: int = 0,
        end: Callable[[Any], None],
        lost: Callable[[EngineLostError], None] = lambda error: None,
    ) -> None:
        """Have ``function(task)`` called on an engine, or in a thread of this process.

        Parameters
        ----------
        where : Executor or concurrent.futures.Executor
            Where.
        function, task
            What.
        block : OpenBlock
            What it belongs to; once that is let go, nothing is called any more.
        n_images : int
            How many images it is about.
        end : callable
            Gets what came back.
        lost : callable
            Gets the error if the engine died.
        """
        since = self._clock()
        self._submissions[where.submit(function, task)] = _Submission(block, where, n_images, since, end, lost)

    def withdraw(self) -> None:
        """Take back what engines have not begun; nothing is called for it."""
        for future, submission in list(self._submissions.items()):
            if not isinstance(submission.where, Pool) and submission.where.withdraw(future):
                del self._submissions[future]

    def collect(self, timeout: float) -> None:
        """Wait until something has ended, for so many seconds at most, and do what was to be done then.

        Raises
        ------
        NoEnginesError
            There are no engines any more, or too many have died one after the other.
        EngineTaskError
            A task failed on an engine.
        """
        ended, _ = wait(self._submissions, timeout=timeout, return_when=FIRST_COMPLETED)
        for future in ended:
            submission = self._submissions.pop(future)
            try:
                outcome = future.result()
            except EngineLostError as error:
                self._emit(EngineLost(str(error.engine), submission.n_images))
                self._losses.note(error, submission.since)
                if not submission.block.let_go:
                    submission.lost(error)
            except CancelledError as error:
                raise NoEnginesError(
                    "the cluster was stopped while the run went on; wait for the run "
                    "before the end of the cluster's `with` block"
                ) from error
            else:
                self._losses.end()
                if not submission.block.let_go:
                    submission.end(outcome)


class Losses:
    """Counts engines that died since one last came back with something.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_a_row = 0
        self._at = -math.inf

    def note(self, error: EngineLostError, since: float) -> None:
        """One died under what it was given at ``since``; those that die together, as with their machine, count once.

        Raises
        ------
        NoEnginesError
            Too many have died in a row, whatever they worked on.
        """
        if since > self._at:
            self._in_a_row += 1
            self._at = self._clock()
        if self._in_a_row > _MOST_LOSSES_IN_A_ROW:
            raise NoEnginesError(
                f"engines died {self._in_a_row} times in a row, whatever they worked on; see their logs"
            ) from error

    def end(self) -> None:
        """One came back."""
        self._in_a_row = 0
