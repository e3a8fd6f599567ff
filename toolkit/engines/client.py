"""A client of a cluster's controller: how one is connected, and what ipyparallel's own does not offer.

Private members of ipyparallel's client are used here only.
"""

import contextlib
import time
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.2


def connect(connection_file: Path, timeout: float) -> Any:
    """An ``ipyparallel.Client`` of the controller that wrote a file, once it has an engine.

    Raises
    ------
    TimeoutError
        There is no such file, nobody answers, or there is no engine, after ``timeout`` seconds; the message says which.
    """
    import ipyparallel

    deadline = time.monotonic() + timeout
    while not connection_file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(_nothing_runs(connection_file, timeout))
        time.sleep(_POLL_SECONDS)
    try:
        client = ipyparallel.Client(str(connection_file), timeout=max(1.0, deadline - time.monotonic()))
    except TimeoutError as error:
        raise TimeoutError(
            f"the controller that wrote {connection_file} did not answer within {timeout:g} s; if it no longer runs, "
            "delete that file and start the cluster again"
        ) from error
    while not client.ids:
        if time.monotonic() > deadline:
            with contextlib.suppress(OSError):
                client.close(linger=0)
            raise TimeoutError(
                f"the controller of {connection_file} runs, but no engine joined it within {timeout:g} s; "
                f"see the logs in {connection_file.parent.parent / 'log'}"
            )
        time.sleep(_POLL_SECONDS)
    return client


def is_closed(client: Any) -> bool:
    """Whether the client was closed."""
    return bool(client._closed)


def identities(client: Any) -> dict[str, int]:
    """The engines that are registered, by the names that messages know them by."""
    return {client._engines.get(engine): engine for engine in client.ids}


def ask_controller(client: Any) -> Any:
    """Ask the controller for a sign of life; the answer is ``done()`` when there was one.

    Raises
    ------
    OSError
        The client is closed.
    """
    return client._send(client._query_stream, "connection_request", content={})


def ask_engine(client: Any, engine: int, request: str, content: dict[str, Any] | None = None) -> Any:
    """Send a request to an engine's control thread, which answers whatever its task is.

    Returns
    -------
    AsyncResult or None
        The answer to come, whose ``result()`` is a message; None: the engine has left, or the client is closed.
    """
    with contextlib.suppress(IndexError, KeyError, OSError):
        identity = client._engines[engine].encode()
        return client._send(client._control_stream, request, content=content or {}, ident=identity)
    return None


def forget(client: Any, question: Any) -> None:
    """Wait for an answer no more; each that never comes would be waited for as long as the client lives."""
    client._futures.pop(question.msg_id, None)


def _nothing_runs(connection_file: Path, timeout: float) -> str:
    prefix, suffix = "ipcontroller-", "-client.json"
    names = sorted(path.name for path in connection_file.parent.glob(f"{prefix}*{suffix}"))
    found = ", ".join(repr(name.removeprefix(prefix).removesuffix(suffix)) for name in names)
    others = f"; there are clusters with cluster_id {found}" if found else ""
    return (
        f"no cluster is running here: {connection_file} did not appear within {timeout:g} s{others}. Start one with "
        f"`ipcluster start --profile-dir={connection_file.parent.parent}`, or with toolkit.Cluster.start(...)"
    )
