"""What kind the values of a covariate are, and what several kinds are together.

A covariate grows: by tables that come later, and by corrections. Its kind grows with it, and nothing is ever refused
for its kind: empty < boolean, whole < number < text, and empty < time < text. What is shown is of the least kind that
holds all values exactly. Numbers and times that become text are what was written for them, where that is known.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

LARGEST_WHOLE_FLOAT = 2**53
"""Up to here every whole number is a float."""

_WHOLE_FLOAT = re.compile(r"-?(0|[1-9]\d*)\.0")

Kind = Literal["empty", "boolean", "whole", "number", "time", "text"]


@dataclass(frozen=True, eq=False)
class Column:
    """Values of one covariate. What is missing is NaN, NaT or ``""``."""

    values: np.ndarray
    """Booleans, numbers, times in microseconds, or texts as objects."""
    kind: Kind
    """What they are. Whole numbers and booleans of which some are missing are kept as floats."""
    written: np.ndarray | None = None
    """What was written for each, ``""`` where the value says that; None where all of them do."""

    @classmethod
    def of(cls, values: np.ndarray, kind: str | None = None, written: np.ndarray | None = None) -> "Column":
        """A column of these values, whose kind is told by them where it is not given."""
        if is_missing(values).all():
            kind = "empty"
        elif values.dtype.kind in "OM":
            kind = "text" if values.dtype.kind == "O" else "time"
        elif kind not in ("boolean", "whole"):
            kind = {"b": "boolean", "i": "whole", "u": "whole"}.get(values.dtype.kind, "number")
        if written is not None and not (written != "").any():
            written = None
        return cls(values, kind, written)  # type: ignore[arg-type]

    @classmethod
    def empty(cls, n_rows: int) -> "Column":
        """A column of nothing but missing values."""
        return cls(np.full(n_rows, np.nan), "empty")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which values are missing."""
        return is_missing(self.values)

    def take(self, positions: npt.NDArray[Any]) -> "Column":
        """Some of the values; their kind is told anew only if none is left."""
        written = None if self.written is None else self.written[positions]
        return Column.of(self.values[positions], self.kind, written)

    def texts(self) -> np.ndarray:
        """The values as texts: as they were written, or as they are written usually."""
        texts = _texts(self.values, self.kind)
        texts[self.missing] = ""
        return texts if self.written is None else np.where(self.written != "", self.written, texts)


def is_missing(values: np.ndarray) -> npt.NDArray[np.bool_]:
    """Which values are NaN, NaT or ``""``."""
    if values.dtype.kind == "O":
        return np.asarray(values == "", dtype=bool)
    if values.dtype.kind in "fcmM":
        return np.asarray(np.isnat(values) if values.dtype.kind in "mM" else np.isnan(values))
    return np.zeros(len(values), dtype=bool)


def join_columns(columns: Sequence[Column]) -> Column:
    """Several columns one below the other, as one of the least kind that holds them all."""
    known = [column for column in columns if column.kind != "empty"]
    kinds = {column.kind for column in known}
    written = join_written(columns)
    if kinds and kinds <= {"boolean", "whole", "number"}:
        numbers = _join_numbers(columns, known)
        if numbers is not None:
            joined = kinds.pop() if len(kinds) == 1 else "number"
            return Column.of(numbers, joined, written)
        kinds = {"text"}
    if not known:  # of the type that they have, if it is one
        types = {column.values.dtype for column in columns if len(column)}
        if len(types) == 1:
            return Column.of(np.concatenate([column.values for column in columns if len(column)]))
        return Column.empty(sum(map(len, columns)))
    if kinds == {"time"}:
        times = [c.values if c.kind == "time" else np.full(len(c), "NaT", "datetime64[us]") for c in columns]
        return Column.of(np.concatenate(times).astype("datetime64[us]"), "time", written)
    texts = [c.texts() if c.kind != "empty" else np.full(len(c), "", dtype=object) for c in columns]
    return Column.of(np.concatenate(texts), "text", written)


def join_written(columns: Sequence[Column]) -> np.ndarray | None:
    """What was written for the values of several columns; None if that is known of none."""
    if all(column.written is None for column in columns):
        return None
    return np.concatenate([np.full(len(c), "", dtype=object) if c.written is None else c.written for c in columns])


def differing(known: Column, given: Column) -> npt.NDArray[np.bool_]:
    """Which of the values given are there, and are not those known; rows correspond."""
    joined = join_columns([known, given]).values
    before, after = joined[: len(known)], joined[len(known) :]
    differ = np.asarray((before != after) & ~is_missing(after))
    if differ.any() and joined.dtype == object:  # 3 and 3.0 are one number, however a table came by its type
        differ &= _without_fraction(before) != _without_fraction(after)
    return differ


def _join_numbers(columns: Sequence[Column], known: Sequence[Column]) -> np.ndarray | None:
    """Numbers of the least type that holds all exactly; None if there is none."""
    arrays = [column.values for column in known]
    gaps = len(known) < sum(len(column) > 0 for column in columns) or any(column.missing.any() for column in known)
    dtype = np.result_type(*arrays)
    if gaps and dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    elif dtype.kind == "f" and all(array.dtype.kind in "iu" for array in arrays):  # int64 and uint64
        if any(int(array.max()) >= 2**63 for array in arrays):
            return None
        dtype = np.dtype(np.int64)
    if dtype.kind == "f" and any(_exceeds(array, dtype) for array in arrays):
        return None
    full = [c.values.astype(dtype) if c.kind != "empty" else np.full(len(c), np.nan) for c in columns if len(c)]
    return np.concatenate(full).astype(dtype)


def _exceeds(values: np.ndarray, dtype: np.dtype[Any]) -> bool:
    """Whether some whole numbers are none as floats."""
    if values.dtype.kind not in "iu" or not values.size:
        return False
    most = 2 ** (np.finfo(dtype).nmant + 1)
    return bool(int(values.max()) > most or int(values.min()) < -most)


def _without_fraction(texts: np.ndarray) -> np.ndarray:
    return np.array([text[:-2] if _WHOLE_FLOAT.fullmatch(text) else text for text in texts.tolist()], dtype=object)


def _texts(values: np.ndarray, kind: Kind) -> np.ndarray:
    if values.dtype.kind == "O":
        return values.copy()
    known = ~is_missing(values)
    texts = np.full(len(values), "", dtype=object)
    some: list[Any]
    if kind == "time":
        times = pd.DatetimeIndex(values[known])
        days = bool((times == times.normalize()).all())
        some = [time.date().isoformat() if days else time.isoformat() for time in times]
    elif kind in ("boolean", "whole"):
        as_type = np.bool_ if kind == "boolean" else np.int64 if values.dtype.kind == "f" else values.dtype
        some = list(map(str, values[known].astype(as_type).tolist()))
    else:
        some = list(map(str, values[known]))  # of its own type, so that 0.1 of a float32 stays that
    texts[known] = some
    return texts
