"""A directory whose files survive a loss of power."""

import asyncio
import os
import uuid
from pathlib import Path

from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore

from toolkit.catalog.errors import CatalogError

_KNOWN_WAYS = {"set", "set_if_not_exists", "set_sync", "_set", "_set_many"}


class DurableLocalStore(LocalStore):
    """A directory in which each object is on the disk, under its name, before the call that writes it returns.

    Zarr's own `LocalStore` writes to a temporary name and renames, so that nobody ever reads half of an object; but
    what the operating system had not written yet when the power failed is lost, in any order. Here the order is kept.

    Raises
    ------
    CatalogError
        This version of Zarr has further ways to write, which would pass by what is done here.
    """

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        unknown = {name for name in dir(LocalStore) if name.startswith(("set", "_set"))} - _KNOWN_WAYS
        if unknown:
            raise CatalogError(
                f"fsync=True cannot be kept with this version of Zarr, which also writes by "
                f"{', '.join(sorted(unknown))}; install an older one, or leave it out"
            )

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object whole."""
        await self._set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Create an object, unless there is one."""
        await self._set(key, value, exclusive=True)

    async def _set(self, key: str, value: Buffer, exclusive: bool = False) -> None:
        self._check_writable()
        await asyncio.to_thread(_write, self.root / key, value, exclusive=exclusive)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write an object whole, as newer versions of Zarr do."""
        self._check_writable()
        _write(self.root / key, value, exclusive=False)


def _write(path: Path, value: Buffer, *, exclusive: bool) -> None:
    _make_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(value.as_buffer_like())
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            _link(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _link(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)  # fails if there is one, as renaming would not
    except FileExistsError:
        return


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is on the disk with its name."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        _sync_folder(one.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
