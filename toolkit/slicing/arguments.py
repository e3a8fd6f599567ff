"""What a slicing study may be asked for."""

from collections.abc import Iterable
from numbers import Real
from typing import Any

import torch

from toolkit.segmentation import Protocol
from toolkit.slicing.ways import Way, check_way, ways_on

_MOST_OVERLAP = 0.9


def checked_grids(slices: object) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of each grid.

    Raises
    ------
    TypeError, ValueError
        One is not two whole numbers of at least 1, or is there twice.
    """
    grids = _listed("slices", slices, "(rows, columns) pairs such as ((1, 1), (2, 2))")
    return _each_once("slices", [Protocol(mode="slices", slices=grid).slices for grid in grids])


def checked_overlaps(overlaps: object) -> tuple[float, ...]:
    """The overlaps.

    Raises
    ------
    TypeError, ValueError
        One is no number in [0, 0.9], or is there twice.
    """
    given = _listed("overlaps", overlaps, "fractions such as (0.0, 0.25)")
    for overlap in given:
        if isinstance(overlap, bool) or not isinstance(overlap, Real):
            raise TypeError(f"overlaps must be numbers, but overlaps={given!r} holds {overlap!r}")
        if not 0 <= overlap <= _MOST_OVERLAP:  # type: ignore[operator]  # also refuses NaN
            raise ValueError(
                f"overlaps must lie in [0, {_MOST_OVERLAP:g}], fractions of a slice, but overlaps={given!r} holds "
                f"{overlap!r}"
            )
    return _each_once("overlaps", [float(overlap) for overlap in given])


def checked_ways(ways: object, device: torch.device) -> tuple[Way, ...]:
    """The ways; those of the device if None is given.

    Raises
    ------
    TypeError, ValueError
        One is no way, or none that the device has, or is there twice.
    """
    if ways is None:
        return ways_on(device)
    given = _listed("ways", ways, f"names such as {ways_on(device)!r}")
    for way in given:
        check_way(way, device)
    return _each_once("ways", given)


def checked_protocol(protocol: object) -> Protocol:
    """The protocol; the default one if None is given.

    Raises
    ------
    TypeError
        It is none.
    """
    if protocol is None:
        return Protocol()
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol or None, not {protocol!r}; see Protocol.preset for names")
    return protocol


def checked_number(name: str, number: object) -> int:
    """A whole number of at least 1.

    Raises
    ------
    TypeError, ValueError
        It is not.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be a whole number, not {number!r}")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def _listed(name: str, values: object, wanted: str) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of {wanted}, not {values!r}")
    listed = list(values)
    if not listed:
        raise ValueError(f"{name} is empty; give at least one of {wanted}")
    return listed


def _each_once(name: str, values: list[Any]) -> tuple[Any, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{name} holds {twice[0]!r} twice; name each once")
    return tuple(values)
