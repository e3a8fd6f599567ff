"""How long servers are waited for: requests that get no answer are made again, for a while."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from toolkit.sources.errors import UnreachableError

Result = TypeVar("Result")

_LONGEST_PAUSE = 5.0
_FIRST_PAUSE = 0.2


def patiently(read: Callable[[], Result], seconds: float) -> Result:
    """Call a function again while it says that a server cannot be reached, with growing, jittered pauses.

    Parameters
    ----------
    read : callable
        Raises `UnreachableError` where it may be worth while to try again.
    seconds : float
        For so long.

    Returns
    -------
    object
        What it returned in the end.

    Raises
    ------
    UnreachableError
        There was no answer for so long.
    """
    again = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, UnreachableError)),
        stop=stop_before_delay(seconds),
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        reraise=True,
    )
    return again(read)
