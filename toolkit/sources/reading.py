"""The bytes of an image by its URI: one reader per scheme."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from toolkit import paths
from toolkit.sources import local, objects, sftp
from toolkit.sources.cache import FileCache
from toolkit.sources.errors import SourceError
from toolkit.sources.patience import patiently
from toolkit.sources.uris import LOCAL_SCHEME, scheme_of


@dataclass(frozen=True)
class ReadLimits:
    """How much of a source is worth reading, so that one hostile file cannot take a machine down; and how long a server
    is worth waiting for.

    Parameters
    ----------
    max_pixels : int
        Largest allowed ``width * height``, as the file's header states it.
    max_bytes : int
        Largest allowed file in bytes.
    stall_seconds : float
        A server that sends nothing for so long is out of reach.
    retry_seconds : float
        A server that is out of reach is asked again for so long.
    cache_bytes : int
        Files of servers are kept on each machine that read them, up to so many bytes in ``~/.cache/segscape`` (or where
        ``SEGSCAPE_CACHE`` says); 0: none are. Worth while where the same images are read for several runs.

    Raises
    ------
    TypeError
        If a limit is not an integer, or not a number of seconds.
    ValueError
        If a limit is not positive.
    """

    max_pixels: int = 100_000_000
    """Largest allowed ``width * height``, in pixels."""
    max_bytes: int = 512 * 2**20
    """Largest allowed file, in bytes."""
    stall_seconds: float = 60.0
    """A server that sends nothing for so long is out of reach."""
    retry_seconds: float = 30.0
    """A server that is out of reach is asked again for so long."""
    cache_bytes: int = 0
    """Files of servers are kept on this machine up to so many bytes."""

    def __post_init__(self) -> None:
        if not isinstance(self.cache_bytes, int) or isinstance(self.cache_bytes, bool) or self.cache_bytes < 0:
            raise ValueError(f"cache_bytes: {self.cache_bytes!r} is no number of bytes; give 0 or more")
        for name, value in (("max_pixels", self.max_pixels), ("max_bytes", self.max_bytes)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name}: {value!r} is a {type(value).__name__}; give a positive integer")
            if value < 1:
                raise ValueError(f"{name}: {value} is not positive; give a positive integer")
        for name, seconds in (("stall_seconds", self.stall_seconds), ("retry_seconds", self.retry_seconds)):
            if not isinstance(seconds, int | float) or isinstance(seconds, bool):
                raise TypeError(f"{name}: {seconds!r} is a {type(seconds).__name__}; give a number of seconds")
            if not seconds > 0:
                raise ValueError(f"{name}: {seconds} is not positive; give a number of seconds")


DEFAULT_LIMITS = ReadLimits()

Reader = Callable[[str, int, float], bytes]
"""Called with a URI, the byte cap, and the seconds after which a silent server is out of reach; returns the bytes or
raises :class:`SourceError`, :class:`UnreachableError` or :class:`AccessError`."""

READERS: dict[str, Reader] = {
    LOCAL_SCHEME: lambda uri, max_bytes, _: local.read(uri, max_bytes),
    "sftp": sftp.read,
    **dict.fromkeys(objects.SCHEMES, objects.read),
}
"""The reader of each scheme. A back end is one module with one such function, and one line here."""


VERSIONS: dict[str, Callable[[str, float], str]] = {
    "sftp": sftp.version,
    **dict.fromkeys(objects.SCHEMES, objects.version),
}
"""What tells a file of a server from a later one of its name, by scheme; empty where nothing does."""


def read_bytes(uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> bytes:
    """Read the bytes behind a URI.

    Parameters
    ----------
    uri : str
        A plain path (relative ones start from the working directory) or a URI of a scheme in :data:`READERS`.
    limits : ReadLimits
        All but `max_pixels` matters here.

    Returns
    -------
    bytes
        At least one byte.

    Raises
    ------
    SourceError
        ``missing``, ``unreadable``, ``empty``, ``too_large`` or ``unsupported_scheme``.
    UnreachableError
        A server gave no answer for `retry_seconds`; nothing is known of the file.
    AccessError
        A server takes no request of ours, or is not the one that we know.
    """
    scheme = scheme_of(uri)
    if scheme not in READERS:
        readable = ", ".join(f"{name}://" for name in READERS)
        raise SourceError(
            "unsupported_scheme", uri, f"no reader for {scheme}://; give a local path or one of {readable}"
        )
    data = patiently(lambda: _read(scheme, uri, limits), limits.retry_seconds)
    if not data:
        raise SourceError("empty", uri, "the file has no bytes; copy it again")
    return data


def _read(scheme: str, uri: str, limits: ReadLimits) -> bytes:
    if not limits.cache_bytes or scheme not in VERSIONS:
        return READERS[scheme](uri, limits.max_bytes, limits.stall_seconds)
    cache = _cache(limits.cache_bytes)
    version = _version(scheme, uri, limits)
    if not version:
        return READERS[scheme](uri, limits.max_bytes, limits.stall_seconds)
    kept = cache.get(uri, version)
    if kept is not None and len(kept) <= limits.max_bytes:
        return kept
    data = READERS[scheme](uri, limits.max_bytes, limits.stall_seconds)
    cache.put(uri, version, data)
    return data


def _version(scheme: str, uri: str, limits: ReadLimits) -> str:
    try:
        return VERSIONS[scheme](uri, limits.stall_seconds)
    except SourceError:  # some servers give a file, but tell nothing of it
        return ""


@functools.cache
def _cache(most_bytes: int) -> FileCache:
    return FileCache(paths.cache() / "files", most_bytes)
