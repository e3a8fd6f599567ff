"""One event loop in a thread of its own, for the connections of this process."""

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="connections", daemon=True).start()
    return loop


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in the loop, from any other thread, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()
