"""The bytes of an image by its URI: one reader per scheme."""

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.sources import local
from toolkit.sources.errors import SourceError
from toolkit.sources.uris import LOCAL_SCHEME, scheme_of


@dataclass(frozen=True)
class ReadLimits:
    """How much of a source is worth reading, so that one hostile file cannot take a machine down.

    Parameters
    ----------
    max_pixels : int
        Largest allowed ``width * height``, as the file's header states it.
    max_bytes : int
        Largest allowed file in bytes.

    Raises
    ------
    TypeError
        If a limit is not an integer.
    ValueError
        If a limit is not positive.
    """

    max_pixels: int = 100_000_000
    """Largest allowed ``width * height``, in pixels."""
    max_bytes: int = 512 * 2**20
    """Largest allowed file, in bytes."""

    def __post_init__(self) -> None:
        for name, value in (("max_pixels", self.max_pixels), ("max_bytes", self.max_bytes)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name}: {value!r} is a {type(value).__name__}; give a positive integer")
            if value < 1:
                raise ValueError(f"{name}: {value} is not positive; give a positive integer")


DEFAULT_LIMITS = ReadLimits()

Reader = Callable[[str, int], bytes]
"""Called with a URI and the byte cap; returns the bytes or raises :class:`SourceError`."""

READERS: dict[str, Reader] = {LOCAL_SCHEME: local.read}
"""The reader of each scheme. A back end is one module with one such function, and one line here."""


def read_bytes(uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> bytes:
    """Read the bytes behind a URI.

    Parameters
    ----------
    uri : str
        A plain path (relative ones start from the working directory) or a URI of a scheme in :data:`READERS`.
    limits : ReadLimits
        Only `max_bytes` matters here.

    Returns
    -------
    bytes
        At least one byte.

    Raises
    ------
    SourceError
        ``missing``, ``unreadable``, ``empty``, ``too_large`` or ``unsupported_scheme``.
    """
    scheme = scheme_of(uri)
    reader = READERS.get(scheme)
    if reader is None:
        readable = ", ".join(f"{name}://" for name in READERS)
        raise SourceError(
            "unsupported_scheme", uri, f"no reader for {scheme}://; give a local path or one of {readable}"
        )
    data = reader(uri, limits.max_bytes)
    if not data:
        raise SourceError("empty", uri, "the file has no bytes; copy it again")
    return data
