"""The results of one block, as its owner writes them."""

from collections.abc import Collection

from toolkit.catalog.format.generations import RESULTS_BEFORE_STATUS, GenerationArrays, fields_of
from toolkit.catalog.format.layout import STATUS
from toolkit.catalog.format.results import empty_values


class BlockWriter:
    """The results of one block in the generation that its owner claimed. Keeps the block in memory; flushes it whole.

    Parameters
    ----------
    arrays : GenerationArrays
        The generation, created.
    rows : slice
        The block's rows.
    n_classes : int
        Number of classes.
    options : collection of str
        Names of the optional fields that the arrays were created with, and others.
    """

    def __init__(self, arrays: GenerationArrays, rows: slice, n_classes: int, options: Collection[str] = ()) -> None:
        self._arrays = arrays
        self._rows = rows
        fields = [field.name for field in fields_of(options)]
        self._values = empty_values(rows.stop - rows.start, n_classes, fields)
        self._dirty = False

    def set(self, row: int, **values: object) -> None:
        """Note the result of a row (of the table): values by field name, status among them."""
        unknown = set(values) - set(self._values)
        if unknown:
            raise KeyError(f"no such result fields: {sorted(unknown)}")
        for name, value in values.items():
            self._values[name][row - self._rows.start] = value
        self._dirty = True

    def flush(self) -> None:
        """Write what was noted since the last flush: results first, status last."""
        if self._dirty:
            for field in (*RESULTS_BEFORE_STATUS, STATUS):
                if field.name in self._values:
                    self._arrays.write(field, self._rows, self._values[field.name])
            self._dirty = False
