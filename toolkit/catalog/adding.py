"""Images come into a catalog: those that it does not know yet, as one table."""

from collections.abc import Sequence

import pandas as pd

from toolkit.catalog.contents import Contents
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.tables import (
    ImageTable,
    commit_table,
    read_covariates,
    read_uris,
    reserve_table,
    write_table,
)
from toolkit.catalog.reading.covariates import check_same_kinds, warn_of_changes


def add_images(contents: Contents, uris: Sequence[str], covariates: pd.DataFrame, block_size: int | None) -> int:
    """Add the images that a catalog lacks, whoever else adds some meanwhile; how many these were.

    The URIs are all different, and each has a row of covariates.
    """
    store = contents.store
    positions = {uri: position for position, uri in enumerate(uris)}
    n_known = 0
    number: int | None = None
    while True:
        tables = contents.tables()
        for table in tables[n_known:]:
            _drop_known(contents, table, positions, covariates)
        n_known = len(tables)
        new = sorted(positions.values())
        if not new:
            return 0
        number = reserve_table(store, Owner()) if number is None else number
        known = covariates.iloc[new].reset_index(drop=True)
        written = write_table(store, number, [uris[position] for position in new], known, block_size)
        if commit_table(store, n_known, written):
            return len(new)


def _drop_known(contents: Contents, table: ImageTable, positions: dict[str, int], covariates: pd.DataFrame) -> None:
    """Take the images out of ``positions`` that a table holds already."""
    known = read_covariates(contents.store, table)
    check_same_kinds(known, covariates)
    uris_there = read_uris(contents.store, table)
    rows = [row for row, uri in enumerate(uris_there) if uri in positions]
    given = [positions.pop(uri) for uri in uris_there[rows]]
    warn_of_changes(known.iloc[rows].reset_index(drop=True), covariates.iloc[given].reset_index(drop=True))
