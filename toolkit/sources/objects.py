"""Objects of S3-compatible stores; connections are pooled per bucket."""

import contextlib
import functools
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, ClassVar

from toolkit.sources.errors import AccessError, SourceError, UnreachableError, too_many_bytes
from toolkit.sources.foreign import reason_for_path
from toolkit.sources.object_stores import Meaning, connect, meaning_of
from toolkit.sources.source import Found, Source

_CONNECT_SECONDS = 15.0
_MOST_SECONDS = 3600.0  # for a whole object, as long as some of it comes all the time
_STORES_KEPT = 32


class ObjectSource(Source):
    """``s3://bucket/path``, not percent-encoded: a key may contain any sign."""

    schemes: ClassVar[tuple[str, ...]] = ("s3", "gs", "az")

    def read(self, uri: str, max_bytes: int, stall_seconds: float) -> bytes:
        """The bytes of an object; its size is looked at first."""
        with self._opened(uri, stall_seconds) as (store, path, _):
            import obstore

            found = obstore.get(store, path)
            size = int(found.meta["size"])
            if size > max_bytes:
                raise too_many_bytes(uri, f"{size} bytes", max_bytes)
            return bytes(found.bytes())

    def walk(self, folder: str, stall_seconds: float) -> Iterator[Found]:
        """All objects below a path, page by page, sorted within each."""
        with self._opened(folder, stall_seconds) as (store, path, root):
            import obstore

            above = path.rstrip("/")
            for page in obstore.list(store, above or None):
                names = sorted(str(entry["path"]) for entry in page)
                yield from (Found(f"{root}/{name}", reason_for_path(name[len(above) :].lstrip("/"))) for name in names)

    def version(self, uri: str, stall_seconds: float) -> str:
        """Entity tag, size and time of change."""
        with self._opened(uri, stall_seconds) as (store, path, _):
            import obstore

            found = obstore.head(store, path)
            if not found["e_tag"] and not found["last_modified"].timestamp():
                return ""
            return f"{found['e_tag']} {found['size']} {found['last_modified']}"

    def _place(self, uri: str) -> tuple[str, str]:
        """The part of a URI that names the store, and the path there."""
        scheme, _, rest = uri.partition("://")
        bucket, _, path = rest.partition("/")
        if not bucket:
            raise SourceError("unreadable", uri, "names no bucket")
        return f"{scheme.lower()}://{bucket}", path

    @contextlib.contextmanager
    def _opened(self, uri: str, stall_seconds: float) -> Iterator[tuple[Any, str, str]]:
        """The store of a URI, the path there, and the store's own URI; errors within become ours."""
        root, path = self._place(uri)
        store = _connect(root, stall_seconds)
        from obstore.exceptions import BaseError

        try:
            yield store, path, root
        except (BaseError, OSError, ValueError) as error:
            raise _translated(meaning_of(error, root), uri, root) from error


def _translated(meaning: Meaning, uri: str, root: str) -> Exception:
    """What an error means for an image, or for all images of its server."""
    reason = f"{meaning.words} ({meaning.detail})"
    match meaning.kind:
        case "silent":
            return UnreachableError(root, reason)
        case "missing":
            return SourceError("missing", uri, meaning.words)
        case "access":
            return AccessError(root, reason)
        case _:
            return SourceError("unreadable", uri, reason)


@functools.lru_cache(maxsize=_STORES_KEPT)
def _connect(root: str, stall_seconds: float) -> Any:
    if find_spec("obstore") is None:
        raise AccessError(root, "this needs obstore: pip install 'segscape[remote]'")
    from obstore.exceptions import BaseError

    try:
        return connect(
            root,
            connect_seconds=min(_CONNECT_SECONDS, stall_seconds),
            silent_seconds=stall_seconds,
            most_seconds=_MOST_SECONDS,
        )
    except (BaseError, ValueError) as error:  # such as a setting that is not there
        raise AccessError(root, f"it cannot be opened: {str(error).splitlines()[0][:300]}") from error
