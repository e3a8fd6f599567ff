"""The arrays that the owners of one generation write, each the chunks of its own blocks."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.errors import ArrayNotFoundError, ContainsArrayError, ContainsGroupError

from toolkit.catalog.errors import naming_damage
from toolkit.catalog.format.layout import LARGEST_ORDINARY_BLOCK, RESULT_FIELDS, STATUS, ResultField, generation_path
from toolkit.catalog.format.tables import ImageTable
from toolkit.catalog.store.objects import (
    CHECKED_COMPRESSION,
    WRITE_ALL,
    exists,
    is_number,
    keys,
    numbers,
    remove,
)

RESULTS_BEFORE_STATUS = [field for field in RESULT_FIELDS if field is not STATUS]
"""The fields that are written before the status."""


def fields_of(options: Collection[str]) -> list[ResultField]:
    """The fields that a run of these options has."""
    return [field for field in RESULT_FIELDS if not field.optional or field.name in options]


def rows_per_chunk(table: ImageTable) -> int:
    """Rows of a chunk of a field per class: a part of a large block, so that a flush need not write the whole of it."""
    return LARGEST_ORDINARY_BLOCK if table.block_size % LARGEST_ORDINARY_BLOCK == 0 else table.block_size


class GenerationArrays:
    """The arrays of one generation of a run over a table of images."""

    def __init__(self, store: Store, run_id: str, table: ImageTable, generation: int) -> None:
        self._store = store
        self._path = generation_path(run_id, table.number, generation)
        self._table = table
        self._opened: dict[str, zarr.Array[Any]] = {}

    def create(
        self, class_names: Sequence[str], options: Collection[str] = (), *, in_whole_blocks: bool = False
    ) -> None:
        """Preallocate what does not exist yet, optional fields where the run's options have their names. Every owner of
        a block in this generation does so, all alike.

        Older versions made all chunks ``in_whole_blocks``, also those of many rows and classes.
        """
        with contextlib.suppress(ContainsGroupError):
            zarr.create_group(self._store, path=self._path, zarr_format=3)
        group = zarr.open_group(self._store, path=self._path, mode="r+")
        for field in fields_of(options):
            per_class = (len(class_names),) if field.per_class else ()
            parted = field.per_class and not in_whole_blocks
            rows = rows_per_chunk(self._table) if parted else self._table.block_size
            with contextlib.suppress(ContainsArrayError):
                group.create_array(
                    field.name,
                    shape=(self._table.n_images, *per_class),
                    chunks=(rows, *per_class),
                    dtype=field.dtype,
                    fill_value=field.fill_value,
                    compressors=CHECKED_COMPRESSION,
                    config=WRITE_ALL,
                    dimension_names=("image", "class_name") if field.per_class else ("image",),
                )
        with contextlib.suppress(ContainsArrayError):
            text = np.array(class_names, dtype=np.dtypes.StringDType())
            group.create_array("class_name", data=text, dimension_names=("class_name",))

    def exists(self) -> bool:
        """Whether the generation was created completely, as one was in which a block has a status."""
        return exists(self._store, f"{self._path}/class_name/zarr.json") or bool(self.written_blocks())

    def written_blocks(self) -> list[int]:
        """The blocks that have a status in this generation, in order."""
        found = numbers(self._store, f"{self._path}/{STATUS.name}/c")
        return [block for block in found if block < self._table.n_blocks]

    def blocks_of(self, field: ResultField) -> list[int]:
        """The blocks that have a chunk of a field, in order; slower than `written_blocks`, and of any field."""
        prefix = f"{self._path}/{field.name}/c/"
        found = (key.removeprefix(prefix).partition("/")[0] for key in keys(self._store, prefix))
        rows = self.rows_per_chunk(field)
        blocks = {int(name) * rows // self._table.block_size for name in found if is_number(name)}
        return sorted(block for block in blocks if block < self._table.n_blocks)

    def block_of(self, row: int) -> int:
        """The block that a row of the table lies in."""
        return row // self._table.block_size

    def is_written(self, block: int) -> bool:
        """Whether a block has a status in this generation."""
        return self.has_chunks(STATUS, block, all)

    def has_chunks(self, field: ResultField, block: int, how_many: Callable[[Iterable[bool]], bool]) -> bool:
        """Whether a block has any, or all, of its chunks of a field."""
        return how_many(exists(self._store, key) for key in self._chunks(field, block))

    def remove_block(self, block: int) -> None:
        """Forget what was written of a block, status first: its images are pending then."""
        for field in (STATUS, *RESULTS_BEFORE_STATUS):
            for key in self._chunks(field, block):
                remove(self._store, key)

    def rows_per_chunk(self, field: ResultField) -> int:
        """Rows of a chunk of a field: those of a block, or so many that a block has several chunks."""
        array = self._open(field)
        return self._table.block_size if array is None else array.chunks[0]

    def _chunks(self, field: ResultField, block: int) -> list[str]:
        rows, size = self._table.rows(block), self.rows_per_chunk(field)
        further = "/0" if field.per_class else ""
        return [f"{self._path}/{field.name}/c/{row // size}{further}" for row in range(rows.start, rows.stop, size)]

    def read(self, field: ResultField, rows: slice, blocks: Iterable[int] | None = None) -> np.ndarray:
        """The values of some rows of the table, or of those of them that lie in certain blocks, in order; the field's
        fill value elsewhere, and if the run has no such array."""
        array = self._open(field)
        with naming_damage(f"{self._path}/{field.name}"):
            if array is None:
                if not (field.optional or field.later):
                    raise ValueError("there is no such array")
                return np.full(rows.stop - rows.start, field.fill_value, field.dtype if field.later else None)
            if blocks is None:
                return np.asarray(array[rows])
            shape = (rows.stop - rows.start, *array.shape[1:])
            values = np.full(shape, field.fill_value, dtype=object if field.dtype is str else field.dtype)
            for part in _joined_rows(blocks, self._table, rows):
                values[part.start - rows.start : part.stop - rows.start] = array[part]
            return values

    def write(self, field: ResultField, rows: slice, values: np.ndarray) -> None:
        """Write the values of whole chunks of a block."""
        array = self._open(field)
        assert array is not None  # the owner has created it
        array[rows] = values

    def _open(self, field: ResultField) -> "zarr.Array[Any] | None":
        if field.name not in self._opened:
            path = f"{self._path}/{field.name}"
            mode: Literal["r", "r+"] = "r" if self._store.read_only else "r+"
            with naming_damage(path):
                try:
                    array = zarr.open_array(self._store, path=path, mode=mode, zarr_format=3)
                    self._opened[field.name] = array.with_config(WRITE_ALL)
                except ArrayNotFoundError:  # it may be mended meanwhile
                    return None
        return self._opened[field.name]


def _joined_rows(blocks: Iterable[int], table: ImageTable, rows: slice) -> Iterator[slice]:
    """The rows of some blocks, in order, within ``rows``; neighbours together."""
    begin = end = rows.start
    for block in blocks:
        of_block = table.rows(block)
        if of_block.start > end:
            if end > begin:
                yield slice(begin, end)
            begin = max(of_block.start, rows.start)
        end = min(max(of_block.stop, begin), rows.stop)
    if end > begin:
        yield slice(begin, end)
