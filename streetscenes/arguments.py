"""Checks of what a caller gives: the errors name the argument, the value and what is allowed."""

import operator

import numpy as np

MINIMUM_SIDE = 16
"""Smallest height and width of a scene, pixels."""


def check_seed(seed: int | np.random.SeedSequence) -> np.random.SeedSequence:
    """The seed as a sequence of its own."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    return np.random.SeedSequence(check_count("seed", seed))


def check_side(name: str, value: int) -> int:
    """A side of an image, pixels."""
    return check_count(name, value, least=MINIMUM_SIDE)


def check_count(name: str, value: int, least: int = 0) -> int:
    """A whole number that is not too small; NumPy's are as good as Python's."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, but it must be an int") from None
    if number < least:
        raise ValueError(f"{name} is {number}, but it must be at least {least}")
    return number
