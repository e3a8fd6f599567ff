"""The images of a catalog: tables that are written once and never change, each with its covariates.

A table is part of the catalog once it was committed: ``images/commits/<n>`` is created by put-if-absent and names it.
Who adds images first reserves a table number of his own, writes there what the first n commits do not have, and then
creates commit n. If somebody else did so meanwhile, he looks again at what is new. So no image is ever entered twice,
whoever adds at the same time or dies on the way, and nothing that is not whole is ever seen.

(On disk, and in what was stored early, a table of images is called a segment.)
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.abc.store import Store

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.changes import GIVEN, REMOVED, Changes, list_changes
from toolkit.catalog.format.columns import decode_column
from toolkit.catalog.format.kinds import Column
from toolkit.catalog.format.layout import (
    COMMIT_BEGINS,
    COMMITS,
    DIGITS,
    commit_path,
    reservation_path,
    table_path,
    written_path,
)
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.store.objects import (
    consecutive,
    exists,
    get_json,
    names,
    numbers,
    put_if_absent,
)

URI = "uri"
GIVEN_URI = "given_uri"


@dataclass(frozen=True)
class ImageTable:
    """Images that were added together; all arrays about them are sized by it."""

    number: int
    """Its number, which its paths in the store bear."""
    n_images: int
    """Rows in it."""
    block_size: int
    """Rows per block."""
    columns: tuple[str, ...] | None = field(default=None, compare=False)
    """Names of its covariates, in order; None if its commit does not say so."""
    written: tuple[str, ...] = field(default=(), compare=False)
    """Names of those whose texts are kept as they were written."""
    origin: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """Where it came from: ``base``, the folder that its relative paths start from, ``bases``, the same of covariates
    that came from elsewhere, and ``is_table``, whether a table named the images. None if an old version wrote it."""

    @property
    def has_given(self) -> bool:
        """Whether it has the URIs as a person wrote them."""
        return self.origin is not None

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n_images // self.block_size)

    @property
    def all_rows(self) -> slice:
        """All of its rows."""
        return slice(0, self.n_images)

    def rows(self, block: int) -> slice:
        """Rows of the table that a block covers."""
        return slice(block * self.block_size, min((block + 1) * self.block_size, self.n_images))

    def parts(self, n_rows: int) -> Iterator[slice]:
        """Its rows in parts of whole blocks, each of about ``n_rows`` rows, and at least a block."""
        step = max(-(-n_rows // self.block_size), 1) * self.block_size
        for start in range(0, self.n_images, step):
            yield slice(start, min(start + step, self.n_images))


class ImageTables(tuple[ImageTable, ...]):
    """The tables of a catalog, in the order of their images: which is row 5,000 of the catalog?

    Parameters
    ----------
    tables : iterable of ImageTable
        The tables.
    changes : Changes
        What became known of their images since they were added.
    """

    changes: Changes

    def __new__(cls, tables: Iterable[ImageTable] = (), changes: Changes | None = None) -> "ImageTables":
        made = super().__new__(cls, tables)
        made.changes = Changes() if changes is None else changes
        return made

    @property
    def n_images(self) -> int:
        """Number of images, those that are not shown among them."""
        return sum(table.n_images for table in self)

    def removed(self, table: ImageTable, rows: slice | None = None) -> npt.NDArray[np.bool_] | None:
        """Which rows of a table, or of some of its rows, are not shown; None if all are."""
        cells = self.changes.of(table.number, REMOVED)
        if not cells:
            return None
        removed = np.zeros(table.n_images, dtype=bool)
        for one in cells:
            removed[one.rows] = one.column.values
        removed = removed[rows or slice(None)]
        return removed if removed.any() else None

    @property
    def are_all_shown(self) -> bool:
        """Whether no image was removed."""
        return all(self.removed(table) is None for table in self)

    @property
    def shown(self) -> npt.NDArray[np.int64]:
        """Rows of the catalog that are shown, in order."""
        rows = [np.empty(0, dtype=np.int64)]
        for table, start in zip(self, self.starts, strict=True):
            removed = self.removed(table)
            of_table = np.arange(table.n_images) if removed is None else np.flatnonzero(~removed)
            rows.append(of_table + start)
        return np.concatenate(rows)

    @property
    def starts(self) -> list[int]:
        """Row in the catalog of each table's first image."""
        return [0, *accumulate(table.n_images for table in self)][:-1]

    def walk(self, rows: slice) -> Iterator[tuple[ImageTable, slice]]:
        """The tables that rows of the catalog lie in, each with its own rows.

        Parameters
        ----------
        rows : slice
            With start and stop, of which none is negative.
        """
        for table, start in zip(self, self.starts, strict=True):
            begin, end = max(rows.start - start, 0), min(rows.stop - start, table.n_images)
            if begin < end:
                yield table, slice(begin, end)


def reserve_table(store: Store, owner: Owner) -> int:
    """A table number that is the caller's alone."""
    while True:
        number = max(numbers(store, "claims/images", DIGITS), default=-1) + 1
        if put_if_absent(store, reservation_path(number), owner.to_json()):
            return number


def commit_table(store: Store, place: int, table: ImageTable) -> bool:
    """Make a table the catalog's at this place in their order; False if another one is that already."""
    return put_if_absent(store, commit_path(place), commit_of(store, table))


