"""Files of web servers."""

from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

from toolkit.sources.errors import SourceError
from toolkit.sources.objects import ObjectSource
from toolkit.sources.source import Found


class WebSource(ObjectSource):
    """``https://host/path?query``, percent-encoded; such servers have no lists of files."""

    schemes = ("http", "https")

    def walk(self, folder: str, stall_seconds: float) -> Iterator[Found]:
        """Refuse: there is nothing to list."""
        raise SourceError("unreadable", folder, "web servers have no lists of files; give a table of the images' URIs")

    def encode(self, path: str) -> str:
        """A path as it stands in a URI."""
        return quote(path)

    def _place(self, uri: str) -> tuple[str, str]:
        parts = urlsplit(uri)
        if not parts.netloc:
            raise SourceError("unreadable", uri, "names no host")
        path = unquote(parts.path.lstrip("/")) + f"?{parts.query}" * bool(parts.query)
        return f"{parts.scheme}://{parts.netloc}", path
