"""Images come into a catalog: those that it does not know as a table, and what is new of the others as a change."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.catalog.contents import Contents
from toolkit.catalog.format.changes import GIVEN, REMOVED, Cells, Change, commit_change
from toolkit.catalog.format.entering import NewImages, write_table
from toolkit.catalog.format.kinds import Column, differing
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.tables import (
    ImageTable,
    ImageTables,
    commit_table,
    read_given,
    read_uris,
    reserve_table,
)
from toolkit.catalog.reading.covariates import read_covariate

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Addition:
    """What came into a catalog by one call of `Catalog.add`."""

    images: int
    """How many images it did not know."""
    values: int = 0
    """How many values of the others it did not know, or knew otherwise."""
    restored: int = 0
    """How many images are shown again that had been removed."""
    hidden: int = 0
    """How many of the images are removed, and stay so."""
    kept: int = 0
    """How many values that are known are missing here: they stay as they were."""
    others: int = 0
    """How many images that the catalog shows are not among these: they stay, too."""

    def __str__(self) -> str:
        parts = [f"{_counted(self.images, 'image')} added"]
        if self.values:
            parts.append(
                f"{_counted(self.values, 'value')} of known images changed (Catalog.history() has the older ones)"
            )
        if self.kept:
            parts.append(
                f"{_counted(self.kept, 'value')} that the table leaves empty kept as known "
                "(Catalog.add(table, erase=[column]) takes them away)"
            )
        if self.others:
            parts.append(
                f"{_counted(self.others, 'image')} of the catalog not among these kept (Catalog.remove takes them out)"
            )
        if self.restored:
            parts.append(f"{_counted(self.restored, 'removed image')} shown again")
        if self.hidden:
            parts.append(f"{_counted(self.hidden, 'image')} of these stay removed until Catalog.restore")
        return ", ".join(parts)


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def add_images(
    contents: Contents,
    images: NewImages,
    block_size: int | None = None,
    *,
    erase: Collection[str] = (),
    restore: bool = True,
) -> Addition:
    """Add the images that a catalog lacks, and what is new of the others, whoever else adds some meanwhile.

    Parameters
    ----------
    contents : Contents
        The catalog's.
    images : NewImages
        The images.
    block_size : int or None
        Rows per block of a new table.
    erase : collection of str
        The covariates of which a missing value takes away what is known.
    restore : bool
        Whether images that were removed are shown again.
    """
    store = contents.store
    positions = {uri: position for position, uri in enumerate(images.uris)}
    known: dict[ImageTable, tuple[Rows, Rows]] = {}
    number: int | None = None
    added = 0
    while True:
        tables = contents.tables()
        for table in tables[len(known) :]:
            known[table] = _take_known(contents, table, positions)
        new = sorted(positions.values())
        if not new:
            break
        number = reserve_table(store, Owner()) if number is None else number
        written = write_table(store, number, images.take(new), block_size)
        if commit_table(store, len(known), written):
            added = len(new)
            break
    while True:
        tables = contents.tables()
        cells = list(_changes(contents, tables, known, images, erase, restore=restore))
        if not cells or commit_change(store, tables.changes, Change(tuple(cells))):
            break
    n_kept = sum(_n_kept(contents, tables, table, *rows, images, erase) for table, rows in known.items())
    n_values = sum(len(one.rows) for one in cells if not one.name.startswith("/"))
    n_restored = sum(len(one.rows) for one in cells if one.name == REMOVED)
    hidden = 0 if restore else sum(_n_removed(tables, table, rows) for table, (rows, _) in known.items())
    n_shown = len(contents.tables().shown)
    others = max(n_shown - len(images.uris) + hidden, 0)
    return Addition(added, n_values, n_restored, hidden, n_kept, others)


def _take_known(contents: Contents, table: ImageTable, positions: dict[str, int]) -> tuple[Rows, Rows]:
    """Take the images out of ``positions`` that a table holds: their rows there, and the positions."""
    uris = read_uris(contents.store, table)
    rows = [row for row, uri in enumerate(uris) if uri in positions]
    return np.array(rows, dtype=np.int64), np.array([positions.pop(uris[row]) for row in rows], dtype=np.int64)


def _changes(
    contents: Contents,
    tables: ImageTables,
    known: dict[ImageTable, tuple[Rows, Rows]],
    images: NewImages,
    erase: Collection[str],
    *,
    restore: bool,
) -> Iterator[Cells]:
    """What the images' rows have that is not known of them."""
    for table, (rows, positions) in known.items():
        if not rows.size:
            continue
        alone = ImageTables((table,), tables.changes)
        for name, column in images.columns.items():
            whole = read_covariate(contents.store, alone, name)
            before, given = whole.take(rows), column.take(positions)
            new = differing(before, given)
            if (new.any() or given.written is not None) and _is_better_told(whole, rows, given):
                new |= ~given.missing
            if name in erase:
                new |= given.missing & ~before.missing
            if new.any():
                yield Cells(table.number, name, rows[new], given.take(np.flatnonzero(new)), images.base_of(name))
        if images.is_table:
            yield from _given(contents, alone, table, rows, np.array(images.given, dtype=object)[positions])
        removed = alone.removed(table)
        if restore and removed is not None and removed[rows].any():
            again = rows[removed[rows]]
            yield Cells(table.number, REMOVED, again, Column.of(np.zeros(len(again), dtype=bool)))


def _is_better_told(whole: Column, rows: Rows, given: Column) -> bool:
    """Whether a column was text, and all that is known of it is now something else, such as numbers."""
    if whole.kind != "text" or given.kind in ("text", "empty"):
        return False
    stays = ~whole.missing
    stays[rows] &= given.missing
    return not stays.any()


def _n_kept(
    contents: Contents,
    tables: ImageTables,
    table: ImageTable,
    rows: Rows,
    positions: Rows,
    images: NewImages,
    erase: Collection[str],
) -> int:
    alone = ImageTables((table,), tables.changes)
    gaps = {name: column.take(positions).missing for name, column in images.columns.items() if name not in erase}
    return sum(
        int((~read_covariate(contents.store, alone, name).take(rows).missing & missing).sum())
        for name, missing in gaps.items()
        if missing.any()
    )


def _given(
    contents: Contents, tables: ImageTables, table: ImageTable, rows: Rows, given: np.ndarray
) -> Iterator[Cells]:
    """How a table writes the URIs of images that a folder or a list had named; what a table wrote first is kept."""
    if (table.origin or {}).get("is_table"):
        return
    open_still = np.ones(len(rows), dtype=bool)
    for cells in tables.changes.of(table.number, GIVEN):
        open_still &= ~np.isin(rows, cells.rows)
    if open_still.any():
        before = read_given(contents.store, table)[rows]
        new = open_still & (before != given)
        if new.any():
            yield Cells(table.number, GIVEN, rows[new], Column.of(given[new]))


def _n_removed(tables: ImageTables, table: ImageTable, rows: Rows) -> int:
    removed = tables.removed(table)
    return 0 if removed is None else int(removed[rows].sum())
