"""Objects of S3-compatible stores, and files of web servers, by obstore: connections are pooled per bucket or host.

Keys and endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL``,
``AWS_REGION``, …), never from a URI.
"""

import functools
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

from toolkit.sources.errors import AccessError, SourceError, UnreachableError

SCHEMES = ("s3", "gs", "az", "http", "https")

_WEB = ("http", "https")
_CONNECT_SECONDS = 15
_MOST_SECONDS = 3600  # for a whole object, as long as some of it comes all the time
_STORES_KEPT = 32
_OF_KEYS = re.compile("InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed")
_OF_BUCKET = re.compile("NoSuchBucket")
_REFUSED = re.compile(r"status code: 4(?!08|25|29)\d\d|status client error \(4(?!08|25|29)\d\d")
_METADATA_HOST = "169.254."  # where a machine in the cloud asks for keys if the environment has none


def read(uri: str, max_bytes: int, stall_seconds: float) -> bytes:
    """Read an object.

    Parameters
    ----------
    uri : str
        ``s3://bucket/path`` or ``https://host/path``; of a web address percent-encoded, its query included.
    max_bytes : int
        Largest allowed object.
    stall_seconds : float
        A server that sends nothing for so long counts as out of reach.

    Raises
    ------
    SourceError
        ``missing``, ``unreadable`` or ``too_large``.
    UnreachableError
        The server does not answer.
    AccessError
        It knows neither these keys nor this bucket, or there are no keys.
    """
    store, path, root = _store_of(uri, stall_seconds)
    import obstore
    from obstore.exceptions import BaseError

    try:
        found = obstore.get(store, path)
        size = int(found.meta["size"])
        if size > max_bytes:
            reason = f"has {size} bytes, more than max_bytes={max_bytes}; raise ReadLimits.max_bytes"
            raise SourceError("too_large", uri, reason)
        return bytes(found.bytes())
    except (BaseError, OSError, ValueError) as error:
        raise _translated(error, uri, root) from error


def version(uri: str, stall_seconds: float) -> str:
    """What changes whenever the object does; empty if the server does not say. Raises as `read` does."""
    store, path, root = _store_of(uri, stall_seconds)
    import obstore
    from obstore.exceptions import BaseError

    try:
        found = obstore.head(store, path)
        if not found["e_tag"] and not found["last_modified"].timestamp():
            return ""
        return f"{found['e_tag']} {found['size']} {found['last_modified']}"
    except (BaseError, OSError, ValueError) as error:
        raise _translated(error, uri, root) from error


def walk(uri: str, stall_seconds: float) -> Iterator[str]:
    """URIs of all objects below a path, page by page, sorted within each; hidden ones are left out."""
    store, path, root = _store_of(uri, stall_seconds)
    import obstore
    from obstore.exceptions import BaseError

    if urlsplit(uri).scheme in _WEB:
        raise SourceError("unreadable", uri, "web servers have no lists of files; give a table of the images' URIs")
    try:
        for page in obstore.list(store, path.rstrip("/") or None):
            names = sorted(str(entry["path"]) for entry in page)
            yield from (f"{root}/{name}" for name in names if not any(p.startswith(".") for p in name.split("/")))
    except (BaseError, OSError, ValueError) as error:
        raise _translated(error, uri, root) from error


def _store_of(uri: str, stall_seconds: float) -> tuple[Any, str, str]:
    """The store of a URI, the path there, and the part of the URI that names the store."""
    parts = urlsplit(uri)
    scheme = parts.scheme.lower()
    if not parts.netloc:
        raise SourceError("unreadable", uri, f"names no {'host' if scheme in _WEB else 'bucket'}")
    root = f"{scheme}://{parts.netloc}"
    path = parts.path.lstrip("/")
    if scheme in _WEB:
        return _connect(root, stall_seconds), unquote(path) + f"?{parts.query}" * bool(parts.query), root
    # Not split: a key may contain ? and #.
    return _connect(root, stall_seconds), uri[len(root) + 1 :], root


@functools.lru_cache(maxsize=_STORES_KEPT)
def _connect(root: str, stall_seconds: float) -> Any:
    if find_spec("obstore") is None:
        raise AccessError(root, "this needs obstore: pip install 'segscape[remote]'")
    from obstore.exceptions import BaseError
    from obstore.store import HTTPStore, from_url

    insecure = root.startswith("http://") or os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    options: dict[str, Any] = {
        "client_options": {
            "allow_http": insecure,
            "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, stall_seconds)),
            "read_timeout": timedelta(seconds=stall_seconds),
            "timeout": timedelta(seconds=_MOST_SECONDS),
        },
        "retry_config": {"max_retries": 0},  # `toolkit.sources.patience` does so for all schemes
    }
    try:
        return HTTPStore.from_url(root, **options) if root.startswith("http") else from_url(root, **options)
    except (BaseError, ValueError) as error:  # such as a setting that is not there
        raise AccessError(root, f"it cannot be opened: {str(error).splitlines()[0][:300]}") from error


def _translated(error: Exception, uri: str, root: str) -> Exception:
    """What an error of obstore means for the image, or for all images of its server."""
    from obstore import exceptions

    words = str(error)
    first = words.split("\n")[0][:300]
    if isinstance(error, exceptions.UnauthenticatedError) or _OF_KEYS.search(words):
        code = _OF_KEYS.search(words)
        why = f" ({code.group()})" if code else ""
        return AccessError(root, f"the server says that the keys are wrong{why}; check the AWS_… variables here")
    if _METADATA_HOST in words:
        return AccessError(root, "no keys were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY here")
    if _OF_BUCKET.search(words):
        return AccessError(root, "there is no such bucket")
    if isinstance(error, ValueError):
        return SourceError("unreadable", uri, f"no server has an object of such a name: {first}")
    if isinstance(error, FileNotFoundError):
        return SourceError("missing", uri, "there is no such object on the server")
    if isinstance(error, exceptions.PermissionDeniedError) or _REFUSED.search(words):
        return SourceError("unreadable", uri, f"the server refuses: {first}")
    return UnreachableError(root, first)
