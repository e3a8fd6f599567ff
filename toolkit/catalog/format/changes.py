"""What became known of images after they were entered: corrections, further covariates, and which are not shown.

``images/changes/<n>`` is the n-th change, one object, created by put-if-absent and never changed. Who changes
something looks at the first n changes, finds out what differs from them, and creates change n; if somebody else did so
meanwhile, he looks again. So there is one order of changes, none is lost, and none is ever seen in part, whoever writes
at the same time or dies on the way. The newest value of an image is shown; the older ones stay where they are.

``images/folds/<n>`` is what all changes up to the n-th come to, so that nobody need read them all. It follows from the
changes, and is written after every eighth.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from zarr.abc.store import Store

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.kinds import Column, join_written
from toolkit.catalog.format.layout import CHANGE_BEGINS, CHANGES, DIGITS, FOLDS, change_path, fold_path
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.provenance import now
from toolkit.catalog.store.objects import consecutive, get, numbers, put, put_if_absent

REMOVED = "/removed"
"""Name of what is no covariate: whether an image is not shown any more."""
GIVEN = "/given_uri"
"""Name of what is no covariate: how a person wrote the image's URI."""

_CHANGES_PER_FOLD = 8


@dataclass(frozen=True, eq=False)
class Cells:
    """New values of a covariate, of some images of one table."""

    table: int
    """Number of the table of images."""
    name: str
    """Name of the covariate, or `REMOVED`, or `GIVEN`."""
    rows: npt.NDArray[np.int64]
    """Rows of the table, in order."""
    column: Column
    """Their values."""
    base: str = ""
    """Folder that relative paths among the values start from; empty if it is not known."""

    def without(self, rows: npt.NDArray[np.int64]) -> "Cells | None":
        """Those of other rows; None if there are none."""
        left = ~np.isin(self.rows, rows)
        if left.all():
            return self
        positions = np.flatnonzero(left)
        if not positions.size:
            return None
        return Cells(self.table, self.name, self.rows[positions], self.column.take(positions), self.base)


@dataclass(frozen=True, eq=False)
class Change:
    """What changed at once."""

    cells: tuple[Cells, ...]
    """The new values."""
    by: Owner = field(default_factory=Owner)
    """Who changed it."""
    at: str = field(default_factory=now)
    """When, ISO 8601, UTC."""


@dataclass(frozen=True, eq=False)
class Changes:
    """What the first changes of a catalog come to."""

    n: int = 0
    """How many they are."""
    cells: Mapping[tuple[int, str], tuple[Cells, ...]] = field(default_factory=dict)
    """The newest values by table and name; of each row once."""

    def of(self, table: int, name: str) -> tuple[Cells, ...]:
        """The newest values of a covariate in a table."""
        return self.cells.get((table, name), ())

    def names(self, table: int) -> list[str]:
        """The covariates of a table that were changed, in order."""
        return sorted(name for number, name in self.cells if number == table and not name.startswith("/"))

    def after(self, change: Change) -> "Changes":
        """What these and a further change come to."""
        cells = dict(self.cells)
        for new in change.cells:
            older = (one.without(new.rows) for one in cells.get((new.table, new.name), ()))
            cells[new.table, new.name] = _joined([*(one for one in older if one is not None), new])
        return Changes(self.n + 1, cells)


def list_changes(store: Store, known: Changes) -> Changes:
    """What all changes come to that there are now; those known are not read again.

    Raises
    ------
    DamagedError
        One is gone, or cannot be read.
    """
    n = max(change_numbers(store), default=-1) + 1
    if n <= known.n:
        return known
    for number in reversed(numbers(store, FOLDS, DIGITS)):
        if known.n <= number < n:
            try:
                known = read_fold(store, number)
            except DamagedError:  # it follows from the changes; `verify` removes it
                continue
            break
    for number in range(known.n, n):
        known = known.after(read_change(store, number))
    return known


def change_numbers(store: Store) -> list[int]:
    """The numbers of all changes, and of what was one."""
    return consecutive(store, CHANGES, DIGITS, CHANGE_BEGINS)


def commit_change(store: Store, known: Changes, change: Change) -> bool:
    """Make a change the one that follows those known; False if there is another one already."""
    if not put_if_absent(store, change_path(known.n), _packed({**_described(change.cells), **_by(change)})):
        return False
    if (known.n + 1) % _CHANGES_PER_FOLD == 0:
        write_fold(store, known.after(change))
    return True


def read_change(store: Store, number: int) -> Change:
    """The change of a number, counted from 0."""
    path = change_path(number)
    with naming_damage(path):
        fields = _unpacked(store, path)
        return Change(_cells(fields), Owner(**fields["by"]), fields["at"])


