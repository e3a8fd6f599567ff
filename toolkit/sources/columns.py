"""What the texts of a column are: a column becomes numbers, times or booleans only if that loses nothing in any row.

Whatever can be an identifier stays text: zeros in front (``00123``), a sign (``+41``), digits around an ``e``
(``61e45``), more digits than a number can hold; and so do words such as ``NA``, ``nan``, ``None`` and ``inf``. The
decision looks at every row, whatever their number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("text", "whole", "number", "time", "boolean")
"""What a person may say that a column is."""

MISSING_WORDS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")
"""Words for what is missing, in columns of which a person says that they are no text."""

_IN_WORDS = {
    "text": "text",
    "whole": "whole numbers",
    "number": "numbers",
    "time": "times",
    "boolean": "booleans",
}

# RE2's syntax, for pyarrow. Numbers as programs write them, and nothing that could be a name.
_WHOLE = r"^(?:0|-?[1-9][0-9]*)$"
_NUMBER = r"^-?(?:(?:0|[1-9][0-9]*)\.?|(?:0|[1-9][0-9]*)?\.[0-9]+)(?:[eE][+-][0-9]+)?$|^-?[0-9]\.[0-9]+[eE][0-9]+$"
_COMMA_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:,[0-9]+)?$"
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

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_SURE_DIGITS = 15  # any decimal of so many digits comes back from a double (IEEE 754 binary64)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it was read."""

    values: pd.Series[Any]
    """Missing where nothing was written."""
    read_as: str
    """What was decided, in words."""
    written: pd.Series[Any] | None = None
    """Texts as they were written, where the values do not give them back."""


