"""One output that stays true: an object's picture, updated in place wherever the person happens to look.

In a notebook it is a ``display_id`` bundle of HTML and plain text, so that JupyterLab, the notebook that papermill
writes and a static export all show the last state. In a terminal it is one line that is rewritten; in a log file, a
line now and then.
"""

import html
import shutil
import sys
import threading
import time
from typing import Any, TextIO

_NOTEBOOK_SECONDS = 0.5
_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 15.0


class Words(str):
    """A few words, as a state that can be shown."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self)}</p>"


class LiveDisplay:
    """Shows the newest state of something, at a bounded rate; the last state is always shown.

    Parameters
    ----------
    stream : file, optional
        Where a terminal or log would see it; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._handle: Any = None
        self._waiting: object = None
        self._shown = ""
        self._shown_at = float("-inf")
        self._lock = threading.Lock()  # the driver's thread and the person's may both have news

    def show(self, state: object, *, at_once: bool = False) -> None:
        """Show a state, or keep it for `finish` if another was shown a moment ago.

        Parameters
        ----------
        state : object
            Has ``__str__``; for notebooks ``_repr_html_``; and it may have ``fitted(width)``, a line for a terminal of
            that many characters.
        at_once : bool
            Whether a person waits for it.
        """
        with self._lock:
            self._waiting = state
            if at_once or time.monotonic() - self._shown_at >= self._interval():
                self._write()

    def finish(self) -> None:
        """Show the last state, if it was not shown yet, and end the line of a terminal."""
        with self._lock:
            if self._waiting is not None:
                self._write()
            if self._shown_at > float("-inf") and not _in_notebook() and self._stream.isatty():
                cut = len(self._shown) > _terminal_width()
                print(f"\r\x1b[2K{self._shown}" if cut else "", file=self._stream, flush=True)
            self._shown_at = float("-inf")

    def _interval(self) -> float:
        if _in_notebook():
            return _NOTEBOOK_SECONDS
        return _TERMINAL_SECONDS if self._stream.isatty() else _LOG_SECONDS

    def _write(self) -> None:
        state, self._waiting = self._waiting, None
        self._shown_at = time.monotonic()
        if _in_notebook():
            self._update_output(state)
        elif self._stream.isatty():
            self._shown = str(state)
            # A line that wraps could not be rewritten; the whole of it is shown at the end.
            width = _terminal_width()
            fit = getattr(state, "fitted", None)
            line = fit(width) if fit is not None else self._shown
            print(f"\r\x1b[2K{line[:width]}", end="", file=self._stream, flush=True)
        else:
            print(state, file=self._stream, flush=True)

    def _update_output(self, state: object) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(_Bundle(state), display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(_Bundle(state))


class _Bundle:
    """An object's HTML and plain text, as a notebook stores them."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self._state), "text/html": self._state._repr_html_()}


def _terminal_width() -> int:
    return shutil.get_terminal_size().columns - 1


def _in_notebook() -> bool:
    """Whether output goes to a Jupyter front end; a kernel that nobody imported IPython in is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None