def write_fold(store: Store, changes: Changes) -> None:
    """Write what the first changes come to; the same whoever does so."""
    cells = [cells for _, group in sorted(changes.cells.items()) for cells in group]
    put(store, fold_path(changes.n - 1), _packed(_described(cells)))


def read_fold(store: Store, number: int) -> Changes:
    """What the changes up to the one of this number come to."""
    path = fold_path(number)
    with naming_damage(path):
        cells: dict[tuple[int, str], tuple[Cells, ...]] = {}
        for one in _cells(_unpacked(store, path)):
            cells[one.table, one.name] = (*cells.get((one.table, one.name), ()), one)
        return Changes(number + 1, cells)


def write_empty_change(store: Store, number: int) -> None:
    """Put a change of nothing in the place of one that was lost."""
    put(store, change_path(number), _packed({**_described([]), **_by(Change(()))}))


def _joined(cells: list[Cells]) -> tuple[Cells, ...]:
    """Values of different rows; those of one type as one."""
    groups: dict[tuple[str, str, str], list[Cells]] = {}
    for one in cells:
        groups.setdefault((one.column.kind, one.column.values.dtype.str, one.base), []).append(one)
    return tuple(group[0] if len(group) == 1 else _concatenated(group) for group in groups.values())


def _concatenated(group: list[Cells]) -> Cells:
    rows = np.concatenate([one.rows for one in group])
    order = np.argsort(rows)
    first = group[0]
    values = np.concatenate([one.column.values for one in group])[order]
    written = join_written([one.column for one in group])
    column = Column.of(values, first.column.kind, None if written is None else written[order])
    return Cells(first.table, first.name, rows[order], column, first.base)


# One object: JSON, compressed with a checksum.


def _packed(fields: dict[str, Any]) -> bytes:
    return gzip.compress(json.dumps(fields).encode(), compresslevel=3, mtime=0)


def _unpacked(store: Store, path: str) -> dict[str, Any]:
    content = get(store, path)
    if content is None:
        raise ValueError("it is gone")
    try:
        return dict(json.loads(gzip.decompress(content)))
    except (OSError, EOFError) as error:
        raise ValueError(str(error)) from error


def _by(change: Change) -> dict[str, Any]:
    return {"by": asdict(change.by), "at": change.at}


def _described(cells: Iterable[Cells]) -> dict[str, Any]:
    return {"cells": [_cells_to_json(one) for one in cells]}


def _cells(fields: dict[str, Any]) -> tuple[Cells, ...]:
    return tuple(_cells_from_json(one) for one in fields["cells"])


def _cells_to_json(cells: Cells) -> dict[str, Any]:
    column = cells.column
    if column.values.dtype.kind == "c":  # which JSON does not know
        column = Column.of(column.texts())
    values = column.values.astype(np.int64) if column.values.dtype.kind == "M" else column.values
    listed: list[Any] = values.tolist()
    if column.values.dtype.kind in "fM":
        listed = [None if missing else value for value, missing in zip(listed, column.missing.tolist(), strict=True)]
    fields = {
        "segment": cells.table,
        "column": cells.name,
        "kind": column.kind,
        "type": {"O": "text", "M": "datetime64[us]"}.get(column.values.dtype.kind, column.values.dtype.name),
        "rows": _ranges(cells.rows),
        "values": listed,
    }
    further = {"base": cells.base, "written": None if column.written is None else column.written.tolist()}
    return fields | {name: value for name, value in further.items() if value}


def _cells_from_json(fields: dict[str, Any]) -> Cells:
    listed, kind = fields["values"], fields["type"]
    if kind == "text":
        values = np.array(listed, dtype=object)
    elif kind == "datetime64[us]":
        values = np.array(["NaT" if one is None else one for one in listed], dtype=kind)
    else:
        values = np.array([np.nan if one is None else one for one in listed], dtype=kind)
    written = fields.get("written")
    texts = None if written is None else np.array(written, dtype=object)
    rows = np.concatenate([np.arange(start, stop) for start, stop in fields["rows"]]).astype(np.int64)
    if len(rows) != len(values):
        raise ValueError(f"{len(values)} values of {len(rows)} rows")
    return Cells(
        fields["segment"], fields["column"], rows, Column.of(values, fields["kind"], texts), fields.get("base", "")
    )


def _ranges(rows: npt.NDArray[np.int64]) -> list[list[int]]:
    """Begin and end of the runs of consecutive rows."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    starts, stops = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(rows)]])
    return [[int(rows[a]), int(rows[b - 1]) + 1] for a, b in zip(starts, stops, strict=True)]
