"""The results of one block, as its owner writes them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from toolkit.catalog.format.generations import RESULTS_BEFORE_STATUS, GenerationArrays, fields_of
from toolkit.catalog.format.layout import STATUS
from toolkit.catalog.format.results import empty_values


class BlockWriter:
    """The results of one block in the generation that its owner claimed. Keeps the block in memory.

    The first flush writes the whole block, each later one the chunks in which something was noted since: chunks are
    written whole, and only by the block's owner.

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
        self._block = arrays.block_of(rows.start)
        fields = fields_of(options)
        self._fields = [field for field in (*RESULTS_BEFORE_STATUS, STATUS) if field in fields]
        self._values = empty_values(rows.stop - rows.start, n_classes, [field.name for field in fields])
        self._noted: dict[str, set[int]] = defaultdict(set)
        """Positions in the block at which a field was noted since the last flush."""

    def set(self, row: int, **values: object) -> None:
        """Note the result of a row (of the table): values by field name, status among them."""
        unknown = set(values) - set(self._values)
        if unknown:
            raise KeyError(f"no such result fields: {sorted(unknown)}")
        for name, value in values.items():
            self._values[name][row - self._rows.start] = value
            self._noted[name].add(row - self._rows.start)

    def flush(self) -> None:
        """Write what was noted since the last flush: results first, status last."""
        if not self._noted:
            return
        # Also where somebody took this owner for dead and had the block forgotten.
        is_written = self._arrays.is_written(self._block)
        for field in self._fields:
            positions = self._noted[field.name] if is_written else range(len(self._values[field.name]))
            for begin, end in _chunks(positions, self._arrays.rows_per_chunk(field)):
                rows = slice(self._rows.start + begin, min(self._rows.start + end, self._rows.stop))
                self._arrays.write(field, rows, self._values[field.name][begin:end])
        self._noted.clear()


def _chunks(positions: Iterable[int], size: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the chunks that hold some positions, neighbours together."""
    begin = end = 0
    for chunk in sorted({position // size for position in positions}):
        if chunk * size != end:
            if end > begin:
                yield begin, end
            begin = chunk * size
        end = (chunk + 1) * size
    if end > begin:
        yield begin, end
