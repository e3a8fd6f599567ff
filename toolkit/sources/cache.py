"""Files of servers, kept on this machine: under the hash of their content, up to a number of bytes.

A file counts as the same as long as its server says so (size and time of change, or its entity tag), which costs one
question per file. What was read from disk is what was written there, or it is fetched again. Several processes may use
the same folder.
"""

import contextlib
import hashlib
import os
import re
import secrets
import threading
from pathlib import Path

_KEPT_AFTER_CLEARING = 0.9
_CLEARED_EVERY = 0.05  # of the limit, written by this process


class FileCache:
    """A folder of files.

    Parameters
    ----------
    folder : pathlib.Path
        Where they lie; made when the first is kept.
    most_bytes : int
        What they may take together; those not used for the longest time go first. It may be exceeded by a twentieth per
        process for a while.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._written = most_bytes  # so that the first write looks at what others have left

    def get(self, uri: str, version: str) -> bytes | None:
        """The content of a file as of this version; None if it is not here."""
        entry = self._entry(uri, version)
        with contextlib.suppress(OSError):
            digest = entry.read_bytes().decode("ascii", "replace")
            if re.fullmatch("[0-9a-f]{64}", digest) is None:  # half of it is on the disk, as after a power cut
                entry.unlink()
                return None
            content = self._content(digest)
            data = content.read_bytes()
            if hashlib.sha256(data).hexdigest() == digest:
                for path in (entry, content):
                    os.utime(path)
                return data
            content.unlink()
        return None

    def put(self, uri: str, version: str, data: bytes) -> None:
        """Keep the content of a file. A disk that is full or cannot be written is no error: nothing is kept then."""
        digest = hashlib.sha256(data).hexdigest()
        with contextlib.suppress(OSError):
            _write(self._content(digest), data)
            _write(self._entry(uri, version), digest.encode())
        with self._lock:
            self._written += len(data)
            if self._written > _CLEARED_EVERY * self._most_bytes:
                self._written = 0
                self._clear()

    def _clear(self) -> None:
        """Remove what was not used for the longest time, and what was left half-written long ago."""
        found = []
        for path in self._folder.glob("*/*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        found.sort(reverse=True)
        total = 0
        for _, size, path in found:
            total += size
            if total > _KEPT_AFTER_CLEARING * self._most_bytes:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _content(self, digest: str) -> Path:
        return self._folder / "content" / digest[:2] / digest

    def _entry(self, uri: str, version: str) -> Path:
        name = hashlib.sha256(f"{uri}\n{version}".encode(errors="surrogatepass")).hexdigest()
        return self._folder / "versions" / name[:2] / name


def _write(path: Path, data: bytes) -> None:
    """To the side first, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
