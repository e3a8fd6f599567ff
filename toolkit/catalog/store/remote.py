"""An object store that may be away for a while: requests are made again, for some time, and then it is said clearly.

Every request may be made again without harm: objects are written whole, removing what is gone is no error, and a
creation that succeeded though its answer was lost is found by reading back (`put_if_absent`).
"""

import asyncio
import functools
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest
from zarr.storage import ObjectStore

from toolkit.catalog.errors import CatalogError
from toolkit.sources.object_stores import Meaning, connect, meaning_of

RETRY_SECONDS = 60.0
"""For so long requests that get no answer are made again."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_SECONDS_BEFORE_WARNING = 3.0
_CONNECT_SECONDS = 5.0
_SECONDS_PER_REQUEST = 60.0  # a large array of label maps goes through in one
_REOPENED = 4

Result = TypeVar("Result")


class StoreLostError(CatalogError, OSError):
    """The store gave no answer for as long as was asked to wait for it."""


class RemoteStore(ObjectStore[Any]):
    """An object store by its URL. Pickles as that: another process takes keys and endpoint from its own environment.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/folder``.
    retry_seconds : float
        For so long a request that gets no answer, or one that says to come again, is repeated. Counted from the first
        of several requests in a row that fail, so that whatever else is tried after that fails at once.
    read_only : bool
        Whether nothing may be written.
    """

    def __init__(self, url: str, *, retry_seconds: float = RETRY_SECONDS, read_only: bool = False) -> None:
        store = connect(url, connect_seconds=_CONNECT_SECONDS, most_seconds=_SECONDS_PER_REQUEST)
        super().__init__(store, read_only=read_only)
        self.url = url
        self.retry_seconds = retry_seconds
        self._silent_since: float | None = None
        self._failed = 0.0
        self._warned = False

    def with_read_only(self, read_only: bool = False) -> "RemoteStore":
        """The same store, with or without the right to write."""
        return type(self)(self.url, retry_seconds=self.retry_seconds, read_only=read_only)

    def __reduce__(self) -> tuple[Callable[..., "RemoteStore"], tuple[str, float, bool]]:
        return _reopened, (self.url, self.retry_seconds, self.read_only)

    def __str__(self) -> str:
        return self.url

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The object's bytes; None if there is none."""
        return await self._patiently(functools.partial(super().get, key, prototype, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of objects."""
        return await self._patiently(functools.partial(super().get_partial_values, prototype, list(key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return await self._patiently(functools.partial(super().exists, key))

    async def getsize(self, key: str) -> int:
        """Bytes of an object."""
        return await self._patiently(functools.partial(super().getsize, key))

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object whole."""
        await self._patiently(functools.partial(super().set, key, value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Create an object, unless there is one."""
        await self._patiently(functools.partial(super().set_if_not_exists, key, value))

    async def delete(self, key: str) -> None:
        """Remove an object; it need not be there."""
        await self._patiently(functools.partial(super().delete, key))

    async def delete_dir(self, prefix: str) -> None:
        """Remove all objects below a path."""
        await self._patiently(functools.partial(super().delete_dir, prefix))

    def list(self) -> AsyncGenerator[str, None]:
        """All keys."""
        return self._listed(super().list)

    def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        """All keys that begin with a path."""
        return self._listed(functools.partial(super().list_prefix, prefix))

    def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """The names directly below a path."""
        return self._listed(functools.partial(_names_below, self.store, prefix.strip("/")))

    async def _listed(self, listing: Callable[[], AsyncIterator[str]]) -> AsyncGenerator[str, None]:
        async def collect() -> list[str]:
            return [name async for name in listing()]

        for name in await self._patiently(collect):
            yield name

    async def _patiently(self, request: Callable[[], Awaitable[Result]]) -> Result:
        """Make a request, again and again while there is hope.

        Raises
        ------
        StoreLostError
            There was no answer for `retry_seconds`.
        CatalogError
            The server refuses: it knows neither these keys nor this bucket, or it does not allow that.
        """
        from obstore.exceptions import BaseError

        pause = _FIRST_PAUSE
        first_failure: float | None = None
        while True:
            try:
                result = await request()
            except CatalogError:
                raise
            except (BaseError, OSError) as error:
                meaning = meaning_of(error, self.url)
                if meaning.kind in ("access", "refused"):
                    raise CatalogError(f"catalog {self.url}: {meaning.words} ({meaning.detail})") from error
                if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
                    raise
                first_failure = time.monotonic() if first_failure is None else first_failure
                self._note_failure(error, meaning, first_failure)
            else:
                self._silent_since, self._warned = None, False
                return result
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _note_failure(self, error: Exception, meaning: Meaning, first_failure: float) -> None:
        """There was no answer; raises once that has gone on for too long, for this request or for all."""
        now = time.monotonic()
        if self._silent_since is None or now - self._failed > self.retry_seconds:
            self._silent_since = now
        self._failed = now
        silent = now - min(self._silent_since, first_failure)
        words = f"catalog {self.url}: {meaning.words}"
        if silent >= self.retry_seconds:
            raise StoreLostError(
                f"{words} for {self.retry_seconds:g} s ({meaning.detail}); see that the server runs and can be "
                "reached, and that AWS_ENDPOINT_URL is its address"
            ) from error
        if silent >= _SECONDS_BEFORE_WARNING and not self._warned:
            self._warned = True
            warnings.warn(f"{words}; trying for {self.retry_seconds:g} s", RuntimeWarning, stacklevel=2)


async def _names_below(store: Any, prefix: str) -> AsyncGenerator[str, None]:
    from obstore import list_with_delimiter_async

    found = await list_with_delimiter_async(store, prefix)
    for path in [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]:
        if path.strip("/") != prefix:  # an empty folder, as some servers and consoles make them
            yield path.strip("/").removeprefix(f"{prefix}/")


@functools.lru_cache(maxsize=_REOPENED)
def _reopened(url: str, retry_seconds: float, read_only: bool) -> RemoteStore:
    """One per process, not one per batch of work: its connections are kept."""
    return RemoteStore(url, retry_seconds=retry_seconds, read_only=read_only)
