"""Checks of what a caller gives; their errors name the argument, what is allowed, and what was given."""

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import TypeVar

Value = TypeVar("Value")
Number = TypeVar("Number", int, float)


class ArgumentTypeError(TypeError, ValueError):
    """An argument is of a type that it must not have; also a ValueError, as every wrong argument is."""


def whole_number(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """A whole number; NumPy's are as good as Python's.

    Raises
    ------
    TypeError, ValueError
        It is none, or out of range.

    Examples
    --------
    >>> whole_number("sample", 0, least=1)
    Traceback (most recent call last):
    ...
    ValueError: sample must be a whole number of at least 1, not 0
    """
    wanted = _wanted("a whole number", least, most)
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what has none raises
    except TypeError:
        raise ArgumentTypeError(f"{name} must be {wanted}, not {value!r}") from None
    if isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be {wanted}, not {value!r}")
    return _within(name, number, value, wanted, least, most)


def number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    most: float | None = None,
    what: str = "a number",
) -> float:
    """A finite number, such as a fraction; ``what`` says what it is a number of.

    Raises
    ------
    TypeError, ValueError
        It is none, or out of range.
    """
    wanted = _wanted(what, least, most)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ArgumentTypeError(f"{name} must be {wanted}, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be {wanted}, not {value!r}")
    return _within(name, float(value), value, wanted, least, most)


def seconds(name: str, value: object, *, least: float | None = None, most: float | None = None) -> float:
    """A finite number of seconds.

    Raises
    ------
    TypeError, ValueError
        It is none, or out of range.
    """
    return number(name, value, least=least, most=most, what="a number of seconds")


def choice(name: str, value: object, allowed: Sequence[Value]) -> Value:
    """One of some values, such as ``get_args`` of a ``Literal``.

    Raises
    ------
    ValueError
        It is none of them.

    Examples
    --------
    >>> choice("blend", "gauss", ("constant", "gaussian"))
    Traceback (most recent call last):
    ...
    ValueError: blend must be one of 'constant', 'gaussian', not 'gauss'
    """
    for one in allowed:
        if isinstance(value, type(one)) and isinstance(value, bool) == isinstance(one, bool) and value == one:
            return one
    raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def flag(name: str, value: object) -> bool:
    """True or False, and nothing that merely counts as such.

    Raises
    ------
    TypeError
        It is neither.
    """
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be True or False, not {value!r}")
    return value


def _wanted(what: str, least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{what} in [{least:g}, {most:g}]"
    if least is not None:
        return f"{what} of at least {least:g}"
    return f"{what} of at most {most:g}" if most is not None else what


def _within(name: str, number: Number, value: object, wanted: str, least: float | None, most: float | None) -> Number:
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{name} must be {wanted}, not {value!r}")
    return number
