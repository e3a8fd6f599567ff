"""The handle of anything that takes long: a thread at work, its progress, and what may be asked of it meanwhile."""

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401  it registers its end at exit, which must be before ours
import contextlib
import os
import sys
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from toolkit.display import LiveDisplay
from toolkit.errors import ToolkitError
from toolkit.interrupts import INTERRUPTED, in_one_line, interrupts_call

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_STOP = 5.0
"""What is given up has so long to say what was finished; a call of the network cannot be broken off."""
_SECONDS_OF_SLEEP = 0.2

_HINT = "interrupt again to stop now"
_USUAL_WIDTH = 79

State = Literal["running", "paused", "cancelling", "finished", "cancelled", "stopped"]


class OperationError(ToolkitError, RuntimeError):
    """What was going on stopped before its end; the message says why, and how to go on."""


@dataclass(frozen=True)
class Asked:
    """Somebody has asked for something; what is in progress is brought to its end first."""

    what: Literal["cancel", "stop", "pause", "resume"]
    """What for; ``"stop"`` is to cancel at once."""


@dataclass(frozen=True)
class Ended:
    """No work is left in progress, and everything that was done is kept."""

    state: State
    """``"finished"``; ``"cancelled"``; or ``"stopped"`` by an error."""
    reason: str = ""
    """What stopped it; empty otherwise."""


class ProgressLike(Protocol):
    """A dataclass that says how far something is; printed, a line, and in Jupyter, a bar."""

    @property
    def state(self) -> State:
        """What is going on."""

    @property
    def ended(self) -> bool:
        """Whether nothing goes on any more."""


Progress = TypeVar("Progress", bound=ProgressLike, covariant=True)


class Counter(Protocol[Progress]):
    """An observer that counts what it is told, and so knows the progress."""

    def __call__(self, event: Any) -> None:
        """Take one event into account."""

    def progress(self) -> Progress:
        """How far it is now."""


