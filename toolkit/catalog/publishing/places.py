"""Where publications go: a place takes what was written whole, and refuses to replace what is none."""

from collections.abc import Callable
from pathlib import Path

import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.publishing.publication import MARK
from toolkit.catalog.store.objects import is_empty, keys, names, put, remove, store_name

_ROOT = "zarr.json"
_UNFINISHED = "publishing.partial"


def is_marked(store: Store) -> bool:
    """Whether a publication lies in a store."""
    try:
        return MARK in zarr.open_group(store, mode="r").attrs
    except (FileNotFoundError, ValueError):  # nothing, an array, or metadata that is no JSON
        return False


class LocalPlace:
    """A path of this machine, or of a shared file system."""

    def __init__(self, path: Path, is_folder: bool, is_ours: Callable[[Path], bool]) -> None:
        self._path, self._is_folder, self._is_ours = path, is_folder, is_ours
        self.name = path.name

    def beside(self) -> Path:
        """A directory from which a rename to the target is atomic."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.parent

    def check_outside(self, store: Store) -> None:
        """Refuse to write into a catalog."""
        if isinstance(store, LocalStore) and self._path.is_relative_to(store.root.resolve()):
            raise CatalogError(f"{self._path} lies in the catalog {store.root} itself; choose a path outside of it")

    def check(self, overwrite: bool) -> None:
        """Refuse to replace what is there unless it is a publication, and that was asked for."""
        if not self._path.exists() or (self._is_folder and self._path.is_dir() and not any(self._path.iterdir())):
            return
        if self._path.is_dir() != self._is_folder or not self._is_ours(self._path):
            raise CatalogError(f"{self._path} holds something that is no such publication; choose another path")
        if not overwrite:
            raise CatalogError(_there_already(str(self._path)))

    def take(self, written: Path) -> None:
        """Give what was written the target's name."""
        if not self._path.is_dir():
            written.replace(self._path)
            return
        # A directory does not replace another; the older one is away for the moment between two renames.
        former = self._path.rename(written.with_name("former"))
        try:
            written.rename(self._path)
        except BaseException:
            former.rename(self._path)
            raise

    def take_beside(self, suffix: str, text: str) -> None:
        """Write a small file of the target's name with a suffix."""
        path = self._path.with_name(self._path.name + suffix)
        temporary = path.with_name(f".{path.name}.partial")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


class StorePlace:
    """A store that cannot rename: an object store, or one that the caller opened."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name = "segscape"

    def beside(self) -> None:
        """The machine's directory of temporary files."""

    def check(self, overwrite: bool) -> None:
        """As for `LocalPlace`."""
        unfinished = _UNFINISHED in names(self._store, "")
        if not unfinished and is_empty(self._store):
            return
        if not unfinished and not is_marked(self._store):
            raise CatalogError(
                f"{store_name(self._store)} holds something that is no publication; choose another place"
            )
        if not overwrite:
            where = store_name(self._store)
            raise CatalogError(
                f"{where} holds a publication that was not finished; pass overwrite=True (--overwrite) to write it anew"
                if unfinished
                else _there_already(where)
            )

    def take(self, written: Path) -> None:
        """Copy what was written, the metadata of the root last; then nobody opens what is not whole."""
        put(self._store, _UNFINISHED, b"")
        remove(self._store, _ROOT)
        for key in keys(self._store, ""):
            if key != _UNFINISHED:
                remove(self._store, key)
        files = [path for path in sorted(written.rglob("*")) if path.is_file() and path != written / _ROOT]
        for path in [*files, written / _ROOT]:
            put(self._store, path.relative_to(written).as_posix(), path.read_bytes())
        remove(self._store, _UNFINISHED)


def _there_already(where: str) -> str:
    return f"{where} is there already; pass overwrite=True (--overwrite) to replace it, or choose another path"
