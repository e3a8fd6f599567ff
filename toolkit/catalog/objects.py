"""Stores by path, and the few raw objects that are not arrays: claims and logs."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore

from toolkit.catalog.errors import CatalogError
from toolkit.paths import expand


def open_store(location: str | os.PathLike[str] | Store) -> Store:
    """The store at a path; a store is taken as it is.

    Raises
    ------
    CatalogError
        The path is a file, or a kind of URL that cannot be opened.
    """
    if isinstance(location, Store):
        return location
    if not isinstance(location, str | os.PathLike):
        raise TypeError(f"catalog must be a path or a Zarr store, not {type(location).__name__}: {location!r}")
    path = os.fspath(location)
    if "://" in path:
        raise CatalogError(f"catalog {path!r}: only local paths can be opened; pass a zarr Store for anything else")
    folder = Path(expand(path)).expanduser().absolute()
    if not path or (folder.exists() and not folder.is_dir()):
        raise CatalogError(f"catalog {path!r} is not a directory; choose a path such as 'data_catalog/demo.zarr'")
    return LocalStore(folder)


def put_if_absent(store: Store, key: str, value: bytes) -> bool:
    """Create an object; whether it is ours. Atomic: of several callers exactly one gets True, if values differ."""
    sync(store.set_if_not_exists(key, default_buffer_prototype().buffer.from_bytes(value)))
    return get(store, key) == value


def put(store: Store, key: str, value: bytes) -> None:
    """Write an object whole."""
    sync(store.set(key, default_buffer_prototype().buffer.from_bytes(value)))


def get(store: Store, key: str) -> bytes | None:
    """The object's bytes; None if there is none."""
    buffer = sync(store.get(key, default_buffer_prototype()))
    return None if buffer is None else buffer.to_bytes()


def names(store: Store, prefix: str) -> list[str]:
    """Names directly below a prefix, sorted."""
    return sorted(sync(_collect(store.list_dir(prefix))))


def is_empty(store: Store) -> bool:
    """Whether nothing lies in the store, but for temporary files that a killed writer left."""
    return all(name.endswith(".partial") for name in names(store, ""))


def keys(store: Store, prefix: str) -> list[str]:
    """All keys below a prefix, sorted."""
    return sorted(sync(_collect(store.list_prefix(prefix))))


async def _collect(listing: AsyncIterator[str]) -> list[str]:
    return [name async for name in listing]
