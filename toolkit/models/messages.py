"""Pieces of error messages: what exists instead, and values that may be long."""

import difflib
from collections.abc import Iterable

_LONGEST = 200


def alternatives(given: str, known: Iterable[str]) -> str:
    """What exists instead of a misspelt name, as the end of an error message."""
    names = sorted(known)
    if not names:
        return "none"
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1)
    return ", ".join(map(repr, names)) + (f". Did you mean {by_lower[close[0]]!r}?" if close else "")


def shortened(value: object) -> str:
    """A value as a message shows it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
