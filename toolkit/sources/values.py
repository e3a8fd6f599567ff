"""Columns of values in which what is missing stays missing, and the texts that they were written as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

INT64 = range(-(2**63), 2**63)
"""The whole numbers that 64 bits hold."""

IN_WORDS = {
    "text": "text",
    "whole": "whole numbers",
    "number": "numbers",
    "time": "times",
    "boolean": "booleans",
}
"""What a column can be, in words, by the word for it in ``types``."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it was read."""

    values: pd.Series[Any]
    """Missing where nothing was written."""
    read_as: str
    """What was decided, in words."""
    written: pd.Series[Any] | None = None
    """Texts as they were written, where the values do not give them back."""


def column_of(texts: Any, values: pd.Series[Any], read_as: str, *, gives_back: bool) -> Column:
    """A column of values from a `pyarrow.ChunkedArray` of texts, which it keeps unless the values give them back."""
    import pyarrow.compute as pc

    if gives_back and pc.all(pc.equal(texts, pc.utf8_trim_whitespace(texts))).as_py() is not False:
        return Column(values, read_as)
    return Column(values, read_as, strings(texts, texts))


def stripped_of(texts: Any) -> Any:
    """Texts without white space around them; null where nothing is left."""
    import pyarrow.compute as pc

    stripped = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def strings(texts: Any, stripped: Any) -> pd.Series[Any]:
    """Texts as they are written, missing where ``stripped`` is null."""
    import pandas as pd
    import pyarrow.compute as pc

    return pd.Series(pc.if_else(pc.is_valid(stripped), texts, None).to_pylist())


def floats(numbers: list[float | None]) -> pd.Series[Any]:
    """Numbers, NaN where they are missing."""
    import pandas as pd

    return pd.Series(numbers, dtype="float64")


def with_gaps(values: list[Any], dtype: str) -> pd.Series[Any]:
    """Values of ``"int64"`` or ``"bool"``; of pandas' type that can miss values where some are missing."""
    import pandas as pd

    nullable = {"int64": "Int64", "bool": "boolean"}[dtype]
    return pd.Series(values, dtype=nullable if None in values else dtype)


def times(texts: list[str | None], *, zoned: bool) -> pd.Series[Any]:
    """Times of texts in ISO 8601; NaT where they are missing or impossible. Those with zones are in UTC."""
    import pandas as pd

    cells = pd.Series(texts, dtype=object)
    return pd.Series(pd.to_datetime(cells, format="ISO8601", utc=zoned, errors="coerce"))
