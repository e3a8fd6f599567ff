"""One output that stays true: an object's picture, updated in place wherever the person happens to look.

In a notebook it is a ``display_id`` bundle of HTML and plain text, so that JupyterLab, the notebook that papermill
writes and a static export all show the last state. In a terminal it is one line that is rewritten; in a log file, a
line now and then.
"""

import sys
import time
from typing import Any, TextIO

_NOTEBOOK_SECONDS = 0.5
_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 60.0


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
        self._shown_at = float("-inf")

    def show(self, state: object, *, last: bool = False) -> None:
        """Show a state: an object with ``__str__`` and, for notebooks, ``_repr_html_``.

        Parameters
        ----------
        state : object
            What to show.
        last : bool
            Whether no other will follow; it is then shown in any case.
        """
        in_notebook = _in_notebook()
        terminal = self._stream.isatty()
        interval = _NOTEBOOK_SECONDS if in_notebook else _TERMINAL_SECONDS if terminal else _LOG_SECONDS
        if not last and time.monotonic() - self._shown_at < interval:
            return
        self._shown_at = time.monotonic()
        if in_notebook:
            self._update_output(state)
        elif terminal:
            self._stream.write(f"\r\x1b[2K{state}" + ("\n" if last else ""))
            self._stream.flush()
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


def _in_notebook() -> bool:
    """Whether output goes to a Jupyter front end; a kernel that nobody imported IPython in is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None
