"""The reader of local files: regular files only, never more bytes than the cap."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH114, PTH115, PTH116

import os
import stat
from typing import NoReturn

from toolkit.sources.errors import SourceError
from toolkit.sources.uris import local_path


def read(uri: str, max_bytes: int) -> bytes:
    """Read a local file.

    Parameters
    ----------
    uri : str
        A plain path or a ``file://`` URI of this host.
    max_bytes : int
        Largest allowed size in bytes; at most one byte more is ever read.

    Returns
    -------
    bytes
        The content; possibly nothing.

    Raises
    ------
    SourceError
        ``missing``, ``unreadable``, ``too_large``, or ``unsupported_scheme`` for a file on another host.
    """
    path = local_path(uri)
    if path is None:
        raise SourceError("unsupported_scheme", uri, "the file is on another host; mount it here and give its path")
    try:
        return _read_regular_file(path, uri, max_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        broken_link = os.path.islink(path)
        what = f"is a symbolic link to nowhere ({os.readlink(path)})" if broken_link else "does not exist"
        raise SourceError("missing", uri, f"the file {what}; was it moved, or is its disk not mounted here?") from error
    except OSError as error:
        raise SourceError("unreadable", uri, f"the file cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL byte or a surrogate in the name
        raise SourceError("missing", uri, f"no file can have this name: {error}") from error


def _read_regular_file(path: str, uri: str, max_bytes: int) -> bytes:
    # Looked at before it is opened, because opening a device or a pipe can already do something; and again after, with
    # an opening that does not wait, because the name may have changed hands in between.
    _require_regular(os.stat(path), uri)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _require_regular(status, uri)
        if status.st_size > max_bytes:
            _refuse_size(uri, f"{status.st_size} bytes", max_bytes)
        # Asked for by its size, since asking for the cap would reserve the cap; what grew meanwhile is read as well.
        data = file.read(status.st_size + 1)
        if len(data) > status.st_size:
            data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        _refuse_size(uri, f"more than {max_bytes} bytes", max_bytes)
    return data


def _require_regular(status: os.stat_result, uri: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise SourceError("unreadable", uri, "is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError("unreadable", uri, "is a pipe, socket or device; only regular files are read")


def _refuse_size(uri: str, size: str, max_bytes: int) -> NoReturn:
    raise SourceError("too_large", uri, f"has {size}, more than max_bytes={max_bytes}; raise ReadLimits.max_bytes")
