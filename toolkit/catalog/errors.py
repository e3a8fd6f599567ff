"""What can be wrong: the vocabulary of failed images, and the errors of the catalog itself."""

import contextlib
from collections.abc import Iterator

from zarr.errors import NodeNotFoundError

ERROR_MEANINGS: dict[str, str] = {
    "": "no error",
    "missing": "there is no such file",
    "unreadable": "the file exists but cannot be read: permissions, a directory, a broken link, a failing disk",
    "empty": "the file holds no bytes",
    "too_large": "more bytes or pixels than the limits allow",
    "not_an_image": "the bytes are not those of any known image format",
    "unsupported_format": "a format, or a kind of pixels, outside the allow-list",
    "truncated": "the image ends before its time",
    "corrupt": "an image of an allowed format that cannot be decoded",
    "unsupported_scheme": "a kind of URI that cannot be read",
    "out_of_memory": "segmenting the image took more memory than there is",
    "engine_lost": "every engine that worked on the image died",
    "internal": "anything else; the log holds the traceback",
    "timeout": "no engine that worked on the image got any further with it",
}
"""Each error code with its meaning. The position is what the catalog stores: add at the end, never reorder."""

ERROR_CODES: tuple[str, ...] = tuple(ERROR_MEANINGS)
"""Codes by stored number."""


class CatalogError(Exception):
    """The catalog is not what the call needs: of another kind or format, damaged, or already there."""


class DamagedError(CatalogError):
    """Something in the catalog's store cannot be read, or is not what was written."""


@contextlib.contextmanager
def naming_damage(path: str) -> Iterator[None]:
    """Whatever a codec or parser makes of damaged bytes becomes a `DamagedError` that says where they lie."""
    try:
        yield
    except CatalogError:
        raise
    except (ValueError, TypeError, LookupError, RuntimeError, NodeNotFoundError) as error:
        if isinstance(error, RuntimeError) and "decompress" not in str(error).lower():
            raise  # what codecs raise, and others too, such as a machine that has no more threads
        raise DamagedError(
            f"{path} in the catalog is damaged ({type(error).__name__}: {error}); Catalog.verify() says what else is, "
            "and verify(repair=True) mends what can be mended"
        ) from error
