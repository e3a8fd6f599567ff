"""Object stores and web servers by obstore: how to connect to one, and what its errors mean; for images and catalogs.

Keys and endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL``,
``AWS_REGION``, …), never from a URI.
"""

import atexit
import functools
import os
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

_SECONDS_TO_SETTLE = 0.1

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_METADATA_HOST = "169.254."  # where a machine in the cloud asks for keys if the environment has none
_OF_KEYS = re.compile("InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed")
_REFUSED = re.compile(r"status code: 4(?!08|25|29)\d\d|status client error \(4(?!08|25|29)\d\d")
_TOO_EARLY = re.compile("ConditionalRequestConflict|OperationAborted|RequestTimeout|SlowDown")

Kind = Literal["silent", "missing", "access", "refused"]


@dataclass(frozen=True)
class Meaning:
    """What an error of obstore means."""

    kind: Kind
    """There was no answer, or one to come again; there is no such object; nothing will be had from this store until
    keys, bucket or address are mended; this request is refused, and would be again."""
    words: str
    """What is wrong, with the remedy where there is one."""
    detail: str
    """What obstore says, without its debugging output."""


def connect(url: str, *, connect_seconds: float, most_seconds: float, silent_seconds: float | None = None) -> Any:
    """The store at a URL; it makes no request again by itself.

    Parameters
    ----------
    url : str
        ``s3://bucket``, ``s3://bucket/folder``, ``https://host``.
    connect_seconds, most_seconds : float
        A connection takes at most so long, and a whole request.
    silent_seconds : float, optional
        A server that sends nothing for so long is given up earlier.

    Raises
    ------
    ValueError, obstore.exceptions.BaseError
        It cannot be opened: settings are missing.
    """
    from obstore.store import HTTPStore, from_url

    _settle_at_exit()
    seconds = {"connect_timeout": connect_seconds, "timeout": most_seconds}
    if silent_seconds is not None:
        seconds["read_timeout"] = silent_seconds
    insecure = url.startswith("http://") or os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    options: dict[str, Any] = {
        "client_options": {
            "allow_http": insecure,
            **{name: timedelta(seconds=value) for name, value in seconds.items()},
        },
        "retry_config": {"max_retries": 0},  # obstore would not repeat a creation, and wait for three minutes otherwise
    }
    return HTTPStore.from_url(url, **options) if url.startswith("http") else from_url(url, **options)


def meaning_of(error: Exception, url: str) -> Meaning:
    """What an error of a request means.

    Parameters
    ----------
    error : Exception
        One of obstore's, or of the operating system, or a ValueError that obstore raises for a path.
    url : str
        Of the store.
    """
    text = str(error)
    detail = text.split("\n")[0][:300]
    found = re.search(r"https?://[^/\s]+", text)
    endpoint = found.group() if found else "the object store"
    return Meaning(*_kind_and_words(error, text, endpoint, url), detail)


def _kind_and_words(error: Exception, text: str, endpoint: str, url: str) -> tuple[Kind, str]:
    from obstore import exceptions

    of_keys = _OF_KEYS.search(text)
    if url.startswith("s3://") and (of_keys or isinstance(error, exceptions.UnauthenticatedError)):
        code = f" ({of_keys.group()})" if of_keys else ""
        return "access", f"{endpoint} says the keys are wrong{code}; check {_KEYS}"
    if _METADATA_HOST in endpoint:
        return "access", f"no keys were found; set {_KEYS}"
    if "NoSuchBucket" in text:
        return "access", f"there is no bucket {url.split('://')[1].split('/')[0]!r} at {endpoint}; make it first"
    if "redirect without LOCATION" in text:
        return "access", f"{endpoint} is not where it lies; check AWS_ENDPOINT_URL and AWS_REGION"
    if isinstance(error, FileNotFoundError):
        return "missing", "there is no such object on the server"
    if isinstance(error, ValueError | exceptions.InvalidPathError):
        return "refused", "no server has an object of such a name"
    if "AccessDenied" in text and url.startswith("s3://"):
        rights = "be allowed to list, read, write and delete objects there, as far as is asked of them"
        return "refused", f"{endpoint} denies access (AccessDenied); the keys in {_KEYS} must {rights}"
    final = (
        exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError,
        exceptions.NotSupportedError,
        exceptions.UnknownConfigurationKeyError,
    )
    if isinstance(error, final) or (_REFUSED.search(text) and not _TOO_EARLY.search(text)):
        return "refused", f"{endpoint} refuses"
    return "silent", f"no answer from {endpoint}"


@functools.cache
def _settle_at_exit() -> None:
    """Let obstore's threads come to rest before the interpreter ends.

    A thread that has handed over the answer of a request still lets go of Python objects after that. If the interpreter
    ends in that instant, the process aborts (SIGABRT; one in ten that write and end at once, on a busy machine).
    """
    atexit.register(time.sleep, _SECONDS_TO_SETTLE)