class Operation(Generic[Progress]):
    """Work that goes on in a thread; it can be watched, waited for, paused and cancelled.

    Observers are called with every event, in order. One that raises is told nothing more, and the work goes on; the
    display is one of them.

    Parameters
    ----------
    name : str
        What it is, as messages say it: ``"run 76da…"``.
    counter : Counter
        Knows the progress.
    observers : sequence of callables
        Get every event.
    """

    error: ClassVar[type[OperationError]] = OperationError
    """What `wait` raises when an error stopped the work."""
    advice: ClassVar[str] = "Mend the cause and make the same call again to go on."
    """How to go on then."""

    def __init__(self, name: str, counter: Counter[Progress], observers: Sequence[Callable[[Any], None]] = ()) -> None:
        self.cancelled = threading.Event()
        """Set once the operation was asked to stop: begin nothing new."""
        self.paused = threading.Event()
        """Set while the operation is asked to begin nothing new for now."""
        self.stopped = threading.Event()
        """Set once the operation was asked to give up what is in progress, too."""
        self.interrupted = False
        """Whether somebody who waits for it has interrupted that."""
        self._name = name
        self._counter = counter
        self._observers: list[Callable[[Any], None]] = list(observers)
        self._displayed = False
        self._error: BaseException | None = None
        # Not Thread.join: when that is interrupted, Python 3.11 takes the thread for ended.
        self._ended = threading.Event()
        self._when_ended: list[Callable[[], object]] = []

    @property
    def progress(self) -> Progress:
        """How far it is."""
        progress = self._counter.progress()
        if progress.ended or not (self.cancelled.is_set() or self.paused.is_set()):
            return progress
        return replace(progress, state="cancelling" if self.cancelled.is_set() else "paused")  # type: ignore[type-var]

    @property
    def ended(self) -> bool:
        """Whether nothing goes on any more."""
        return self._ended.is_set()

    def start(self, work: Callable[[], None], close: Callable[[], None] = lambda: None) -> None:
        """Set it to work, in a thread; ``close`` is called at the end, whatever happened."""
        threading.Thread(target=self._work, args=(work, close), name=self._name).start()
        _wait_for_at_exit(self)

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end, showing the progress. An interrupt cancels, cleanly; a second one stops at once.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        OperationError
            An error stopped the work; its cause is attached.
        TimeoutError
            The work goes on after ``timeout`` seconds. It is not cancelled by that.
        KeyboardInterrupt
            After what was in progress has been finished and written, or given up.
        """
        try:
            self._show_once()
            ended = self._ended.wait(timeout)
        except KeyboardInterrupt:
            self._end_interrupted()
            raise in_one_line(KeyboardInterrupt(), f"interrupted: {self.progress}") from None
        if not ended:
            raise TimeoutError(f"{self._name} goes on after {timeout:g} seconds: {self.progress}")
        self._raise()

    def __await__(self) -> Generator[Any, None, None]:
        """Wait for the end as `wait` does, while a notebook's kernel serves its widgets.

        If what awaits it is cancelled, as by ``asyncio.wait_for`` or an interrupt, so is the operation, cleanly; a
        second interrupt stops it at once.
        """
        return self._awaited().__await__()

    async def _awaited(self) -> None:
        self._show_once()
        loop = asyncio.get_running_loop()
        end = asyncio.Event()
        self._call_at_end(lambda: loop.call_soon_threadsafe(end.set))
        with _kept_awake():
            try:
                await end.wait()
            except asyncio.CancelledError:  # an interrupt of the cell
                await self._end_awaited(loop, end)
                raise in_one_line(asyncio.CancelledError(), f"interrupted: {self.progress}") from None
        self._raise()

    async def _end_awaited(self, loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
        """As `_end_interrupted`, of what is awaited."""

        def stop() -> None:
            self.cancel(at_once=True)
            loop.call_later(_SECONDS_TO_STOP, end.set)

        self.interrupted = True
        self.cancel()
        # Kernels take no second interrupt of a cell.
        with interrupts_call(lambda: loop.call_soon_threadsafe(stop)):
            while not end.is_set():
                try:
                    await end.wait()
                except asyncio.CancelledError:
                    stop()

    def _end_interrupted(self) -> None:
        """Wait for the end of what is in progress; a second interrupt has that given up."""
        self.interrupted = True
        try:
            self.cancel()
            self._ended.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                self.cancel(at_once=True)
                self._ended.wait(_SECONDS_TO_STOP)

    def cancel(self, at_once: bool = False) -> None:
        """Begin nothing new. What is in progress is finished and written; `wait` tells when that has happened.

        Parameters
        ----------
        at_once : bool
            What is in progress is given up, too; what was finished is kept.
        """
        if self.ended:
            return
        self.cancelled.set()
        if at_once:
            self.stopped.set()
        self.emit(Asked("stop" if at_once else "cancel"))

    def pause(self) -> None:
        """Begin nothing new for now. What is in progress is finished and written; `resume` goes on."""
        self.paused.set()
        self.emit(Asked("pause"))

    def resume(self) -> None:
        """Go on after `pause`."""
        self.paused.clear()
        self.emit(Asked("resume"))

    def emit(self, event: object) -> None:
        """Tell everyone."""
        self._counter(event)
        for observer in list(self._observers):
            self._tell(observer, event)

    def display(self) -> None:
        """Show the progress here from now on: in a notebook's cell, or as a line of a terminal."""
        self._displayed = True
        display = _Display(self)
        self._observers.append(display)
        self._tell(display, None)

    def _ipython_display_(self) -> None:
        self.display()

    def __repr__(self) -> str:
        return f"<{self.progress}>"

    def _tell(self, observer: Callable[[Any], None], event: object) -> None:
        try:
            observer(event)
        except Exception as error:  # noqa: BLE001 - hours of work must not end for a broken observer
            with contextlib.suppress(ValueError):  # another thread has done so
                self._observers.remove(observer)
            self._displayed = any(isinstance(one, _Display) for one in self._observers)
            if not isinstance(observer, _Display):
                warnings.warn(f"observer {observer!r} raised {error!r} and is not called any more", stacklevel=1)

    def _work(self, work: Callable[[], None], close: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by wait()
            self._error = error
            if not self._displayed:
                warnings.warn(f"{self._name} stopped: {error!r}; its wait() tells more", stacklevel=1)
            self.emit(Ended("stopped", (str(error) or repr(error)).splitlines()[0]))
        else:
            self.emit(Ended("cancelled" if self.cancelled.is_set() else "finished"))
        finally:
            try:
                close()
            finally:
                self._ended.set()
                self._call_at_end(lambda: None)

    def _raise(self) -> None:
        if self._error is not None:
            raise self.error(f"{self._name} stopped: {self._error}\n{self.advice}") from self._error

    def _show_once(self) -> None:
        if not self._displayed:
            self.display()

    def _call_at_end(self, action: Callable[[], object]) -> None:
        self._when_ended.append(action)
        if self.ended:
            while self._when_ended:
                with contextlib.suppress(IndexError, RuntimeError):  # taken by the other thread; its loop has ended
                    self._when_ended.pop()()


@contextlib.contextmanager
def _kept_awake() -> Iterator[None]:
    """Have a loop look around now and then: one that sleeps is not woken by the interrupts of a kernel."""
    awake = asyncio.ensure_future(_look_around())
    try:
        yield
    finally:
        awake.cancel()


async def _look_around() -> None:
    while True:
        await asyncio.sleep(_SECONDS_OF_SLEEP)


class _Display:
    """The observer that a person sees. Whoever was watching may close the terminal, or the notebook."""

    def __init__(self, operation: Operation[Any]) -> None:
        self._operation = weakref.proxy(operation)
        self._shown = LiveDisplay()

    def __call__(self, event: object) -> None:
        progress = self._operation.progress
        hint = self._operation.interrupted and not progress.ended and not self._operation.stopped.is_set()
        self._shown.show(_Hinted(progress) if hint else progress, at_once=isinstance(event, Asked))
        if progress.ended:
            self._shown.finish()


class _Hinted:
    """A progress, and what may be done about it."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress

    def __str__(self) -> str:
        return self.fitted(_USUAL_WIDTH)

    def fitted(self, width: int) -> str:
        """In so many characters, as far as that is possible."""
        fit = getattr(self._progress, "fitted", None)
        room = width - len(_HINT) - 2
        return f"{fit(room) if fit else str(self._progress)[:room]}; {_HINT}"[-width:]

    def _repr_html_(self) -> str:
        return f"{self._progress._repr_html_()}<div>{_HINT}</div>"


_running: set[Operation[Any]] = set()
_registered = threading.Lock()


def _wait_for_at_exit(operation: Operation[Any]) -> None:
    """A script may end without `wait`. Thread pools close before the threads that use them have ended, unless somebody
    waits first; what is registered last is called first."""
    _running.add(operation)
    operation._call_at_end(lambda: _running.discard(operation))
    # There is no public way to be called before pools close; without this one, scripts have to wait().
    register = getattr(threading, "_register_atexit", None)
    if register is not None and _registered.acquire(blocking=False):
        register(_wait_for_all)


def _wait_for_all() -> None:
    operations = list(_running)
    try:
        for operation in operations:
            _wait_for(operation)
    except KeyboardInterrupt:
        for operation in operations:
            operation.cancel()
        for operation in operations:
            if not (operation.ended or operation.stopped.is_set()):
                operation._end_interrupted()
    if any(operation.interrupted for operation in operations):
        # As Python ends a script that was interrupted, but without waiting for threads: what was given up may be in a
        # call that takes minutes.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


def _wait_for(operation: Operation[Any]) -> None:
    while not (operation.ended or operation.stopped.is_set()):
        if operation.paused.is_set():  # nobody is left who could resume it
            operation.cancel()
        with contextlib.suppress(TimeoutError):
            try:
                operation.wait(_SECONDS_BETWEEN_LOOKS)
            except OperationError:
                traceback.print_exc()
