"""Files of this machine: regular files only, never more bytes than the cap."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH114, PTH115, PTH116, PTH118, PTH208

import os
import stat
import warnings
from collections.abc import Iterator

from toolkit.sources.errors import SourceError, too_many_bytes
from toolkit.sources.foreign import is_counted, reason_for_file, reason_for_folder
from toolkit.sources.source import Found, Source
from toolkit.sources.uris import LOCAL_SCHEME, local_path


class LocalSource(Source):
    """Plain paths, and ``file://`` URIs of this host."""

    schemes = (LOCAL_SCHEME,)

    def read(self, uri: str, max_bytes: int, stall_seconds: float) -> bytes:
        """The bytes of a regular file; at most one more than the cap is ever read."""
        path = _path_of(uri)
        try:
            return _read_regular_file(path, uri, max_bytes)
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"is a symbolic link to nowhere ({os.readlink(path)})" if os.path.islink(path) else "does not exist"
            reason = f"the file {what}; was it moved, or is its disk not mounted here?"
            raise SourceError("missing", uri, reason) from error
        except OSError as error:
            raise SourceError("unreadable", uri, f"the file cannot be read: {error.strerror or error}") from error
        except ValueError as error:  # a NUL byte or a surrogate in the name
            raise SourceError("missing", uri, f"no file can have this name: {error}") from error

    def walk(self, folder: str, stall_seconds: float) -> Iterator[Found]:
        """Paths of all files below a folder; links to folders are followed, each folder once. Warns of what it cannot
        enter."""
        visited: set[str] = set()
        for inside, subfolders, files in os.walk(_path_of(folder), onerror=_warn_of_folder, followlinks=True):
            real = os.path.realpath(inside)
            if real in visited:  # a link to a folder above it would never end
                subfolders.clear()
                continue
            visited.add(real)
            yield from (Found(os.path.join(inside, name), reason_for_file(name)) for name in sorted(files))
            reasons = {name: reason_for_folder(name) for name in sorted(subfolders)}
            subfolders[:] = [name for name, reason in reasons.items() if not reason]
            for name, reason in reasons.items():
                if reason:
                    yield from (Found(path, reason) for path in _not_entered(os.path.join(inside, name), reason))


def _not_entered(folder: str, reason: str) -> list[str]:
    """What lies in a foreign folder, and no deeper; the folder itself where that is not looked at."""
    try:
        names = sorted(os.listdir(folder)) if is_counted(reason) else None
    except OSError:
        names = None
    return [f"{folder}/"] if names is None else [os.path.join(folder, name) for name in names]


def _path_of(uri: str) -> str:
    path = local_path(uri)
    if path is None:
        raise SourceError("unsupported_scheme", uri, "the file is on another host; mount it here and give its path")
    return path


def _warn_of_folder(error: OSError) -> None:
    message = f"images: the folder {error.filename!r} cannot be read ({error.strerror}); its images are not listed"
    warnings.warn(message, stacklevel=2)


def _read_regular_file(path: str, uri: str, max_bytes: int) -> bytes:
    # Looked at before it is opened, because opening a device or a pipe can already do something; and again after, with
    # an opening that does not wait, because the name may have changed hands in between.
    _require_regular(os.stat(path), uri)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _require_regular(status, uri)
        if status.st_size > max_bytes:
            raise too_many_bytes(uri, f"{status.st_size} bytes", max_bytes)
        # Asked for by its size, since asking for the cap would reserve the cap; what grew meanwhile is read as well.
        data = file.read(status.st_size + 1)
        if len(data) > status.st_size:
            data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        raise too_many_bytes(uri, f"more than {max_bytes} bytes", max_bytes)
    return data


def _require_regular(status: os.stat_result, uri: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise SourceError("unreadable", uri, "is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError("unreadable", uri, "is a pipe, socket or device; only regular files are read")
