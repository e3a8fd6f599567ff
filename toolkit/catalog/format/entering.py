"""A table of images is written: before it is committed nobody sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store

from toolkit.catalog.format.columns import encode, encode_column
from toolkit.catalog.format.kinds import Column
from toolkit.catalog.format.layout import block_size_for, table_path, written_path
from toolkit.catalog.format.tables import GIVEN_URI, URI, ImageTable
from toolkit.catalog.store.objects import CHECKED_COMPRESSION, WRITE_ALL


@dataclass(frozen=True, eq=False)
class NewImages:
    """Images as they are to be entered."""

    uris: Sequence[str]
    """URIs in normal form, each once."""
    columns: Mapping[str, Column]
    """Covariates by name, a value per URI."""
    given: Sequence[str]
    """What a person wrote for each URI."""
    base: str | None = None
    """Folder that relative paths of their table start from; None where there is no table."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """The same of single covariates that came from somewhere else."""
    is_table: bool = False
    """Whether a table named them, and not a folder or a list."""

    def take(self, positions: Sequence[int]) -> "NewImages":
        """Some of them."""
        chosen = np.array(positions, dtype=np.int64)
        uris, given = ([values[position] for position in positions] for values in (self.uris, self.given))
        columns = {name: column.take(chosen) for name, column in self.columns.items()}
        return NewImages(uris, columns, given, self.base, self.bases, self.is_table)

    def base_of(self, name: str) -> str:
        """Folder that relative paths of a covariate start from; empty if it is not known."""
        return self.bases.get(name, self.base or "")


def write_table(store: Store, number: int, images: NewImages, block_size: int | None) -> ImageTable:
    """Write a table of images, which is not part of the catalog yet, over whatever lies at its reserved number.

    ``block_size`` is rows per block, chosen by the number of images if None.
    """
    written = {name: column.written for name, column in images.columns.items() if column.written is not None}
    n_images = len(images.uris)
    origin: dict[str, Any] = {"base": images.base, "bases": dict(images.bases), "is_table": images.is_table}
    size = block_size or block_size_for(n_images)
    table = ImageTable(number, n_images, size, tuple(sorted(images.columns)), tuple(sorted(written)), origin)
    group = zarr.open_group(store, path=table_path(number), mode="w", attributes=origin)
    for name, texts in ((URI, images.uris), (GIVEN_URI, images.given)):
        _write_array(group, table, name, *encode(np.array(texts, dtype=object)))
    for name, column in images.columns.items():
        _write_array(group, table, name, *encode_column(column))
    if written:
        group = zarr.open_group(store, path=written_path(number), mode="w")
        for name, values in written.items():
            _write_array(group, table, name, *encode(values))
    return table


def _write_array(
    group: zarr.Group, table: ImageTable, name: str, values: np.ndarray, attributes: dict[str, Any]
) -> None:
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
