"""What a back end is: the one class that each kind of place where images lie implements."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple


class Found(NamedTuple):
    """A file that a walk came across, or a folder that it did not enter."""

    uri: str
    reason: str = ""
    """Why it is none that a person wants (`toolkit.sources.foreign`); "" if it may be."""


class Source(ABC):
    """Images of some schemes, that is, of what stands before ``://`` in their URIs.

    All methods raise `SourceError` for what is wrong with one file, `UnreachableError` where a server does not answer,
    and `AccessError` where it will never answer us. ``stall_seconds`` is how long a server may be silent.
    """

    schemes: ClassVar[tuple[str, ...]]
    """Schemes in lower case, such as ``("s3",)``."""

    @abstractmethod
    def read(self, uri: str, max_bytes: int, stall_seconds: float) -> bytes:
        """The bytes of a file, possibly none; `SourceError` ``too_large`` for more than ``max_bytes``."""

    @abstractmethod
    def walk(self, folder: str, stall_seconds: float) -> Iterator[Found]:
        """All files below a folder, sorted folder by folder; hidden and foreign folders are not entered."""

    def version(self, uri: str, stall_seconds: float) -> str:
        """What changes whenever the file does, so that copies can be kept; empty where nothing tells."""
        return ""

    def encode(self, path: str) -> str:
        """A path as it stands in URIs of this source."""
        return path
