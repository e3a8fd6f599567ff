"""The results of a run: written by the owner of each block, read by anyone, merged over generations.

A row's result is that of the newest generation that holds it as done, else of the newest that holds it as failed. So a
result is never lost to a later attempt, and an owner that wakes up late changes nothing that a newer one wrote.
Readers load the status of every generation before any result; writers write it last: `done` always has its results.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.errors import ArrayNotFoundError, ContainsArrayError, ContainsGroupError

from toolkit.catalog.errors import naming_damage
from toolkit.catalog.format.layout import (
    CHECKED_COMPRESSION,
    DONE,
    FAILED,
    RESULT_FIELDS,
    STATUS,
    WRITE_ALL,
    ResultField,
    generation_path,
    generations_path,
)
from toolkit.catalog.store.objects import exists, keys, names, numbers, remove, remove_all

_RESULTS_BEFORE_STATUS = [field for field in RESULT_FIELDS if field is not STATUS]


@dataclass(frozen=True)
class SegmentShape:
    """What the arrays of a segment are sized by."""

    segment: int
    """Number of the segment."""
    n_images: int
    """Rows in it."""
    block_size: int
    """Rows per block."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n_images // self.block_size)

    def rows(self, block: int) -> slice:
        """Rows of the segment that a block covers."""
        return slice(block * self.block_size, min((block + 1) * self.block_size, self.n_images))


def fields_of(options: Collection[str]) -> list[ResultField]:
    """The fields that a run of these options has."""
    return [field for field in RESULT_FIELDS if not field.optional or field.name in options]


