"""Hugging Face's hub where it cannot be reached: that is found out once, in seconds, and what its cache has is used.

Its client asks for each file again and again for half a minute, and for several files of a checkpoint in turn.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE = 5.0
_PROXY_WANTS_A_PASSWORD = 407
_SERVER_FAILED = 500
_OFFLINE = threading.RLock()  # the client has one such switch for all threads

REMEDY = (
    "Connect and try again (a proxy is taken from HTTPS_PROXY), or set HF_HOME to a cache that has it, or load a "
    "bundle, which needs no hub"
)


@contextmanager
def reached_or_offline() -> Iterator[str]:
    """Ask the hub for a sign of life; within, where it gives none, its client uses the cache and asks no more.

    Yields
    ------
    str
        Why the hub cannot be reached; empty if it answers.
    """
    from huggingface_hub import constants

    reason = _why_unreachable()
    if not reason:
        yield ""
        return
    with _OFFLINE:
        before = constants.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = True
        try:
            yield reason
        finally:
            constants.HF_HUB_OFFLINE = before


def is_known_to_lack(repository: str, file: str, revision: str | None) -> bool:
    """Whether the hub says, or has said before, that a repository has no such file."""
    from huggingface_hub import _CACHED_NO_EXIST, constants, file_exists, try_to_load_from_cache

    if try_to_load_from_cache(repository, file, revision=revision) is _CACHED_NO_EXIST:
        return True
    try:
        return not constants.HF_HUB_OFFLINE and not file_exists(repository, file, revision=revision)
    except Exception:  # noqa: BLE001  whatever its client raises, the hub has not said so
        return False


def _why_unreachable() -> str:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        status = get_session().head(constants.ENDPOINT, timeout=_PATIENCE).status_code
    except Exception as error:  # noqa: BLE001  of several libraries: names, connections, proxies, certificates
        return f"{constants.ENDPOINT} cannot be reached ({type(error).__name__}: {error})"
    if status == _PROXY_WANTS_A_PASSWORD or status >= _SERVER_FAILED:
        return f"{constants.ENDPOINT} cannot be reached (it, or a proxy before it, answers {status})"
    return ""
