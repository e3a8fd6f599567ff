"""Stores by path or URL, how arrays are written to them, and the few raw objects that are not arrays."""

import json
import os
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zarr.abc.buffer import Buffer
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.codecs import ZstdCodec
from zarr.core.array_spec import ArrayConfigParams  # neither has a public name yet; nothing else imports from zarr.core
from zarr.core.sync import sync
from zarr.storage import LocalStore, WrapperStore

from toolkit.catalog.errors import CatalogError, naming_damage
from toolkit.catalog.store.durable import DurableLocalStore
from toolkit.catalog.store.leftovers import is_leftover
from toolkit.catalog.store.remote import RETRY_SECONDS, RemoteStore
from toolkit.paths import expand
from toolkit.sources.uris import local_path

CHECKED_COMPRESSION = ZstdCodec(level=1, checksum=True)
"""Of every array: what was cut off or changed on its way is an error to whoever reads it, not another number."""
WRITE_ALL: ArrayConfigParams = {"write_empty_chunks": True}
"""Of every array: a chunk that is not there was lost, or not written yet; never one of nothing but zeros."""

_OBJECT_STORES = ("s3", "gs", "az")
_MOST_CREATIONS = 10


def open_store(
    location: str | os.PathLike[str] | Store, *, fsync: bool = False, retry_seconds: float = RETRY_SECONDS
) -> Store:
    """The store at a path or URL; a store is taken as it is.

    Parameters
    ----------
    location : str, path or zarr.abc.store.Store
        A directory, be it local or shared; ``s3://bucket/folder`` and other URLs of object stores, whose keys and
        endpoint are taken from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, …).
    fsync : bool
        Whether each file is on the disk before the next is written; for directories only.
    retry_seconds : float
        For so long requests that get no answer are made again; for object stores only.

    Raises
    ------
    CatalogError
        The path is a file, or a kind of URL that cannot be opened.
    """
    if isinstance(location, Store):
        _check_atomic(location)
        return location
    if not isinstance(location, str | os.PathLike):
        raise TypeError(f"catalog must be a path or a Zarr store, not {type(location).__name__}: {location!r}")
    path = expand(os.fspath(location))
    path = local_path(path) or path
    if "://" in path:
        return _open_url(path, retry_seconds)
    folder = Path(path).expanduser().absolute()
    if not path or (folder.exists() and not folder.is_dir()):
        raise CatalogError(f"catalog {path!r} is not a directory; choose a path such as 'data_catalog/demo.zarr'")
    return DurableLocalStore(folder) if fsync else LocalStore(folder)


def _check_atomic(store: Store) -> None:
    """Refuse a store in which two can create the same object, each believing that it was alone."""
    inner = store
    while isinstance(inner, WrapperStore):
        inner = inner._store
    if type(inner).set_if_not_exists is Store.set_if_not_exists:
        raise CatalogError(
            f"a catalog cannot lie in a {type(inner).__name__}: it does not create objects atomically, so that drivers "
            "could not tell who owns what; use a directory or an object store such as s3://bucket/folder"
        )


def _open_url(url: str, retry_seconds: float) -> Store:
    if url.split("://")[0] not in _OBJECT_STORES:
        raise CatalogError(
            f"catalog {url!r}: only paths and URLs of {', '.join(_OBJECT_STORES)} can be opened; pass a zarr Store for "
            "anything else"
        )
    if find_spec("obstore") is None:
        raise CatalogError(f"catalog {url!r} needs obstore: pip install 'segscape[remote]'")
    return RemoteStore(url, retry_seconds=retry_seconds)


def store_name(store: Store) -> str:
    """Where a store lies, for messages."""
    if isinstance(store, LocalStore):
        return str(store.root)
    return str(store)


def put_if_absent(store: Store, key: str, value: bytes) -> bool:
    """Create an object; whether it is ours. Atomic: of several callers exactly one gets True, if values differ.

    Whose it is, is read back: an answer may be lost on its way, and the creation repeated.
    """
    buffer = _buffer(value)
    for _ in range(_MOST_CREATIONS):
        sync(store.set_if_not_exists(key, buffer))
        found = get(store, key)
        if found is not None:  # else two have hindered each other, as Amazon's S3 lets them
            return found == value
    return False


def put(store: Store, key: str, value: bytes) -> None:
    """Write an object whole."""
    sync(store.set(key, _buffer(value)))


def get(store: Store, key: str) -> bytes | None:
    """The object's bytes; None if there is none."""
    buffer = sync(store.get(key, default_buffer_prototype()))
    return None if buffer is None else buffer.to_bytes()


def exists(store: Store, key: str) -> bool:
    """Whether there is such an object."""
    return sync(store.exists(key))


def is_empty_or_gone(store: Store, key: str) -> bool:
    """Whether there is no such object, or one of no bytes."""
    try:
        return sync(store.getsize(key)) == 0
    except FileNotFoundError:
        return True


def get_json(store: Store, key: str) -> dict[str, Any] | None:
    """The object's content, a JSON object; None if there is none.

    Raises
    ------
    DamagedError
        It is something else.
    """
    content = get(store, key)
    if content is None:
        return None
    with naming_damage(key):
        return dict(json.loads(content))


def remove(store: Store, key: str) -> None:
    """Remove an object; it need not be there."""
    sync(store.delete(key))


def remove_all(store: Store, prefix: str) -> None:
    """Remove everything below a path."""
    sync(store.delete_dir(prefix))


def names(store: Store, prefix: str) -> list[str]:
    """Names directly below a prefix, sorted."""
    return sorted(sync(_collect(store.list_dir, prefix)))


def numbers(store: Store, prefix: str, digits: int = 1) -> list[int]:
    """The names directly below a prefix that are numbers of at least so many digits, in order; nothing else that lies
    beside them, such as what a killed writer left."""
    return sorted(int(name) for name in names(store, prefix) if is_number(name, digits))


def is_number(name: str, digits: int = 1) -> bool:
    """Whether this is how a number is written with at least so many digits; not ``007``, where one is enough."""
    return name.isascii() and name.isdigit() and name == f"{int(name):0{digits}d}"


def consecutive(store: Store, prefix: str, digits: int, begins: bytes) -> list[int]:
    """The numbers of objects that are written one after another and begin so; not those beyond a gap that somebody else
    put there."""
    found = numbers(store, prefix, digits)
    while found and found[-1] >= len(found) and is_foreign(get(store, f"{prefix}/{found[-1]:0{digits}d}"), begins):
        found.pop()
    return found


def is_foreign(content: bytes | None, begins: bytes) -> bool:
    """Whether this is no object that begins so, cut off or filled with zeros as it may be; None is a folder."""
    if content is None:
        return True
    found = content.lstrip(b"\0")[: len(begins)]
    return not begins.startswith(found)


def is_empty(store: Store) -> bool:
    """Whether nothing lies in the store, but for temporary files that a killed writer left, and what systems leave."""
    return all(name.endswith(".partial") or is_leftover(name) for name in names(store, ""))


def keys(store: Store, prefix: str) -> list[str]:
    """All keys below a prefix, sorted."""
    return sorted(sync(_collect(store.list_prefix, prefix)))


def _buffer(value: bytes) -> Buffer:
    return default_buffer_prototype().buffer.from_bytes(value)


async def _collect(listing: Callable[[str], AsyncIterator[str]], prefix: str) -> list[str]:
    # The listing is begun in here: that of object stores wants a running event loop.
    return [name async for name in listing(prefix)]
