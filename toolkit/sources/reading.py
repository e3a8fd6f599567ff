"""The bytes of an image by its URI: from wherever it lies, with patience, by way of the cache."""

import functools
import math
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from toolkit import paths
from toolkit.arguments import seconds, whole_number
from toolkit.sources.cache import FileCache
from toolkit.sources.errors import SourceError, UnreachableError
from toolkit.sources.registry import source_of
from toolkit.sources.source import Source

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class ReadLimits:
    """How much of a source is worth reading, so that one hostile file cannot take a machine down; and how long a server
    is worth waiting for.

    Raises
    ------
    TypeError
        If a limit is not an integer, or not a number of seconds.
    ValueError
        If a limit is not positive.
    """

    max_pixels: int = 200_000_000
    """Largest allowed ``width * height`` in pixels, as the file's header states it; by default, what a panorama of
    20,000 × 10,000 has. Decoding takes about 10 bytes per pixel, of transparent pictures up to 25. Notebooks and
    commands call it ``max_megapixels``."""
    max_bytes: int = 512 * 2**20
    """Largest allowed file, in bytes. Notebooks and commands call it ``max_megabytes``."""
    stall_seconds: float = 60.0
    """A server that sends nothing for so long is out of reach."""
    retry_seconds: float = 30.0
    """A server that is out of reach is asked again for so long."""
    cache_bytes: int = 0
    """Files of servers are kept on each machine that read them, up to so many bytes in ``~/.cache/segscape`` (or where
    ``SEGSCAPE_CACHE`` says); 0: none are. Worth while where the same images are read for several runs."""

    @classmethod
    def of(
        cls, *, max_megapixels: float | None = None, max_megabytes: float | None = None, cache_gb: float = 0.0
    ) -> "ReadLimits":
        """Limits in the units of notebooks and commands: millions of pixels and bytes, GB; as usual where None."""
        caps = {"max_pixels": max_megapixels, "max_bytes": max_megabytes}
        given = {name: round(cap * 1e6) for name, cap in caps.items() if cap is not None}
        return cls(**given, cache_bytes=round(cache_gb * 1e9))

    def __post_init__(self) -> None:
        for name, least in (("max_pixels", 1), ("max_bytes", 1), ("cache_bytes", 0)):
            whole_number(name, getattr(self, name), least=least)
        for name in ("stall_seconds", "retry_seconds"):
            value = getattr(self, name)
            if value != math.inf and not seconds(name, value, least=0):
                raise ValueError(f"{name} must be a number of seconds above 0, not 0")


DEFAULT_LIMITS = ReadLimits()


def read_bytes(uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> bytes:
    """Read the bytes behind a URI.

    Parameters
    ----------
    uri : str
        A plain path (relative ones start from the working directory) or a URI of one of the sources.
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
    source = source_of(uri)
    again = Retrying(
        retry=retry_if_exception_type(UnreachableError),
        stop=stop_before_delay(limits.retry_seconds),
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        reraise=True,
    )
    data: bytes = again(_read, source, uri, limits)
    if not data:
        raise SourceError("empty", uri, "the file has no bytes; copy it again")
    return data


def _read(source: Source, uri: str, limits: ReadLimits) -> bytes:
    version = _version(source, uri, limits) if limits.cache_bytes else ""
    kept = _cache(limits.cache_bytes).get(uri, version) if version else None
    if kept is not None and len(kept) <= limits.max_bytes:
        return kept
    data = source.read(uri, limits.max_bytes, limits.stall_seconds)
    if version:
        _cache(limits.cache_bytes).put(uri, version, data)
    return data


def _version(source: Source, uri: str, limits: ReadLimits) -> str:
    try:
        return source.version(uri, limits.stall_seconds)
    except SourceError:  # some servers give a file, but tell nothing of it
        return ""


@functools.cache
def _cache(most_bytes: int) -> FileCache:
    return FileCache(paths.cache() / "files", most_bytes)
