"""What the texts of a column are: a column becomes numbers, times or booleans only if that loses nothing in any row.

Whatever can be an identifier stays text: zeros in front (``00123``), a sign (``+41``), digits around an ``e``
(``61e45``), more digits than a number can hold; and so do words such as ``NA``, ``nan``, ``None`` and ``inf``. The
decision looks at every row, whatever their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from toolkit.sources.values import IN_WORDS, INT64, Column, column_of, floats, strings, stripped_of, times, with_gaps

# RE2's syntax, for pyarrow. Numbers as programs write them, and nothing that could be a name.
_WHOLE = r"^(?:0|-?[1-9][0-9]*)$"
_NUMBER = r"^-?(?:(?:0|[1-9][0-9]*)\.?|(?:0|[1-9][0-9]*)?\.[0-9]+)(?:[eE][+-][0-9]+)?$|^-?[0-9]\.[0-9]+[eE][0-9]+$"
_COMMA_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:,[0-9]+)?$"
_POINTS = r"^-?[1-9][0-9]{0,2}(?:\.[0-9]{3})+$"
_DAY_FIRST = r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}$"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_TIME = f"^{_DAY}(?:{_CLOCK})?$"
_ZONED_TIME = f"^{_DAY}{_CLOCK}{_ZONE}$"
_BOOLEANS = (("True", "False"), ("TRUE", "FALSE"), ("true", "false"))

_PATTERNS = (
    ("whole", _WHOLE),
    ("number", _NUMBER),
    ("number", _COMMA_NUMBER),
    ("time", _TIME),
    ("time", _ZONED_TIME),
)

_SURE_DIGITS = 15  # any decimal of so many digits comes back from a double (IEEE 754 binary64)


def read_texts(
    texts: Any,
    place: Callable[[int], str],
    *,
    name: str = "",
    decimal_comma: bool = False,
) -> Column:
    """Decide what a column of texts is.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray
        As they are written; what is empty is missing.
    place : callable
        From a row, counted from 0, to words for where it is.
    name : str
        Of the column, for messages.
    decimal_comma : bool
        Whether ``1,5`` is a number here, as in tables that are separated by semicolons.
    """
    stripped = stripped_of(texts)
    found = stripped.drop_null()
    if not len(found):
        return column_of(texts, floats([None] * len(texts)), "empty", gives_back=True)
    for decide in (_booleans, _whole, _numbers, _times):
        column = decide(texts, stripped, found, decimal_comma)
        if column is not None:
            return column
    return Column(strings(texts, stripped), _why_text(stripped, found, place, name, decimal_comma))


def _booleans(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    words = set(found.slice(0, 1000).unique().to_pylist())
    for true, false in _BOOLEANS:
        if words <= {true, false} and set(found.unique().to_pylist()) <= {true, false}:
            values = [None if text is None else text == true for text in stripped.to_pylist()]
            return column_of(texts, with_gaps(values, "bool"), "booleans", gives_back=true == "True")
    return None


def _whole(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    if not _all_match(found, _WHOLE):
        return None
    cells = stripped.to_pylist()
    if not all(text is None or _in_64_bits(text) for text in cells):
        return None
    numbers = [None if text is None else int(text) for text in cells]
    return column_of(texts, with_gaps(numbers, "int64"), "whole numbers", gives_back=True)


def _numbers(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    if _all_match(found, _WHOLE):
        return None  # more digits than 64 bits hold: an identifier
    comma = False
    if not _all_match(found, _NUMBER):
        comma = decimal_comma and _all_match(found, _COMMA_NUMBER)
        if not comma:
            return None
    elif decimal_comma and _points_are_doubtful(found):
        return None
    points = [None if text is None else text.replace(",", ".") for text in stripped.to_pylist()]
    numbers = [None if text is None else float(text) for text in points]
    gives_back = not comma
    for text, number in zip(points, numbers, strict=True):
        if text is None or number is None or repr(number) == text:
            continue
        gives_back = False
        if not _same_digits(text, number):
            return None
    words = "numbers with a decimal comma" if comma else "numbers"
    return column_of(texts, floats(numbers), words, gives_back=gives_back)


def _points_are_doubtful(found: Any) -> bool:
    """Whether all points may be between thousands, as where commas are decimal: ``1.234`` is one or a thousand."""
    import pyarrow.compute as pc

    pointed = found.filter(pc.match_substring(found, "."))
    return len(pointed) > 0 and _all_match(pointed, _POINTS)


def _times(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    import pyarrow.compute as pc

    zoned = _all_match(found, _ZONED_TIME)
    if not zoned and not _all_match(found, _TIME):
        return None
    found_times = times(stripped.to_pylist(), zoned=zoned)
    if found_times.notna().sum() != len(found):  # there is a 30 February among them
        return None
    shapes = set(pc.replace_substring_regex(found, "[0-9]", "0").unique().to_pylist())
    # What is midnight throughout reads as days.
    days_only = bool((found_times.dropna().dt.normalize() == found_times.dropna()).all())
    gives_back = shapes <= {"0000-00-00"} or shapes <= {"0000-00-00T00:00:00Z"}
    gives_back = gives_back or (shapes <= {"0000-00-00T00:00:00"} and not days_only)
    return column_of(texts, found_times, "times, in UTC" if zoned else "times", gives_back=gives_back)


def _why_text(stripped: Any, found: Any, place: Callable[[int], str], name: str, decimal_comma: bool) -> str:
    """Text; and where most of a column are something else, which row keeps it from that."""
    import pyarrow.compute as pc

    if decimal_comma and _all_match(found, _NUMBER) and _points_are_doubtful(found):
        return "text: points may be decimal or between thousands; write a decimal comma, or no points"
    if _all_match(found, _DAY_FIRST):
        return f"text: days first, not ISO dates; or say types={{{name!r}: 'time'}}"
    for kind, pattern in _PATTERNS:
        if pattern == _COMMA_NUMBER and not decimal_comma:
            continue
        comes_back = _come_back(stripped, kind, pattern)
        others = len(found) if comes_back is None else pc.sum(pc.invert(comes_back)).as_py()
        if others * 2 <= len(found):
            row = pc.index(comes_back, False).as_py()
            rows = f"{others:,} row{'s'[: others != 1]}, the first {place(row)}: {stripped[row].as_py()!r}"
            said = f"types={{{name!r}: {kind!r}}}"
            return f"text: {IN_WORDS[kind]} but for {rows}, which would not come back as written; or say {said}"
    return "text: numbers of more digits than are kept" if _all_match(found, _NUMBER) else "text"


def _come_back(stripped: Any, kind: str, pattern: str) -> Any:
    """Whether each text comes back from a value of a kind; null where there is none, None in place of no match."""
    import pyarrow as pa
    import pyarrow.compute as pc

    matches = pc.match_substring_regex(stripped, pattern)
    if not pc.any(matches).as_py():
        return None
    candidates = pc.if_else(matches, stripped, None)
    if kind == "time":
        fine = times(candidates.to_pylist(), zoned=pattern == _ZONED_TIME).notna().tolist()
    elif kind == "whole":
        fine = [text is not None and _in_64_bits(text) for text in candidates.to_pylist()]
    else:
        points = [None if text is None else text.replace(",", ".") for text in candidates.to_pylist()]
        fine = [text is not None and _same_digits(text, float(text)) for text in points]
    return pc.if_else(pc.is_valid(stripped), pa.array(fine), None)


def _same_digits(text: str, number: float) -> bool:
    """Whether a number, printed with as many digits as were written, has the digits that were written."""
    if not math.isfinite(number):
        return False
    if len(text) <= _SURE_DIGITS and "e" not in text and "E" not in text:
        return True
    written = Decimal(text)
    n_digits = max(len(written.as_tuple().digits), 1)
    return Decimal(f"{number:.{n_digits - 1}e}") == written


def _in_64_bits(text: str) -> bool:
    """Whether a whole number does."""
    return len(text) < 19 or (len(text) <= 20 and int(text) in INT64)


def _all_match(found: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    # A few first: most columns of text are found out by them.
    few = pc.all(pc.match_substring_regex(found.slice(0, 100), pattern)).as_py()
    return bool(few and pc.all(pc.match_substring_regex(found, pattern)).as_py())
