"""The results of a run, merged over the generations of its blocks.

A row's result is that of the newest generation that holds it as done, else of the newest that holds it as failed. So a
result is never lost to a later attempt, and an owner that wakes up late changes nothing that a newer one wrote.
Readers load the status of every generation before any result; writers write it last: `done` always has its results.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from zarr.abc.store import Store

from toolkit.catalog.format.generations import RESULTS_BEFORE_STATUS, GenerationArrays
from toolkit.catalog.format.layout import DONE, FAILED, HIDDEN, RESULT_FIELDS, STATUS, STATUS_NAMES, generations_path
from toolkit.catalog.format.records import RunRecord, RunSettings
from toolkit.catalog.format.tables import ImageTable, ImageTables
from toolkit.catalog.store.objects import numbers

_MOST_KEPT = 256


@dataclass(frozen=True)
class Results:
    """Merged results of consecutive rows of a table of images."""

    values: dict[str, np.ndarray]
    """Array per field of `RESULT_FIELDS`; first axis the rows."""
    generation: np.ndarray
    """Generation that each row's result comes from; -1 for pending rows."""

    @property
    def status(self) -> np.ndarray:
        """Status number per row."""
        return self.values[STATUS.name]


@dataclass(frozen=True)
class RunResults:
    """What a run has found out, of all images of a catalog or some; read anew at every call."""

    store: Store
    """The catalog's store."""
    run_id: str
    """The run."""
    record: RunRecord
    """Its record, which never changes."""
    tables: ImageTables
    """The images, as they were listed once: somebody may be adding others."""
    _complete: dict[tuple[int, int], GenerationArrays] = field(default_factory=dict, repr=False, compare=False)
    """Arrays by table and generation; once they are there they stay."""

    @property
    def settings(self) -> RunSettings:
        """What decides its results."""
        return self.record.settings

    @property
    def n_classes(self) -> int:
        """Number of its classes."""
        return len(self.settings.class_names)

    def over(self, tables: ImageTables) -> "RunResults":
        """The same of other images."""
        return replace(self, tables=tables)

    def read(self, table: ImageTable, rows: slice | None = None, fields: Collection[str] | None = None) -> Results:
        """Merge the generations of some rows of a table.

        Parameters
        ----------
        table : ImageTable
            The images.
        rows : slice, optional
            Rows of the table, with start and stop; all if left out.
        fields : collection of str, optional
            Names of the fields to read besides the status; all but the optional ones if left out.

        Returns
        -------
        Results
            One entry per row.
        """
        rows = table.all_rows if rows is None else rows
        n_rows = rows.stop - rows.start
        generations = self._generations(table)
        few = n_rows <= table.block_size
        statuses = {
            generation: arrays.read(STATUS, rows, None if few else arrays.written_blocks())
            for generation, arrays in generations.items()
        }
        chosen = _choose_generations(statuses, n_rows)
        values = empty_values(n_rows, self.n_classes, fields)
        for generation, arrays in generations.items():
            taken = chosen == generation
            if taken.any():
                values[STATUS.name][taken] = statuses[generation][taken]
                blocks = np.unique((np.flatnonzero(taken) + rows.start) // table.block_size).tolist()
                for one in RESULTS_BEFORE_STATUS:
                    if one.name in values:
                        _take(values[one.name], taken, arrays.read(one, rows, blocks))
        removed = self.tables.removed(table, rows)
        if removed is not None:
            values[STATUS.name][removed], chosen[removed] = HIDDEN, -1
        return Results(values, chosen)

    def status(self, table: ImageTable, rows: slice | None = None) -> np.ndarray:
        """The status numbers of some rows of a table, uint8: those of `read`, in less time and memory.

        Here it does not matter which generation a row comes from.
        """
        rows = table.all_rows if rows is None else rows
        status = np.full(rows.stop - rows.start, STATUS.fill_value, dtype=STATUS.dtype)
        for arrays in self._generations(table).values():
            of_generation = arrays.read(STATUS, rows, arrays.written_blocks())
            status[of_generation == DONE] = DONE
            status[(of_generation == FAILED) & (status != DONE)] = FAILED
        removed = self.tables.removed(table, rows)
        if removed is not None:
            status[removed] = HIDDEN
        return status

    def read_all(self, fields: Collection[str]) -> dict[str, np.ndarray]:
        """Some fields and the status of all images."""
        parts = [empty_values(0, self.n_classes, fields)]
        parts += [self.read(table, fields=fields).values for table in self.tables]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def status_of_all(self) -> np.ndarray:
        """The status numbers of all images, uint8 ``(n_images,)``."""
        return np.concatenate([np.empty(0, STATUS.dtype), *map(self.status, self.tables)])

    def counts(self) -> np.ndarray:
        """How many images have each status, int64 by its number; holds the statuses of one table at a time."""
        return sum((count(self.status(table)) for table in self.tables), start=count(np.empty(0, STATUS.dtype)))

    def parts(self, n_rows: int) -> Iterator[tuple[int, ImageTable, slice]]:
        """All images in parts of whole blocks, each of about so many rows: first row in the catalog, table, rows."""
        for start, table in zip(self.tables.starts, self.tables, strict=True):
            for rows in table.parts(n_rows):
                yield start + rows.start, table, rows

    def _generations(self, table: ImageTable) -> dict[int, GenerationArrays]:
        """The complete generations of a table, oldest first."""
        found = {}
        for generation in numbers(self.store, generations_path(self.run_id, table.number)):
            arrays = self._complete.get((table.number, generation))
            if arrays is None:
                arrays = GenerationArrays(self.store, self.run_id, table, generation)
                if not arrays.exists():
                    continue
                if len(self._complete) >= _MOST_KEPT:
                    self._complete.clear()
                self._complete[table.number, generation] = arrays
            found[generation] = arrays
        return found


def count(status: np.ndarray) -> np.ndarray:
    """How often each status number occurs, int64; images that were removed do not count."""
    return np.bincount(status, minlength=HIDDEN + 1)[: len(STATUS_NAMES)]


def status_words(status: np.ndarray) -> np.ndarray:
    """Status numbers in words, objects."""
    return np.asarray(np.append(STATUS_NAMES, "removed")[np.minimum(status, len(STATUS_NAMES))])


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


def _take(values: np.ndarray, taken: np.ndarray, given: np.ndarray) -> None:
    """Overwrite the rows that are taken; without copies of them, which would be as large as all that is read."""
    np.copyto(values, given, where=taken.reshape(-1, *(1 for _ in values.shape[1:])))


def _choose_generations(statuses: dict[int, np.ndarray], n_rows: int) -> np.ndarray:
    """The generation that each row's result comes from, -1 if none has one."""
    chosen = np.full(n_rows, -1, dtype=np.int32)
    for wanted in (FAILED, DONE):  # what is done overrules what failed; newer overrules older
        for generation in sorted(statuses):
            chosen[statuses[generation] == wanted] = generation
    return chosen
