"""Texts as arrays that xarray, pandas and matplotlib all take.

Of the kinds of text that NumPy and pandas have, only fixed-width strings can do everything: Python objects cannot be
the axis of a plot, ``numpy.dtypes.StringDType`` knows no `where` and no `idxmax`, and pandas' own types can be neither
selected by, nor grouped by, nor stored.
"""

from collections.abc import Iterable, Sequence

import numpy as np

_MOST_BYTES = 2**28
_BYTES_PER_CHARACTER = 4


def as_text(texts: Iterable[str]) -> np.ndarray:
    """An array of texts: NumPy's fixed-width strings, or Python objects where those would not do.

    They lose a text's last characters if these are NUL, and take four bytes for every character of the longest text:
    more than 256 MiB are too many.
    """
    objects = np.array(texts if isinstance(texts, np.ndarray) else list(texts), dtype=object)
    width = width_of(objects)
    return objects.astype(f"<U{width}") if width is not None and _fits(objects.size, width) else objects


def as_words(vocabulary: Sequence[str] | np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The words of a vocabulary that stand at some positions, as `as_text` has them."""
    words = as_text(vocabulary)
    longest = words.dtype.itemsize // _BYTES_PER_CHARACTER
    return np.asarray((words if _fits(numbers.size, longest) else words.astype(object))[numbers])


def _fits(n_texts: int, width: int) -> bool:
    return n_texts * width * _BYTES_PER_CHARACTER <= _MOST_BYTES


def width_of(texts: np.ndarray) -> int | None:
    """Characters of the longest text, at least one; None if a fixed width would lose some of one."""
    if any(text.endswith("\0") for text in texts):
        return None
    return max(map(len, texts), default=1) or 1
