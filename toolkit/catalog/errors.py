"""The errors of the catalog itself."""

import contextlib
from collections.abc import Iterator

from zarr.errors import NodeNotFoundError

from toolkit.errors import ToolkitError


class CatalogError(ToolkitError):
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
