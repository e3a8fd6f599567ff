"""Interrupts (SIGINT, the stop button of a notebook) as a person should meet them: one line instead of a traceback."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

INTERRUPTED = 130
"""Exit status of what SIGINT ended, as shells have it."""

Interrupt = TypeVar("Interrupt", bound=BaseException)


def in_one_line(error: Interrupt, words: str) -> Interrupt:
    """Have an interrupt that nobody catches shown as these words, in a script and in a notebook; returns it."""
    error.args = (words,)
    # IPython asks the error itself for its lines.
    error._render_traceback_ = lambda: [words]  # type: ignore[attr-defined]
    if not isinstance(sys.excepthook, _Hook):
        sys.excepthook = _Hook(sys.excepthook)
    sys.excepthook.words = words
    return error


class _Hook:
    """Shows an interrupt as words, and hands all else on."""

    def __init__(self, before: Callable[..., object]) -> None:
        self.words = ""
        self._before = before

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        # What asyncio makes of a task that was cancelled has no words.
        if kind is KeyboardInterrupt and (not error.args or error.args == (self.words,)):
            print(self.words, file=sys.stderr)
        else:
            self._before(kind, error, traceback)


@contextmanager
def interrupts_call(action: Callable[[], object]) -> Iterator[None]:
    """Have interrupts call this meanwhile, and do nothing else; where signals are handled: in the main thread."""
    try:
        before = signal.signal(signal.SIGINT, lambda *_: action())
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
