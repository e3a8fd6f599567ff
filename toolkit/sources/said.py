"""Columns of text as a person says that they are, with ``types``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from toolkit.sources.values import IN_WORDS, INT64, Column, column_of, floats, strings, stripped_of, times, with_gaps

KINDS = tuple(IN_WORDS)
"""What a person may say that a column is."""

MISSING_WORDS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")
"""Words for what is missing, in columns of which a person says that they are no text."""

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})*,\d+")  # 1.234,5
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", re.ASCII)
_BOOLEANS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}

_REMEDIES = {
    "whole": "a whole number has digits only, and fits 64 bits",
    "number": "a number is written like 1.5 or 2e-3",
    "time": "a time is written like 2020-01-31, 31.1.2020 or 2020-01-31T08:30:00+01:00, and must exist",
    "boolean": "a boolean is True or False, yes or no, 1 or 0",
}


def read_as_said(texts: Any, kind: str, place: Callable[[int], str], name: str) -> Column:
    """A column as a person said that it is.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray
        As they are written. What is empty is missing, and, but in text, so is what has one of `MISSING_WORDS`.
    kind : str
        One of `KINDS`.
    place : callable
        From a row, counted from 0, to words for where it is.
    name : str
        Of the column.

    Raises
    ------
    ValueError
        It cannot be that; the message names column, row and value.
    """
    stripped = stripped_of(texts)
    if kind == "text":
        return Column(strings(texts, stripped), "text, as types says")
    cells = stripped.to_pylist()
    n_words = sum(cell in MISSING_WORDS for cell in cells)
    cells = [None if cell in MISSING_WORDS else cell for cell in cells]
    if kind in ("whole", "number"):
        cells = _with_plain_digits(cells)
    read: Callable[[str], Any] = _READERS[kind]
    values = [None if cell is None else read(cell) for cell in cells]
    for row, (cell, value) in enumerate(zip(cells, values, strict=True)):
        if cell is not None and value is None:
            there = f"types: {name!r} cannot be {kind!r}: {cell!r} {place(row)} is none"
            raise ValueError(f"{there}; {_REMEDIES[kind]}")
    words = f"{IN_WORDS[kind]}, as types says"
    if n_words:
        words += f"; words for what is missing (NA, nan, None, …) stand in {n_words:,} row{'s'[: n_words != 1]}"
    match kind:
        case "number":
            _refuse_doubtful_commas(cells, place, name)
            series, plain = floats(values), repr
        case "time":
            _refuse_mixed_zones(cells, values, place, name)
            zoned = any(value.tzinfo is not None for value in values if value is not None)
            series = times([None if value is None else value.isoformat() for value in values], zoned=zoned)
            return column_of(texts, series, words, gives_back=False)
        case _:
            series, plain = with_gaps(values, "int64" if kind == "whole" else "bool"), str
    pairs = zip(texts.to_pylist(), values, strict=True)
    gives_back = all(not text if value is None else plain(value) == text for text, value in pairs)
    return column_of(texts, series, words, gives_back=gives_back)


def _with_plain_digits(cells: list[str | None]) -> list[str | None]:
    """Numbers without points between thousands, where a cell such as ``1.234,5`` says that points are that."""
    cells = [None if cell is None else cell.replace("\N{MINUS SIGN}", "-") for cell in cells]
    if any(cell is not None and "." in cell and _GROUPED.fullmatch(cell) for cell in cells):
        return [None if cell is None else cell.replace(".", "").replace(",", ".") for cell in cells]
    return cells


def _whole(text: str) -> int | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not text.isascii() or "_" in text or not number.is_finite() or number.adjusted() > 19:
        return None
    return int(number) if number == number.to_integral_value() and int(number) in INT64 else None


def _number(text: str) -> float | None:
    text = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    overflows = math.isinf(number) and any(character.isdigit() for character in text)
    return None if math.isnan(number) or overflows else number


def _time(text: str) -> datetime | None:
    try:
        if day_first := _DAY_FIRST.fullmatch(text):
            day, month, year = map(int, day_first.groups())
            return datetime(year, month, day)
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text.lower())


_READERS: dict[str, Callable[[str], Any]] = {"whole": _whole, "number": _number, "time": _time, "boolean": _boolean}


def _refuse_doubtful_commas(cells: Sequence[str | None], place: Callable[[int], str], name: str) -> None:
    """Whether ``1,234`` is a thousand or a little more than one must follow from another row."""
    commas = [(row, cell) for row, cell in enumerate(cells) if cell is not None and "," in cell]
    if commas and all(_THOUSANDS.fullmatch(cell) for _, cell in commas):
        row, cell = commas[0]
        reason = "may be a decimal comma or one between thousands; write a decimal point"
        raise ValueError(f"types: {name!r} cannot be 'number': {cell!r} {place(row)} {reason}")


def _refuse_mixed_zones(
    cells: Sequence[str | None], values: Sequence[datetime | None], place: Callable[[int], str], name: str
) -> None:
    first: dict[bool, int] = {}
    for row, value in enumerate(values):
        if value is not None:
            first.setdefault(value.tzinfo is not None, row)
    if len(first) == 2:
        with_zone, without = first[True], first[False]
        reason = f"{cells[with_zone]!r} {place(with_zone)} has a zone, {cells[without]!r} {place(without)} has none"
        raise ValueError(f"types: {name!r} cannot be 'time': {reason}; write all with one, or none")
