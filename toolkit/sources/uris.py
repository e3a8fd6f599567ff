"""One spelling per image: the normal form of a URI, its scheme, and the local path behind it."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH100, PTH118

import os
import re
import socket
from urllib.parse import quote_from_bytes, unquote_to_bytes

from toolkit import paths

LOCAL_SCHEME = "file"
"""The scheme of plain paths and of ``file://`` URIs."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FILE_PREFIX = "file://"
_PASSWORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/@:]*:)[^/@]+@")


def scheme_of(uri: str) -> str:
    """The lower-case scheme of a URI: ``"file"`` for a plain path.

    Examples
    --------
    >>> scheme_of("S3://bucket/a.jpg"), scheme_of("/photos/a.jpg")
    ('s3', 'file')
    """
    match = _SCHEME.match(uri)
    return match[1].lower() if match else LOCAL_SCHEME


def local_path(uri: str) -> str | None:
    """The path on this machine that a plain path or ``file://`` URI names.

    Returns
    -------
    str or None
        The path, with ``surrogateescape`` for a name that is not UTF-8; None for another host or another scheme.

    Examples
    --------
    >>> local_path("file:///photos/a%20b.jpg")
    '/photos/a b.jpg'
    >>> local_path("/photos/a%20b.jpg")
    '/photos/a%20b.jpg'
    """
    if _SCHEME.match(uri) is None:
        return uri
    if scheme_of(uri) != LOCAL_SCHEME:
        return None
    host, slash, path = uri[len(_FILE_PREFIX) :].partition("/")
    if host.lower() not in ("", "localhost", socket.gethostname().lower()):
        return None
    return os.fsdecode(unquote_to_bytes(slash + path))


def is_remote(uri: str) -> bool:
    """Whether reading it takes a server's answer."""
    return scheme_of(uri) != LOCAL_SCHEME


def normalize_uri(uri: str | os.PathLike[str], base: str | os.PathLike[str] | None = None) -> str:
    """Spell a URI the one way in which it is stored, compared and read.

    A local path becomes absolute and plain (symbolic links are kept), a ``file://`` URI of this host too; a local path
    whose name is not valid UTF-8 becomes a percent-encoded ``file://`` URI, because a catalog stores text. Any other
    ``scheme://`` is kept verbatim. The prefix ``data_catalog:`` is expanded.

    Parameters
    ----------
    uri : str or os.PathLike
        A path or URI. It need not exist.
    base : str or os.PathLike, optional
        The folder that relative paths start from; the working directory by default.

    Returns
    -------
    str
        The normal form; always valid UTF-8 for a local path.

    Raises
    ------
    TypeError
        If `uri` is neither a string nor a path.
    ValueError
        If `uri` is empty, or has a password in it.

    Examples
    --------
    >>> normalize_uri("a.jpg", base="/photos")
    '/photos/a.jpg'
    >>> normalize_uri("file:///photos/a%20b.jpg")
    '/photos/a b.jpg'
    >>> normalize_uri("s3://bucket/a.jpg")
    's3://bucket/a.jpg'
    """
    text = os.fspath(uri) if isinstance(uri, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"uri: {uri!r} is a {type(uri).__name__}; give a string or a path")
    if not text:
        raise ValueError("uri: '' is empty; give a path or a URI")
    path = local_path(paths.expand(text))
    if path is None:
        if _PASSWORD.match(text):
            without = _PASSWORD.sub(r"\1…@", text)
            raise ValueError(
                f"uri: {without!r} has a password in it, which a catalog would keep for all to see; use a key or an "
                "agent (SFTP) or the environment (S3) instead"
            )
        return text
    return _storable(os.path.abspath(path if base is None else os.path.join(base, path)))


def _storable(path: str) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return _FILE_PREFIX + quote_from_bytes(_path_bytes(path))
    return path


def _path_bytes(path: str) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        # Surrogates that came from no file system: such a file cannot exist, but its row must be able to say so.
        return path.encode("utf-8", "surrogatepass")
