"""Why a model cannot be had, and pieces of the messages that say so."""

import difflib
from collections.abc import Iterable

from toolkit.errors import ToolkitError

_LONGEST = 200


class ModelError(ToolkitError, ValueError):
    """A model cannot be had, or cannot be written."""


class UnknownNameError(ModelError):
    """Nothing has this name; the message lists what exists."""


class ModelOptionError(ModelError):
    """An option in a model's name is unknown or has a value that it cannot have; the message says what is allowed."""


class BundleError(ModelError):
    """A bundle that cannot be used: incomplete, of another format, or not what its digest says."""


class DescriptorError(ModelError):
    """A descriptor is not valid; the message names the file, the place in it, and what is allowed there."""


class UserCodeError(ModelError):
    """A file of the user's that cannot be run, or does not hold the class; the original error is its cause."""


class WeightsError(ModelError):
    """Weights that cannot be used: not readable, not safe to read, or of another network."""


class BuildError(ModelError):
    """A network cannot be built from its definition."""


class ProbeError(ModelError):
    """A network that does not do what a `Model` promises."""


def alternatives(given: str, known: Iterable[str]) -> str:
    """What exists instead of a misspelt name, as the end of an error message."""
    names = sorted(known)
    if not names:
        return "none"
    close = closest(given, names)
    return ", ".join(map(repr, names)) + (f". Did you mean {close!r}?" if close else "")


def closest(given: str, known: Iterable[str]) -> str:
    """The name that was most probably meant, which may begin with what was given; empty if there is none."""
    by_lower = {name.lower(): name for name in sorted(known)}
    similar = difflib.get_close_matches(given.lower(), by_lower, n=1)
    longer = [name for name in by_lower if len(given) > 2 and name.startswith(given.lower())]
    return by_lower[next(iter([*similar, *longer]))] if similar or longer else ""


def shortened(value: object) -> str:
    """A value as a message shows it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
