"""Whether what lies in a store is a catalog, and one that can be read."""

import zarr
from zarr.abc.store import Store
from zarr.errors import ContainsGroupError
from zarr.storage import LocalStore

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.layout import COMMITS, DIGITS, FORMAT_ATTRIBUTE, FORMAT_VERSION
from toolkit.catalog.publishing.places import is_marked
from toolkit.catalog.store.objects import is_empty, names, numbers, store_name

_MOST_NAMED = 3


def check_catalog(store: Store) -> None:
    """Make sure that a store holds a catalog of this format.

    Raises
    ------
    CatalogError
        Nothing lies there, something else does, or a newer version of the toolkit wrote it.
    """
    if is_empty(store):
        raise CatalogError(
            f"there is no catalog at {store_name(store)}{_nearby(store)}; make one with "
            "Catalog.create(location, images), or in the shell with segscape run segment -p images … -p catalog …"
        )
    if not _is_catalog(store):
        raise CatalogError(_what_else(store))
    found = zarr.open_group(store, mode="r").attrs[FORMAT_ATTRIBUTE]
    version = found.get("format") if isinstance(found, dict) else found
    if version != FORMAT_VERSION:
        raise CatalogError(
            f"{store_name(store)} has format {version}, but this version of the toolkit reads "
            f"{FORMAT_VERSION}; use the version that wrote it, or make a new catalog"
        )


def check_free(store: Store, *, exist_ok: bool) -> bool:
    """Make sure that a store is empty, or holds a catalog that has no images yet, or any if ``exist_ok``.

    Returns
    -------
    bool
        Whether it is empty.

    Raises
    ------
    CatalogError
        It holds something else.
    """
    if is_empty(store):
        return True
    if not _is_catalog(store):
        raise CatalogError(f"{_what_else(store)}; choose another path")
    if not exist_ok and numbers(store, COMMITS, DIGITS):
        raise CatalogError(
            f"{store_name(store)} holds a catalog already; open it with Catalog.open, or pass exist_ok=True to add "
            "to it"
        )
    return False


def make_catalog(store: Store, *, exist_ok: bool) -> None:
    """Make an empty store a catalog without images.

    Raises
    ------
    CatalogError
        Somebody was quicker, and that is not ok.
    """
    try:
        zarr.create_group(store, zarr_format=3, attributes={FORMAT_ATTRIBUTE: {"format": FORMAT_VERSION}})
    except ContainsGroupError:  # somebody was quicker
        if not exist_ok:
            raise CatalogError(f"somebody else makes a catalog at {store_name(store)} just now") from None


def _is_catalog(store: Store) -> bool:
    try:
        return FORMAT_ATTRIBUTE in zarr.open_group(store, mode="r").attrs
    except (FileNotFoundError, ValueError):  # nothing, an array, or metadata that is no JSON
        return False


def _what_else(store: Store) -> str:
    if names(store, COMMITS):
        return (
            f"{store_name(store)} is a catalog whose zarr.json is damaged or gone; that file says only which format it "
            "has, so copy it from another catalog of the same version"
        )
    if is_marked(store):
        return f"{store_name(store)} is a publication, no catalog; xarray.open_dataset(path, engine='zarr') opens it"
    return f"{store_name(store)} holds something that is not a catalog{_nearby(store)}"


def _nearby(store: Store) -> str:
    """Words that name catalogs that may have been meant: of that name with the usual ending, around it, or in it."""
    if not isinstance(store, LocalStore):
        return ""
    path = store.root
    candidates = [
        path.with_name(f"{path.name}.zarr"),
        path.parent,
        *(sorted(path.glob("*.zarr")) if path.is_dir() else ()),
    ]
    found = [str(one) for one in candidates if one.is_dir() and _is_catalog(LocalStore(one, read_only=True))]
    return f" (did you mean {' or '.join(found[:_MOST_NAMED])}?)" if found else ""