def commit_of(store: Store, table: ImageTable) -> bytes:
    """What the commit of a table says: its size, and which columns it has."""
    fields: dict[str, Any] = {"segment": table.number, "n_images": table.n_images, "block_size": table.block_size}
    fields["columns"] = sorted([*covariates_of(store, table), URI])
    if table.origin is not None:
        fields |= {"origin": dict(table.origin), "written": list(table.written)}
    return json.dumps({**fields, "checksum": _checksum(fields)}).encode()


def _checksum(fields: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())


def covariates_of(store: Store, table: ImageTable) -> tuple[str, ...]:
    """Names of the covariates of a table, in order: what its commit says, or which arrays lie there."""
    if table.columns is not None:
        return table.columns
    none = {URI, GIVEN_URI} if table.has_given else {URI}
    return tuple(name for name in arrays_below(store, table_path(table.number)) if name not in none)


def arrays_below(store: Store, path: str) -> list[str]:
    """Names of the arrays of a group, in order."""
    return [name for name in names(store, path) if exists(store, f"{path}/{name}/zarr.json")]


def list_tables(store: Store, known: ImageTables | None = None) -> ImageTables:
    """The catalog's tables, in the order of their images, and all changes; those known are not read again."""
    known = ImageTables() if known is None else known
    commits = list_commits(store)
    if commits != list(range(len(commits))):
        raise DamagedError(f"a commit is gone from {COMMITS} in the catalog; Catalog.verify() says which")
    new = [read_commit(store, place) for place in commits[len(known) :]]
    return ImageTables((*known[: len(commits)], *new), list_changes(store, known.changes))


def list_commits(store: Store) -> list[int]:
    """The places that have a commit, or what was one."""
    return consecutive(store, COMMITS, DIGITS, COMMIT_BEGINS)


def read_commit(store: Store, place: int) -> ImageTable:
    """The table that a commit names."""
    path = commit_path(place)
    with naming_damage(path):
        commit = get_json(store, path) or {}
        sizes = (commit["segment"], commit["n_images"], commit["block_size"])
        if not all(type(value) is int for value in sizes) or sizes[2] < 1:
            raise ValueError(f"no such table: {sizes}")
        checksum = commit.pop("checksum", None)  # version 0.1.0 wrote none, nor anything else than sizes and columns
        if checksum != _checksum(commit) and not (checksum is None and len(commit) == 4):
            raise ValueError("the checksum is that of something else")
        columns = tuple(sorted(set(commit["columns"]) - {URI}))
        return ImageTable(*sizes, columns, tuple(commit.get("written", ())), commit.get("origin"))


def read_uris(store: Store, table: ImageTable, rows: slice | None = None) -> np.ndarray:
    """URIs of a table's images, objects ``(n_images,)``; only of some rows if given."""
    return _read_texts(store, f"{table_path(table.number)}/{URI}", rows)


def read_given(
    store: Store, table: ImageTable, rows: slice | None = None, changes: Changes | None = None
) -> np.ndarray:
    """URIs of a table's images as a person wrote them, objects ``(n_images,)``; only of some rows if given.

    Of tables that do not have them: the path below the deepest folder that all have in common.
    """
    rows = table.all_rows if rows is None else rows
    if table.has_given:
        given = _read_texts(store, f"{table_path(table.number)}/{GIVEN_URI}", rows)
    else:
        given = below_common_folder(read_uris(store, table))[rows]
    for cells in () if changes is None else changes.of(table.number, GIVEN):
        within = (cells.rows >= rows.start) & (cells.rows < rows.stop)
        given[cells.rows[within] - rows.start] = cells.column.values[within]
    return given


def read_column(store: Store, table: ImageTable, name: str) -> Column:
    """A covariate of a table as it was entered; nothing but missing values if the table does not have it."""
    if name not in covariates_of(store, table):
        return Column.empty(table.n_images)
    path = f"{table_path(table.number)}/{name}"
    with naming_damage(path):
        array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
        values, attributes = np.asarray(array[:]), array.attrs.asdict()
    written = _read_texts(store, f"{written_path(table.number)}/{name}", None) if name in table.written else None
    return decode_column(values, attributes, written)


def read_known(store: Store, tables: ImageTables, name: str) -> tuple[list[npt.NDArray[np.int64]], list[Column]]:
    """A covariate of all images as it is known now, in parts of one kind: rows of the catalog, and their values.

    The rows of all parts together are those of the catalog, each once.
    """
    rows: list[npt.NDArray[np.int64]] = []
    columns: list[Column] = []
    for table, start in zip(tables, tables.starts, strict=True):
        changed = tables.changes.of(table.number, name)
        as_entered = np.ones(table.n_images, dtype=bool)
        for cells in changed:
            as_entered[cells.rows] = False
            rows.append(cells.rows + start)
            columns.append(cells.column)
        if as_entered.any():
            column = read_column(store, table, name)
            left = np.flatnonzero(as_entered)
            rows.append(left + start)
            columns.append(column.take(left) if changed else column)
    return rows, columns


def _read_texts(store: Store, path: str, rows: slice | None) -> np.ndarray:
    with naming_damage(path):
        array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
        return np.asarray(array[rows or slice(None)], dtype=object)


def below_common_folder(uris: np.ndarray) -> np.ndarray:
    """What of each URI comes after the deepest folder of all of them."""
    if not len(uris):
        return uris
    first, last = min(uris), max(uris)
    differ = [a != b for a, b in zip(first, last, strict=False)]
    n_same = first.rfind("/", 0, differ.index(True) if True in differ else len(differ)) + 1
    return np.array([uri[n_same:] or uri for uri in uris], dtype=object)
