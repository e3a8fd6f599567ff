"""Arrays over all images that are read when they are needed, some blocks of rows at a time.

The compositions of millions of images do not fit into memory at once; what people ask of them (a mean, some rows) does
not need them there. What is small beside them is read at once, since xarray groups and selects only by what it has in
memory. Each array here is a dask array whose chunks end where blocks or tables end, and a chunk is read from
the store when it is computed, and not before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from toolkit.catalog.format.tables import ImageTable, ImageTables

LAZY_FROM = 2**28
"""Bytes of compositions from which on these are read lazily unless the caller says otherwise: 256 MiB."""
LAZY_TEXTS_FROM = 5_000_000
"""Number of images from which on URIs and engines are read lazily, too, if compositions are."""

_MOST_CHUNKS = 512
_BYTES_PER_CHUNK = 2**24

ReadRows = Callable[[ImageTable, slice], np.ndarray]
"""Reads some rows of a table of images; the first axis of the answer is these rows."""


@dataclass(frozen=True)
class RowsOfTables:
    """Looks like an array over all images; indexing it reads the rows asked for."""

    read: ReadRows
    """Reads rows of one table."""
    tables: ImageTables
    """The tables, in the order of their images."""
    dtype: np.dtype[Any]
    """Type of what ``read`` answers."""
    columns: tuple[int, ...] = ()
    """Its further axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, and the further axes."""
        return (self.tables.n_images, *self.columns)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 1 + len(self.columns)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Rows by a slice or a whole number, the further axes by whatever NumPy takes."""
        first, *further = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            wanted = range(self.shape[0])[first]
            span = wanted if wanted.step > 0 else wanted[::-1]
            rows = self._rows(span[0], span[-1] + 1) if span else np.empty((0, *self.columns), self.dtype)
            return np.asarray(rows[(slice(None, None, wanted.step), *further)])
        row = range(self.shape[0])[first]
        return np.asarray(self._rows(row, row + 1)[(0, *further)])

    def _rows(self, start: int, stop: int) -> np.ndarray:
        parts = [self.read(table, rows) for table, rows in self.tables.walk(slice(start, stop))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def over_images(
    read: ReadRows, tables: ImageTables, dtype: npt.DTypeLike, chunks: tuple[int, ...], n_columns: int = 0
) -> da.Array:
    """A dask array over all images.

    Parameters
    ----------
    read : callable
        Reads some rows of a table of images.
    tables : ImageTables
        The tables, in the order of their images.
    dtype : numpy.dtype
        Type of what ``read`` answers.
    chunks : tuple of int
        Rows per chunk: see `chunks_of`.
    n_columns : int
        Length of the second axis; 0 if there is none.

    Returns
    -------
    dask.array.Array
        ``(image,)`` or ``(image, n_columns)``. Rows are read anew whenever they are computed.
    """
    columns = (n_columns,) if n_columns else ()
    rows = RowsOfTables(read, tables, np.dtype(dtype), columns)
    array: da.Array = da.from_array(  # type: ignore[no-untyped-call]
        rows,
        chunks=(chunks, *((number,) for number in rows.shape[1:])),
        name=False,  # never equal to an earlier one: the run may have gone on
        asarray=False,
        fancy=False,
        inline_array=True,
        meta=np.empty((0,) * rows.ndim, rows.dtype),
    )
    return array


def chunks_of(tables: ImageTables, bytes_per_row: int) -> tuple[int, ...]:
    """Rows per chunk, at least one chunk: whole blocks, or whole tables if these are small.

    About 16 MiB per chunk, and more where there would be more than 512 chunks otherwise.
    """
    wanted = max(_BYTES_PER_CHUNK // max(bytes_per_row, 1), -(-tables.n_images // _MOST_CHUNKS))
    chunks: list[int] = []
    room = 0
    for table in tables:
        if table.n_images <= room:  # small tables, as of images added a few at a time, share a chunk
            chunks[-1] += table.n_images
            room -= table.n_images
            continue
        sizes = [rows.stop - rows.start for rows in table.parts(wanted)]
        chunks += sizes
        room = wanted - sizes[-1]
    return tuple(chunks) or (0,)
