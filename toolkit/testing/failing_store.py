"""A store that fails, or ends the process, at a chosen write; and one that counts."""

import os
import signal
from collections.abc import Callable, Iterable

from zarr.abc.buffer import Buffer
from zarr.abc.store import Store
from zarr.storage import WrapperStore


class DisturbedStore(WrapperStore[Store]):
    """Passes everything on; calls ``disturb`` before, or after, the write of a number counted from 0."""

    def __init__(self, store: Store, at: int = -1, disturb: Callable[[], None] = lambda: None, *, after: bool = False):
        super().__init__(store)
        self.n_writes = 0
        self._at = at
        self._disturb = disturb
        self._after = after

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object, or what is to happen instead."""
        await self._counted(self._store.set(key, value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Create an object, or what is to happen instead."""
        await self._counted(self._store.set_if_not_exists(key, value))

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        for key, value in values:
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """Remove an object, or what is to happen instead."""
        await self._counted(self._store.delete(key))

    async def delete_dir(self, prefix: str) -> None:
        """Remove objects, or what is to happen instead."""
        await self._counted(self._store.delete_dir(prefix))

    async def _counted(self, write: object) -> None:
        number, self.n_writes = self.n_writes, self.n_writes + 1
        if number == self._at and not self._after:
            write.close()  # type: ignore[attr-defined]
            self._disturb()
            return
        await write  # type: ignore[misc]
        if number == self._at:
            self._disturb()


def kill_this_process() -> None:
    """As kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)