def read_texts(
    texts: Any,
    kind: str | None,
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
    kind : str or None
        One of `KINDS`, if a person said so.
    place : callable
        From a row, counted from 0, to words for where it is.
    name : str
        Of the column, for messages.
    decimal_comma : bool
        Whether ``1,5`` is a number here, as in tables that are separated by semicolons.

    Raises
    ------
    ValueError
        It is not of the kind that a person said.
    """
    import pyarrow.compute as pc

    stripped = pc.utf8_trim_whitespace(texts)
    stripped = pc.if_else(pc.equal(stripped, ""), None, stripped)
    found = stripped.drop_null()
    if kind is not None:
        return _as_said(texts, stripped, kind, place, name)
    if not len(found):
        return _column(texts, _floats([None] * len(texts)), "empty", gives_back=True)
    for decide in (_booleans, _whole, _numbers, _times):
        column = decide(texts, stripped, found, decimal_comma)
        if column is not None:
            return column
    return Column(_strings(texts, stripped), _why_text(stripped, found, place, name, decimal_comma))


def _booleans(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    words = set(found.slice(0, 1000).unique().to_pylist())
    for true, false in _BOOLEANS:
        if words <= {true, false} and set(found.unique().to_pylist()) <= {true, false}:
            values = [None if text is None else text == true for text in stripped.to_pylist()]
            return _column(texts, _with_gaps(values, "bool"), "booleans", gives_back=true == "True")
    return None


def _whole(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    if not _all_match(found, _WHOLE):
        return None
    cells = stripped.to_pylist()
    if not all(text is None or _in_64_bits(text) for text in cells):
        return None
    numbers = [None if text is None else int(text) for text in cells]
    return _column(texts, _with_gaps(numbers, "int64"), "whole numbers", gives_back=True)


def _numbers(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    if _all_match(found, _WHOLE):
        return None  # more digits than 64 bits hold: an identifier
    comma = False
    if not _all_match(found, _NUMBER):
        comma = decimal_comma and _all_match(found, _COMMA_NUMBER)
        if not comma:
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
    return _column(texts, _floats(numbers), words, gives_back=gives_back)


def _times(texts: Any, stripped: Any, found: Any, decimal_comma: bool) -> Column | None:
    import pyarrow.compute as pc

    zoned = _all_match(found, _ZONED_TIME)
    if not zoned and not _all_match(found, _TIME):
        return None
    times = _to_times(stripped, zoned)
    if times.notna().sum() != len(found):  # there is a 30 February among them
        return None
    shapes = set(pc.replace_substring_regex(found, "[0-9]", "0").unique().to_pylist())
    gives_back = shapes <= {"0000-00-00"} or shapes <= {"0000-00-00T00:00:00"} or shapes <= {"0000-00-00T00:00:00Z"}
    return _column(texts, times, "times, in UTC" if zoned else "times", gives_back=gives_back)


def _why_text(stripped: Any, found: Any, place: Callable[[int], str], name: str, decimal_comma: bool) -> str:
    """Text; and where most of a column are something else, which row keeps it from that."""
    import pyarrow.compute as pc

    for kind, pattern in _PATTERNS:
        if pattern == _COMMA_NUMBER and not decimal_comma:
            continue
        comes_back = _come_back(stripped, kind, pattern)
        others = len(found) if comes_back is None else pc.sum(pc.invert(comes_back)).as_py()
        if others * 2 <= len(found):
            row = pc.index(comes_back, False).as_py()
            rows = f"{others:,} row{'s'[: others != 1]}, the first {place(row)}: {stripped[row].as_py()!r}"
            said = f"types={{{name!r}: {kind!r}}}"
            return f"text: {_IN_WORDS[kind]} but for {rows}, which would not come back as written; or say {said}"
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
        fine = _to_times(candidates, pattern == _ZONED_TIME).notna().tolist()
    elif kind == "whole":
        fine = [text is not None and _in_64_bits(text) for text in candidates.to_pylist()]
    else:
        points = [None if text is None else text.replace(",", ".") for text in candidates.to_pylist()]
        fine = [text is not None and _same_digits(text, float(text)) for text in points]
    return pc.if_else(pc.is_valid(stripped), pa.array(fine), None)


def _as_said(texts: Any, stripped: Any, kind: str, place: Callable[[int], str], name: str) -> Column:
    """A column as a person said that it is; words for what is missing are missing there."""
    if kind == "text":
        return Column(_strings(texts, stripped), "text, as types says")
    cells = stripped.to_pylist()
    n_words = sum(cell in MISSING_WORDS for cell in cells)
    cells = [None if cell in MISSING_WORDS else cell for cell in cells]
    readers: dict[str, Callable[[str], Any]] = {
        "whole": _said_whole,
        "number": _said_number,
        "time": _said_time,
        "boolean": _said_boolean,
    }
    if kind == "number":
        _refuse_doubtful_commas(cells, place, name)
    if kind == "time":
        _refuse_mixed_zones(cells, place, name)
    values = []
    for row, cell in enumerate(cells):
        value = None if cell is None else readers[kind](cell)
        if cell is not None and value is None:
            raise _impossible(name, kind, place(row), cell)
        values.append(value)
    if kind == "time":
        zoned = any(value.tzinfo is not None for value in values if value is not None)
        series = _to_times([None if value is None else value.isoformat() for value in values], zoned)
    else:
        dtype = {"whole": "int64", "boolean": "bool"}.get(kind)
        series = _floats(values) if dtype is None else _with_gaps(values, dtype)
    plain = repr if kind == "number" else str if kind != "time" else None
    written = texts.to_pylist()
    gives_back = plain is not None and all(
        not text if value is None else plain(value) == text for text, value in zip(written, values, strict=True)
    )
    words = f"{_IN_WORDS[kind]}, as types says"
    if n_words:
        words += f"; words for what is missing (NA, nan, None, …) stand in {n_words:,} row{'s'[: n_words != 1]}"
    return _column(texts, series, words, gives_back=gives_back)


def _said_whole(text: str) -> int | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    plain = (
        text.isascii()
        and "_" not in text
        and number.is_finite()
        and number.adjusted() < 20
        and number == number.to_integral_value()
    )
    return int(number) if plain and int(number) in _INT64 else None


def _said_number(text: str) -> float | None:
    text = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    overflows = math.isinf(number) and any(character.isdigit() for character in text)
    return None if math.isnan(number) or overflows else number


def _said_time(text: str) -> Any:
    import pandas as pd

    if not re.fullmatch(f"{_DAY}(?:{_CLOCK}{_ZONE}?)?", text):
        return None
    time = pd.to_datetime(text, format="ISO8601", errors="coerce")
    return None if pd.isna(time) else time


def _said_boolean(text: str) -> bool | None:
    words = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
    return words.get(text.lower())


def _refuse_doubtful_commas(cells: list[str | None], place: Callable[[int], str], name: str) -> None:
    """Whether ``1,234`` is a thousand or a little more than one must follow from another row."""
    commas = [(row, cell) for row, cell in enumerate(cells) if cell is not None and "," in cell]
    if commas and all(_THOUSANDS.fullmatch(cell) for _, cell in commas):
        row, cell = commas[0]
        reason = "may be a decimal comma or one between thousands; write a decimal point"
        raise ValueError(f"types: {name!r} cannot be 'number': {cell!r} {place(row)} {reason}")


def _refuse_mixed_zones(cells: list[str | None], place: Callable[[int], str], name: str) -> None:
    first: dict[bool, int] = {}
    for row, cell in enumerate(cells):
        if cell is not None:
            first.setdefault(re.search(f":.*{_ZONE}$", cell) is not None, row)
    if len(first) == 2:
        with_zone, without = first[True], first[False]
        reason = f"{cells[with_zone]!r} {place(with_zone)} has a zone, {cells[without]!r} {place(without)} has none"
        raise ValueError(f"types: {name!r} cannot be 'time': {reason}; write all with one, or none")


def _impossible(name: str, kind: str, where: str, cell: str) -> ValueError:
    remedy = {
        "whole": "a whole number has digits only, and fits 64 bits",
        "number": "a number is written like 1.5 or 2e-3",
        "time": "a time is written like 2020-01-31 or 2020-01-31T08:30:00+01:00, and must exist",
        "boolean": "a boolean is True or False, yes or no, 1 or 0",
    }[kind]
    return ValueError(f"types: {name!r} cannot be {kind!r}: {cell!r} {where} is none; {remedy}")


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
    return len(text) < 19 or (len(text) <= 20 and int(text) in _INT64)


def _all_match(found: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    # A few first: most columns of text are found out by them.
    few = pc.all(pc.match_substring_regex(found.slice(0, 100), pattern)).as_py()
    return bool(few and pc.all(pc.match_substring_regex(found, pattern)).as_py())


def _column(texts: Any, values: pd.Series[Any], read_as: str, *, gives_back: bool) -> Column:
    import pyarrow.compute as pc

    if gives_back and pc.all(pc.equal(texts, pc.utf8_trim_whitespace(texts))).as_py() is not False:
        return Column(values, read_as)
    return Column(values, read_as, _strings(texts, texts))


def _strings(texts: Any, stripped: Any) -> pd.Series[Any]:
    """Texts as they are written, missing where there is nothing but white space."""
    import pandas as pd
    import pyarrow.compute as pc

    return pd.Series(pc.if_else(pc.is_valid(stripped), texts, None).to_pylist())


def _floats(numbers: list[float | None]) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(numbers, dtype="float64")


def _with_gaps(values: list[Any], dtype: str) -> pd.Series[Any]:
    """Of NumPy's type, or of pandas' type of the same name that can miss values where some are missing."""
    import pandas as pd

    nullable = {"int64": "Int64", "bool": "boolean"}[dtype]
    return pd.Series(values, dtype=nullable if None in values else dtype)


def _to_times(texts: Any, zoned: bool) -> pd.Series[Any]:
    import pandas as pd

    cells = texts if isinstance(texts, list) else texts.to_pylist()
    return pd.Series(pd.to_datetime(pd.Series(cells, dtype=object), format="ISO8601", utc=zoned, errors="coerce"))
