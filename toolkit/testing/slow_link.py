"""A way to a server on this machine that is slow, breaks, or goes silent when it is told to."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class SlowLink:
    """Passes bytes on to a port of this machine, each after a delay; made by `slow_link`.

    Parameters
    ----------
    port : int
        Where the bytes go.
    delay : float
        Seconds that they take, in either direction.
    """

    def __init__(self, port: int, delay: float) -> None:
        self._target = port
        self._delay = delay
        self._silent = False
        self._cut_after: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.passed = 0
        """Bytes that came from the server."""
        self.connections = 0
        """How many connections were made."""
        self.port = 0
        """Where to connect to."""
        self._thread = threading.Thread(target=self._run, name="slow link", daemon=True)
        self._thread.start()
        self._ready.wait()

    def go_silent(self, silent: bool = True) -> None:
        """Pass nothing on any more, without closing anything; or do so again."""
        self._silent = silent

    def cut_after(self, n_bytes: int) -> None:
        """Break all connections once so many more bytes have come from the server."""
        self._cut_after = self.passed + n_bytes

    @property
    def will_be_cut(self) -> bool:
        """Whether `cut_after` was called, and it has not happened yet."""
        return self._cut_after is not None

    def cut(self) -> None:
        """Break all connections now."""
        self._loop.call_soon_threadsafe(self._abort)

    def close(self) -> None:
        """Break all connections, and make no others."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self) -> None:
        async def listen() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.run_until_complete(listen())
        self._loop.run_forever()
        self._abort()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back, False), self._pass(there, writer, True))
        except asyncio.CancelledError:  # the link is closed
            pass
        finally:
            self._writers -= {writer, back}
            for one in (writer, back):
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool) -> None:
        """Two tasks, so that a delay does not become a limit of the speed."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def write() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                while self._silent:
                    await asyncio.sleep(0.02)
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        async def read() -> None:
            while data := await reader.read(2**16):
                if counted:
                    self.passed += len(data)
                    if self._cut_after is not None and self.passed >= self._cut_after:
                        self._cut_after = None
                        self._abort()
                        return
                waiting.put_nowait((loop.time() + self._delay, data))
            waiting.put_nowait((loop.time() + self._delay, b""))

        with contextlib.suppress(ConnectionError):
            await asyncio.gather(read(), write())


@contextlib.contextmanager
def slow_link(port: int, delay: float = 0.0) -> Iterator[SlowLink]:
    """A link that works; ended with the context."""
    link = SlowLink(port, delay)
    try:
        yield link
    finally:
        link.close()
