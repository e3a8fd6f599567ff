"""The images of a catalog: tables that are written once and never change, each with its covariates.

A table is part of the catalog once it was committed: ``images/commits/<n>`` is created by put-if-absent and names it.
Who adds images first reserves a table number of his own, writes there what the first n commits do not have, and then
creates commit n. If somebody else did so meanwhile, he looks again at what is new. So no image is ever entered twice,
whoever adds at the same time or dies on the way, and nothing that is not whole is ever seen.

(On disk, and in what was stored early, a table of images is called a segment.)
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.abc.store import Store
from zarr.errors import ArrayNotFoundError

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.columns import decode, encode, to_array
from toolkit.catalog.format.layout import COMMITS, block_size_for, commit_path, reservation_path, table_path
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.store.objects import CHECKED_COMPRESSION, WRITE_ALL, get_json, names, numbers, put_if_absent


@dataclass(frozen=True)
class ImageTable:
    """Images that were added together; all arrays about them are sized by it."""

    number: int
    """Its number, which its paths in the store bear."""
    n_images: int
    """Rows in it."""
    block_size: int
    """Rows per block."""

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
    """The tables of a catalog, in the order of their images: which is row 5,000 of the catalog?"""

    __slots__ = ()

    @property
    def n_images(self) -> int:
        """Number of images."""
        return sum(table.n_images for table in self)

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
        number = max(numbers(store, "claims/images"), default=-1) + 1
        if put_if_absent(store, reservation_path(number), owner.to_json()):
            return number


def write_table(
    store: Store, number: int, uris: Sequence[str], covariates: pd.DataFrame, block_size: int | None
) -> ImageTable:
    """Write a table of images, which is not part of the catalog yet, over whatever lies at its reserved number.

    ``covariates`` has a row per URI, and a column per covariate, if any. ``block_size`` is rows per block, chosen by
    the number of images if None.
    """
    table = ImageTable(number, len(uris), block_size or block_size_for(len(uris)))
    group = zarr.open_group(store, path=table_path(number), mode="w", zarr_format=3)
    for name in ["uri", *covariates]:
        column = np.array(uris, dtype=object) if name == "uri" else to_array(covariates[name])
        values, attributes = encode(column)
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=(table.block_size,),
            dtype=values.dtype,
            compressors=CHECKED_COMPRESSION,
            dimension_names=("image",),
            config=WRITE_ALL,
        )
        array.attrs.put(attributes)
        array[:] = values
    return table


def commit_table(store: Store, place: int, table: ImageTable) -> bool:
    """Make a table the catalog's at this place in their order; False if another one is that already."""
    return put_if_absent(store, commit_path(place), commit_of(store, table))


def commit_of(store: Store, table: ImageTable) -> bytes:
    """What the commit of a table says: its size, and which columns it has."""
    fields = {"segment": table.number, "n_images": table.n_images, "block_size": table.block_size}
    return json.dumps({**fields, "columns": columns_of(store, table)}).encode()


def columns_of(store: Store, table: ImageTable) -> list[str]:
    """Names of the arrays of a table, in order."""
    return [name for name in names(store, table_path(table.number)) if name != "zarr.json" and ".partial" not in name]


def list_tables(store: Store, known: Sequence[ImageTable] = ()) -> ImageTables:
    """The catalog's tables, in the order of their images; the first of them, if known, are not read again."""
    commits = numbers(store, COMMITS)
    if commits != list(range(len(commits))):
        raise DamagedError(f"a commit is gone from {COMMITS} in the catalog; Catalog.verify() says which")
    return ImageTables((*known[: len(commits)], *(read_commit(store, place) for place in commits[len(known) :])))


def read_commit(store: Store, place: int) -> ImageTable:
    """The table that a commit names."""
    path = commit_path(place)
    with naming_damage(path):
        commit = get_json(store, path) or {}
        table = ImageTable(commit["segment"], commit["n_images"], commit["block_size"])
        if not all(type(value) is int for value in asdict(table).values()) or table.block_size < 1:
            raise ValueError(f"no such table: {table}")
        return table


def read_columns(store: Store, place: int) -> list[str]:
    """Names of the columns that a commit's table had when it was committed."""
    with naming_damage(commit_path(place)):
        return list((get_json(store, commit_path(place)) or {})["columns"])


def read_uris(store: Store, table: ImageTable, rows: slice | None = None) -> np.ndarray:
    """URIs of a table's images, objects ``(n_images,)``; only of some rows if given."""
    path = f"{table_path(table.number)}/uri"
    with naming_damage(path):
        array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
        return np.asarray(array[rows or slice(None)], dtype=object)


def read_covariates(store: Store, table: ImageTable, wanted: Collection[str] | None = None) -> pd.DataFrame:
    """Covariates of a table's images, or those wanted, one row each, in the order of their columns' names."""
    columns = {}
    for name, array in _covariates(store, table).items():
        if wanted is None or name in wanted:
            with naming_damage(array.path):
                columns[name] = decode(np.asarray(array[:]), array.attrs.asdict())
    return pd.DataFrame(columns, index=pd.RangeIndex(table.n_images))


def covariate_types(store: Store, table: ImageTable) -> dict[str, np.dtype[Any]]:
    """Type of each covariate of a table, in the order of their names, without reading them."""
    arrays = _covariates(store, table)
    return {name: decode(np.empty(0, array.dtype), array.attrs.asdict()).dtype for name, array in arrays.items()}


def common_type(types: Sequence[np.dtype[Any] | None]) -> np.dtype[Any] | None:
    """The type of a covariate over several tables, from its type in each (None where it is missing).

    None if it cannot be told from the types alone: they differ, or they cannot say that a value is missing.
    """
    known = {dtype for dtype in types if dtype is not None}
    if len(known) != 1:
        return None
    dtype = known.pop()
    if dtype == np.float32 or (None in types and dtype.kind in "biu"):
        return None
    return dtype


def read_covariate(store: Store, name: str, dtype: np.dtype[Any], table: ImageTable, rows: slice) -> np.ndarray:
    """Some rows of a covariate of a table, NaN, NaT or ``""`` if the table does not have it."""
    path = f"{table_path(table.number)}/{name}"
    with naming_damage(path):
        try:
            array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
        except ArrayNotFoundError:
            missing = "" if dtype.kind == "O" else np.array("NaT" if dtype.kind == "M" else np.nan, dtype)
            return np.full(rows.stop - rows.start, missing, dtype)
        return decode(np.asarray(array[rows]), array.attrs.asdict())


def _covariates(store: Store, table: ImageTable) -> "dict[str, zarr.Array[Any]]":
    """The arrays of a table besides the URIs, in the order of their names."""
    with naming_damage(table_path(table.number)):
        group = zarr.open_group(store, path=table_path(table.number), mode="r", use_consolidated=False)
        return {name: array for name, array in sorted(group.arrays()) if name != "uri"}
