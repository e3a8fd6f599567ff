"""Files of a storage server over SFTP, by asyncssh: one connection per server and process, many requests on it at once.

The server must be known: its host key is looked up in ``known_hosts``, and a server whose key is not there, or is
another, is refused. Users, keys, ports and jump hosts come from ``~/.ssh/config``, ``~/.ssh/id_*`` and the SSH agent,
as for ``ssh``; `CONFIG_VARIABLE` names another configuration file. Passwords are never taken from a URI.
"""

import asyncio
import contextlib
import functools
import os
import posixpath
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from toolkit.sources.errors import AccessError, SourceError, UnreachableError, too_many_bytes
from toolkit.sources.foreign import is_counted, reason_for_file, reason_for_folder
from toolkit.sources.source import Found, Source

CONFIG_VARIABLE = "SEGSCAPE_SSH_CONFIG"
"""Environment variable with the path of an OpenSSH configuration file to use instead of ``~/.ssh/config``."""

_FILES_AT_ONCE = 32
_BYTES_AT_ONCE = 4 * 2**20
_CONNECT_SECONDS = 15.0
_KEEPALIVE_SECONDS = 10.0
_FILE, _FOLDER, _LINK = 1, 2, 3  # SSH_FILEXFER_TYPE_…, draft-ietf-secsh-filexfer-13, section 7.2

_closing: set["asyncio.Task[None]"] = set()  # the loop itself holds tasks weakly

Result = TypeVar("Result")


class _Server:
    """The connection to one server, made when it is needed, and anew after it broke off."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client: asyncio.Task[tuple[Any, Any]] | None = None
        self.room = asyncio.Semaphore(_FILES_AT_ONCE)

    async def sftp(self, stall_seconds: float) -> Any:
        """The SFTP client; whoever asks while it connects waits for the same."""
        if self._client is None:
            self._client = asyncio.ensure_future(_connect(self.address, min(stall_seconds, _CONNECT_SECONDS)))
        task = self._client
        try:
            return (await asyncio.shield(task))[1]
        except BaseException:
            self._forget(task)
            raise

    def drop(self, client: Any) -> None:
        """Let go of a connection that is of no use any more."""
        task = self._client
        if task is not None and task.done() and not task.exception() and task.result()[1] is client:
            task.result()[0].abort()
            self._forget(task)

    def _forget(self, task: "asyncio.Task[tuple[Any, Any]]") -> None:
        if self._client is task:
            self._client = None


async def _connect(address: str, seconds: float) -> tuple[Any, Any]:
    server = f"sftp://{address}"
    try:
        import asyncssh
    except ImportError as error:
        raise AccessError(server, "SFTP needs asyncssh: pip install 'segscape[remote]'") from error
    parts = urlsplit(server)
    given = {"username": parts.username, "port": parts.port}
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    config = os.environ.get(CONFIG_VARIABLE)
    if config:
        if not Path(config).is_file():
            raise AccessError(server, f"{CONFIG_VARIABLE} names {config}, which is no file")
        options["config"] = [config]
    options |= {"keepalive_interval": _KEEPALIVE_SECONDS, "keepalive_count_max": 3}
    by_hand = (
        f"ssh {f'-p {parts.port} ' * bool(parts.port)}{f'{parts.username}@' * bool(parts.username)}{parts.hostname}"
    )
    try:
        async with asyncio.timeout(seconds):
            connection = await asyncssh.connect(parts.hostname, **options)
            return connection, await connection.start_sftp_client()
    except asyncssh.HostKeyNotVerifiable as error:
        reason = (
            f"the server's host key is not the one in known_hosts, or none is there ({error}); if you trust it, "
            f"connect once with `{by_hand}`, or add its key with ssh-keyscan"
        )
        raise AccessError(server, reason) from error
    except asyncssh.PermissionDenied as error:
        reason = f"the server takes none of our keys ({error}); see that `{by_hand}` works here, without a password"
        raise AccessError(server, reason) from error
    except (asyncssh.KeyExchangeFailed, asyncssh.KeyImportError, asyncssh.ConfigParseError) as error:
        raise AccessError(server, f"no connection is possible ({error})") from error
    except (FileNotFoundError, PermissionError) as error:
        reason = f"a file that SSH needs cannot be read ({error}); host keys are looked up in known_hosts"
        raise AccessError(server, reason) from error
    except (asyncssh.Error, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise UnreachableError(server, _words(error, seconds)) from error


@contextlib.asynccontextmanager
async def _using(server: _Server, uri: str, stall_seconds: float) -> AsyncIterator[Any]:
    """The server's client; errors of the file become `SourceError`, those of the connection `UnreachableError`."""
    import asyncssh

    client = await server.sftp(stall_seconds)
    try:
        yield client
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
        raise SourceError("missing", uri, "there is no such file on the server") from error
    except (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost) as error:
        server.drop(client)
        raise UnreachableError(f"sftp://{server.address}", _words(error, stall_seconds)) from error
    except asyncssh.SFTPError as error:
        raise SourceError("unreadable", uri, f"the server will not read it: {error.reason or error}") from error
    except (asyncssh.Error, OSError, TimeoutError, asyncio.CancelledError) as error:
        server.drop(client)
        raise UnreachableError(f"sftp://{server.address}", _words(error, stall_seconds)) from error


