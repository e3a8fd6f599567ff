"""Wait for what will be so."""

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")

PATIENCE = 300.0
"""Seconds after which something that should have come has not; no machine is so slow."""


def wait_until(condition: Callable[[], _Found], seconds: float = PATIENCE) -> _Found:
    """Ask again and again, until the answer is true.

    Returns
    -------
    object
        That answer.

    Raises
    ------
    TimeoutError
        It is still not so after some seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"still not so after {seconds:g} s")
        time.sleep(0.02)
    return found