class GenerationArrays:
    """The arrays of one generation of a run's segment.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The catalog's store.
    run_id : str
        The run.
    shape : SegmentShape
        The segment.
    generation : int
        The generation.
    """

    def __init__(self, store: Store, run_id: str, shape: SegmentShape, generation: int) -> None:
        self._store = store
        self._path = generation_path(run_id, shape.segment, generation)
        self._shape = shape
        self._opened: dict[str, zarr.Array[Any] | None] = {}

    def create(self, class_names: Sequence[str], options: Collection[str] = ()) -> None:
        """Preallocate what does not exist yet, optional fields where the run's options have their names. Every owner of
        a block in this generation does so, all alike."""
        with contextlib.suppress(ContainsGroupError):
            zarr.create_group(self._store, path=self._path)
        group = zarr.open_group(self._store, path=self._path, mode="r+")
        for field in fields_of(options):
            per_class = (len(class_names),) if field.per_class else ()
            with contextlib.suppress(ContainsArrayError):
                group.create_array(
                    field.name,
                    shape=(self._shape.n_images, *per_class),
                    chunks=(self._shape.block_size, *per_class),
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
        """Whether the generation was created completely."""
        return "class_name" in names(self._store, self._path)

    def written_blocks(self) -> list[int]:
        """The blocks that have a status in this generation, in order."""
        return numbers(self._store, f"{self._path}/{STATUS.name}/c")

    def blocks_of(self, field: ResultField) -> list[int]:
        """The blocks that have a chunk of a field, in order; slower than `written_blocks`, and of any field."""
        prefix = f"{self._path}/{field.name}/c/"
        found = (key.removeprefix(prefix).partition("/")[0] for key in keys(self._store, prefix))
        return sorted(int(name) for name in found if name.isdigit())

    def is_written(self, block: int) -> bool:
        """Whether a block has a status in this generation."""
        return self.has_chunk(STATUS, block)

    def has_chunk(self, field: ResultField, block: int) -> bool:
        """Whether a block has a chunk of a field."""
        return exists(self._store, f"{self._path}/{field.name}/c/{block}{'/0' if field.per_class else ''}")

    def remove_block(self, block: int) -> None:
        """Forget what was written of a block, status first: its images are pending then."""
        for field in (STATUS, *_RESULTS_BEFORE_STATUS):
            remove(self._store, f"{self._path}/{field.name}/c/{block}")
            remove_all(self._store, f"{self._path}/{field.name}/c/{block}")  # of a field per class

    def read(self, field: ResultField, rows: slice, blocks: Iterable[int] | None = None) -> np.ndarray:
        """The values of some rows of the segment, or of those of them that lie in certain blocks, in order; the field's
        fill value elsewhere, and if the run has no such array."""
        array = self._open(field)
        with naming_damage(f"{self._path}/{field.name}"):
            if array is None:
                if not field.optional:
                    raise ValueError("there is no such array")
                return np.full(rows.stop - rows.start, field.fill_value)
            if blocks is None:
                return np.asarray(array[rows])
            shape = (rows.stop - rows.start, *array.shape[1:])
            values = np.full(shape, field.fill_value, dtype=object if field.dtype is str else field.dtype)
            for part in _joined_rows(blocks, self._shape, rows):
                values[part.start - rows.start : part.stop - rows.start] = array[part]
            return values

    def write(self, field: ResultField, rows: slice, values: np.ndarray) -> None:
        """Write the values of a whole block."""
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
                except ArrayNotFoundError:
                    self._opened[field.name] = None
        return self._opened[field.name]


def _joined_rows(blocks: Iterable[int], shape: SegmentShape, rows: slice) -> Iterator[slice]:
    """The rows of some blocks, in order, within ``rows``; neighbours together."""
    begin = end = rows.start
    for block in blocks:
        of_block = shape.rows(block)
        if of_block.start > end:
            if end > begin:
                yield slice(begin, end)
            begin = max(of_block.start, rows.start)
        end = min(max(of_block.stop, begin), rows.stop)
    if end > begin:
        yield slice(begin, end)


@dataclass(frozen=True)
class Results:
    """Merged results of consecutive rows of a segment."""

    values: dict[str, np.ndarray]
    """Array per field of `RESULT_FIELDS`; first axis the rows."""
    generation: np.ndarray
    """Generation that each row's result comes from; -1 for pending rows."""

    @property
    def status(self) -> np.ndarray:
        """Status number per row."""
        return self.values[STATUS.name]


def empty_values(n_rows: int, n_classes: int, fields: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of every field that is not optional, or of the status and those named, before anything is written."""
    return {
        field.name: np.full(
            (n_rows, n_classes) if field.per_class else n_rows,
            field.fill_value,
            dtype=object if field.dtype is str else field.dtype,
        )
        for field in RESULT_FIELDS
        if (not field.optional if fields is None else field is STATUS or field.name in fields)
    }


def read_results(
    store: Store, run_id: str, shape: SegmentShape, n_classes: int, rows: slice, fields: Collection[str] | None = None
) -> Results:
    """Merge the generations of some rows of a segment.

    Parameters
    ----------
    store, run_id, shape
        As for `GenerationArrays`.
    n_classes : int
        Number of the run's classes.
    rows : slice
        Rows of the segment, with start and stop.
    fields : collection of str, optional
        Names of the fields to read besides the status; all but the optional ones if left out.

    Returns
    -------
    Results
        One entry per row.
    """
    generations = _generations(store, run_id, shape)
    few = rows.stop - rows.start <= shape.block_size
    statuses = {
        generation: arrays.read(STATUS, rows, None if few else arrays.written_blocks())
        for generation, arrays in generations.items()
    }
    n_rows = rows.stop - rows.start
    chosen = _choose_generations(statuses, n_rows)
    values = empty_values(n_rows, n_classes, fields)
    for generation, arrays in generations.items():
        taken = chosen == generation
        if taken.any():
            values[STATUS.name][taken] = statuses[generation][taken]
            blocks = np.unique((np.flatnonzero(taken) + rows.start) // shape.block_size).tolist()
            for field in _RESULTS_BEFORE_STATUS:
                if field.name in values:
                    _take(values[field.name], taken, arrays.read(field, rows, blocks))
    return Results(values, chosen)


def read_status(store: Store, run_id: str, shape: SegmentShape, rows: slice) -> np.ndarray:
    """The merged status of some rows of a segment, uint8: that of `read_results`, in less time and memory.

    Here it does not matter which generation a row comes from.
    """
    status = np.full(rows.stop - rows.start, STATUS.fill_value, dtype=STATUS.dtype)
    for arrays in _generations(store, run_id, shape).values():
        of_generation = arrays.read(STATUS, rows, arrays.written_blocks())
        status[of_generation == DONE] = DONE
        status[(of_generation == FAILED) & (status != DONE)] = FAILED
    return status


def _take(values: np.ndarray, taken: np.ndarray, given: np.ndarray) -> None:
    """Overwrite the rows that are taken; without copies of them, which would be as large as all that is read."""
    np.copyto(values, given, where=taken.reshape(-1, *(1 for _ in values.shape[1:])))


def _generations(store: Store, run_id: str, shape: SegmentShape) -> dict[int, GenerationArrays]:
    """The complete generations of a segment, oldest first."""
    generations = numbers(store, generations_path(run_id, shape.segment))
    arrays = {number: GenerationArrays(store, run_id, shape, number) for number in generations}
    return {number: generation for number, generation in arrays.items() if generation.exists()}


def _choose_generations(statuses: dict[int, np.ndarray], n_rows: int) -> np.ndarray:
    """The generation that each row's result comes from, -1 if none has one."""
    chosen = np.full(n_rows, -1, dtype=np.int32)
    for wanted in (FAILED, DONE):  # what is done overrules what failed; newer overrules older
        for generation in sorted(statuses):
            chosen[statuses[generation] == wanted] = generation
    return chosen


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
        """Note the result of a row (of the segment): values by field name, status among them."""
        unknown = set(values) - set(self._values)
        if unknown:
            raise KeyError(f"no such result fields: {sorted(unknown)}")
        for name, value in values.items():
            self._values[name][row - self._rows.start] = value
        self._dirty = True

    def flush(self) -> None:
        """Write what was noted since the last flush: results first, status last."""
        if self._dirty:
            for field in (*_RESULTS_BEFORE_STATUS, STATUS):
                if field.name in self._values:
                    self._arrays.write(field, self._rows, self._values[field.name])
            self._dirty = False
