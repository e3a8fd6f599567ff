"""The back ends that there are; nothing else names one."""

from toolkit.sources.errors import SourceError
from toolkit.sources.local import LocalSource
from toolkit.sources.objects import ObjectSource
from toolkit.sources.sftp import SftpSource
from toolkit.sources.source import Source
from toolkit.sources.uris import scheme_of
from toolkit.sources.web import WebSource

SOURCES: tuple[Source, ...] = (LocalSource(), SftpSource(), ObjectSource(), WebSource())
"""One of each; a new back end is a module with one class, and its name here."""

_BY_SCHEME = {scheme: source for source in SOURCES for scheme in source.schemes}


def source_of(uri: str) -> Source:
    """The source that a path or URI belongs to.

    Raises
    ------
    SourceError
        ``unsupported_scheme``.
    """
    scheme = scheme_of(uri)
    if scheme not in _BY_SCHEME:
        readable = ", ".join(f"{known}://" for known in _BY_SCHEME)
        reason = f"no reader for {scheme}://; give a local path or one of {readable}"
        raise SourceError("unsupported_scheme", uri, reason)
    return _BY_SCHEME[scheme]