def _words(error: BaseException, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer for {seconds:g} s"
    return str(error) or type(error).__name__


async def _close(file: Any, stall_seconds: float) -> None:
    """Nobody waits for that: it would cost every file a round trip."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(stall_seconds):
            await file.close()


def _more_time(patience: asyncio.Timeout, stall_seconds: float) -> None:
    """Something has arrived: count the silence from now."""
    patience.reschedule(asyncio.get_running_loop().time() + stall_seconds)


async def _next(listing: AsyncIterator[list[Found]]) -> list[Found] | None:
    return await anext(listing, None)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop in a thread of its own, for the connections of this process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="connections", daemon=True).start()
    return loop


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in the loop, from any other thread, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


class SftpSource(Source):
    """``sftp://[user@]host[:port]/path``, percent-encoded."""

    schemes = ("sftp",)

    def __init__(self) -> None:
        self._servers: dict[str, _Server] = {}

    def read(self, uri: str, max_bytes: int, stall_seconds: float) -> bytes:
        """The bytes of a file; its size is looked at first."""
        return _run(self._read(uri, max_bytes, stall_seconds))

    def walk(self, folder: str, stall_seconds: float) -> Iterator[Found]:
        """All files below a folder, folder by folder, sorted."""
        listing = self._walk(folder, stall_seconds)
        while (names := _run(_next(listing))) is not None:
            yield from names

    def version(self, uri: str, stall_seconds: float) -> str:
        """Size and time of change."""
        return _run(self._version(uri, stall_seconds))

    def encode(self, path: str) -> str:
        """A path as it stands in a URI."""
        return quote(path)

    def _server(self, uri: str) -> tuple[_Server, str]:
        """The server of a URI, and the path there."""
        parts = urlsplit(uri)
        if not parts.hostname:
            raise SourceError("unreadable", uri, "names no host; write sftp://[user@]host[:port]/path")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        address = f"{parts.username}@" * bool(parts.username) + host + f":{parts.port}" * bool(parts.port)
        return self._servers.setdefault(address, _Server(address)), unquote(parts.path)

    async def _read(self, uri: str, max_bytes: int, stall_seconds: float) -> bytes:
        server, path = self._server(uri)
        async with server.room, _using(server, uri, stall_seconds) as client:
            async with asyncio.timeout(stall_seconds) as patience:
                file = await client.open(path, "rb", block_size=-1)
                try:
                    size = (await file.stat()).size
                    if size is not None and size > max_bytes:
                        raise too_many_bytes(uri, f"{size} bytes", max_bytes)
                    data = bytearray()
                    while size is None or len(data) < size:
                        _more_time(patience, stall_seconds)
                        part = await file.read(_BYTES_AT_ONCE if size is None else min(_BYTES_AT_ONCE, size))
                        data += part
                        if len(data) > max_bytes:
                            raise too_many_bytes(uri, f"more than {max_bytes} bytes", max_bytes)
                        if not part:
                            break
                    return bytes(data)
                finally:
                    closing = asyncio.ensure_future(_close(file, stall_seconds))
                    _closing.add(closing)
                    closing.add_done_callback(_closing.discard)

    async def _version(self, uri: str, stall_seconds: float) -> str:
        server, path = self._server(uri)
        async with server.room, _using(server, uri, stall_seconds) as client, asyncio.timeout(stall_seconds):
            status = await client.stat(path)
            return f"{status.size} {status.mtime} {status.mtime_ns}"

    async def _walk(self, uri: str, stall_seconds: float) -> AsyncIterator[list[Found]]:
        server, path = self._server(uri)
        folders = [path.rstrip("/") or "/"]
        visited: set[str] = set()
        while folders:
            folder = folders.pop()
            files: list[tuple[str, str]] = []
            below: list[str] = []
            foreign: list[tuple[str, str]] = []
            async with _using(server, uri, stall_seconds) as client, asyncio.timeout(stall_seconds) as patience:
                real = str(await client.realpath(folder))
                if real in visited:  # a link to a folder above it would never end
                    continue
                visited.add(real)
                async for entry in client.scandir(folder):
                    _more_time(patience, stall_seconds)
                    name = str(entry.filename)
                    if name in (".", ".."):
                        continue
                    inside = posixpath.join(folder, name)
                    kind = entry.attrs.type
                    if kind == _LINK:
                        kind = _FOLDER if await client.isdir(inside) else _FILE
                    if kind != _FOLDER:
                        files.append((inside, reason_for_file(name)))
                    elif reason := reason_for_folder(name):
                        foreign.append((inside, reason))
                    else:
                        below.append(inside)
                for inside, reason in foreign:
                    _more_time(patience, stall_seconds)
                    files += [(path, reason) for path in await _not_entered(client, inside, reason)]
            folders += sorted(below, reverse=True)
            yield [Found(f"sftp://{server.address}{quote(file)}", reason) for file, reason in sorted(files)]


async def _not_entered(client: Any, folder: str, reason: str) -> list[str]:
    """What lies in a foreign folder, and no deeper; the folder itself where that is not looked at."""
    import asyncssh

    if is_counted(reason):
        with contextlib.suppress(asyncssh.SFTPError):
            names = [str(name) for name in await client.listdir(folder)]
            return [posixpath.join(folder, name) for name in names if name not in (".", "..")]
    return [f"{folder}/"]
