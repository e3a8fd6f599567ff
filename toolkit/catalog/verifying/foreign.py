"""What lies in a catalog's store and is not the catalog's."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog.format.layout import is_ours
from toolkit.catalog.format.tables import GIVEN_URI, URI, ImageTables, covariates_of
from toolkit.catalog.store.leftovers import is_leftover
from toolkit.catalog.store.objects import keys, remove, remove_all
from toolkit.catalog.verifying.problems import Findings

_MOST_NAMED = 3


def find_foreign(store: Store, tables: ImageTables, findings: Findings) -> None:
    """Note, once, what others left in a store: desktops, network file systems, synchronisers, people."""
    columns = {table.number: {URI, GIVEN_URI, *covariates_of(store, table)} for table in tables}
    foreign = sorted({*findings.foreign, *(path for path in _paths(store) if not is_ours(path, columns))})
    if foreign:
        names = Counter(path.rstrip("/").rpartition("/")[2] + "/" * path.endswith("/") for path in foreign)
        named = ", ".join(f"{count:,} {name}" for name, count in names.most_common(_MOST_NAMED))
        more = ", …" if len(names) > _MOST_NAMED else ""
        detail = (
            f"{len(foreign):,} files or folders are not the catalog's, do no harm and are left alone: {named}{more}"
        )
        findings.add("foreign", foreign[0], f"{detail} (the first is {foreign[0]})".encode(errors="replace").decode())


def holds_ours(store: Store, path: str) -> bool:
    """Whether a catalog wrote anything that lies below a path."""
    return any(is_ours(key, {}) for key in keys(store, f"{path}/"))


def remove_ours(store: Store, path: str) -> None:
    """Remove what a catalog wrote below a path."""
    below = keys(store, f"{path}/")
    ours = [key for key in below if is_ours(key, {})]
    if len(ours) == len(below):
        remove_all(store, path)
    else:
        for key in ours:
            remove(store, key)


def _paths(store: Store) -> Iterator[str]:
    """Everything in a store; of folders such as systems leave them only their own paths, with ``/`` at the end."""
    inner = store
    if not isinstance(inner, LocalStore):
        yield from keys(store, "")
        return
    root = Path(inner.root)
    for folder, folders, files in os.walk(root):
        below = Path(folder).relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        for name in [name for name in folders if is_leftover(name)]:
            folders.remove(name)
            yield f"{prefix}{name}/"
        yield from (f"{prefix}{name}" for name in files)
