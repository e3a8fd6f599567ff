"""A run written out as one compact file or store of its own, for people who have no catalog.

Everything is written beside its target first and gets the target's name when it is whole. So nothing half-written ever
bears that name, and what bore it before stays until then. Object stores cannot rename: there the finished store is
copied, its root's metadata last, and until then a note says that the publication is not whole.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.codecs import ZstdCodec
from zarr.errors import ZarrUserWarning
from zarr.storage import LocalStore

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.layout import PENDING
from toolkit.catalog.format.results import SegmentShape, read_results
from toolkit.catalog.publishing.publication import MARK, PER_CLASS, Publication
from toolkit.catalog.reading.descriptions import DESCRIPTIONS
from toolkit.catalog.store.objects import is_empty, keys, names, open_store, put, remove, store_name
from toolkit.paths import expand

PublicationFormat = Literal["zarr", "parquet", "csv", "icechunk"]

_ROOT = "zarr.json"
_UNFINISHED = "publishing.partial"
_COMPRESSION = ZstdCodec(level=9, checksum=True)
_MOST_ROWS = 2**16
_MOST_NUMBERS = 2**24  # of one variable in memory
_CHUNK_NUMBERS = 2**20


def publish_run(
    store: Store,
    run_id: str,
    target: str | os.PathLike[str] | Store,
    segments: Sequence[SegmentShape],
    *,
    format: PublicationFormat | None = None,
    partial: bool = False,
    overwrite: bool = False,
) -> None:
    """Publish a run that exists; see `Catalog.publish`."""
    chosen = _checked_format(target, format)
    write, is_ours, is_folder = _FORMATS[chosen]
    if not partial:
        _check_finished(store, run_id, segments)
    place: _LocalPlace | _StorePlace
    if isinstance(target, Store) or "://" in os.fspath(target):
        if chosen != "zarr":
            raise CatalogError(f"{target} cannot take {chosen}: only Zarr can be published to a URL or a store")
        place = _StorePlace(open_store(target))
    else:
        place = _LocalPlace(Path(expand(os.fspath(target))).expanduser().resolve(), is_folder, is_ours)
        place.check_outside(store)
    place.check(overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", suffix=".partial", dir=place.beside()) as folder:
        written = Path(folder) / "written"
        write(Publication(store, run_id, segments), written)
        place.check(overwrite)  # somebody may have been quicker
        place.take(written)
        if chosen == "csv" and isinstance(place, _LocalPlace):
            place.take_beside(".json", _description(Publication(store, run_id, segments)))


def _checked_format(target: str | os.PathLike[str] | Store, format: str | None) -> PublicationFormat:
    formats: tuple[PublicationFormat, ...] = get_args(PublicationFormat)
    if format is None and isinstance(target, Store):
        return "zarr"
    suffix = "" if isinstance(target, Store) else Path(os.fspath(target)).suffix.removeprefix(".").lower()
    for known in formats:
        if known == (suffix if format is None else format):
            return known
    if format is not None:
        raise ValueError(f"format={format!r} is not one of {', '.join(map(repr, formats))}")
    raise ValueError(
        f"target {os.fspath(target)!r} does not say its format; "  # type: ignore[arg-type]
        "let it end in .zarr, .parquet, .csv or .icechunk (or, in Python, pass format=)"
    )


def _check_finished(store: Store, run_id: str, segments: Sequence[SegmentShape]) -> None:
    pending = sum(
        int(np.sum(read_results(store, run_id, shape, 0, slice(0, shape.n_images), fields=()).status == PENDING))
        for shape in segments
    )
    if pending:
        raise CatalogError(
            f"run {run_id} has {pending:,} pending images; finish it, or pass partial=True (--partial) to publish what "
            "is done"
        )


# The formats: each writes a whole publication to a path where nothing is.


def _write_zarr(publication: Publication, path: Path) -> None:
    _write_arrays(publication, LocalStore(path))
    with warnings.catch_warnings():
        # xarray and zarr write and read it, and no version of Zarr that does not know it is disturbed by it.
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        zarr.consolidate_metadata(LocalStore(path))


def _write_icechunk(publication: Publication, path: Path) -> None:
    icechunk = _icechunk(path)
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    session = repository.writable_session("main")
    _write_arrays(publication, session.store)
    attributes = publication.attributes()
    snapshot = session.commit(attributes["title"], metadata={"run_id": attributes["run_id"]})
    repository.create_tag(attributes["run_id"], snapshot_id=snapshot)


def _write_arrays(publication: Publication, store: Store) -> None:
    """Write everything as Zarr arrays that xarray knows for one dataset."""
    group = zarr.create_group(store, overwrite=True)
    class_names, attributes = _encoded(np.array(publication.class_names, dtype=object))
    array = group.create_array("class_name", data=class_names, dimension_names=("class_name",))
    array.attrs.put({**DESCRIPTIONS["class_name"], **attributes})
    arrays: dict[str, zarr.Array[Any]] = {}
    for block in publication.blocks(_rows_at_once(publication)):
        first, n_rows = int(block["image"][0]), len(block["image"])
        for name, values in block.items():
            encoded, attributes = _encoded(values)
            if name not in arrays:
                arrays[name] = _create_array(group, publication, name, encoded)
                arrays[name].attrs.put({**DESCRIPTIONS.get(name, {}), **attributes})
            arrays[name][first : first + n_rows] = encoded
    # xarray tells coordinates by this attribute, whose names are separated by spaces.
    coordinates = [name for name in publication.coordinates if " " not in name]
    group.attrs.put({**publication.attributes(), "coordinates": " ".join(coordinates)})


def _create_array(group: zarr.Group, publication: Publication, name: str, values: np.ndarray) -> "zarr.Array[Any]":
    rows = _rows_at_once(publication)
    while name in PER_CLASS and rows * values.shape[1] > _CHUNK_NUMBERS and rows > 1:
        rows //= 2
    return group.create_array(
        name,
        shape=(publication.n_images, *values.shape[1:]),
        chunks=(min(rows, publication.n_images), *values.shape[1:]),
        dtype=values.dtype,
        fill_value=np.nan if values.dtype.kind == "f" else None,
        compressors=_COMPRESSION,
        dimension_names=("image", "class_name") if name in PER_CLASS else ("image",),
    )


def _encoded(values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Values as a type that Zarr v3 specifies, with attributes by which xarray decodes them."""
    if values.dtype.kind == "M":
        missing = np.iinfo(np.int64).min  # what NaT is
        times = values.astype("datetime64[us]").astype(np.int64)
        return times, {"units": "microseconds since 1970-01-01", "_FillValue": missing}
    return (values.astype(np.dtypes.StringDType()) if values.dtype == object else values), {}


def _rows_at_once(publication: Publication) -> int:
    """Rows of a block in memory, which is a chunk of every array (image): a power of two."""
    rows = _MOST_ROWS
    while rows > 1 and rows * len(publication.class_names) > _MOST_NUMBERS:
        rows //= 2
    return rows


def _write_parquet(publication: Publication, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    tables = (
        pa.Table.from_pandas(table, preserve_index=False) for table in publication.tables(_rows_at_once(publication))
    )
    first = next(tables)  # a catalog has images
    # Where pandas looks for a table's `attrs`.
    metadata = {**(first.schema.metadata or {}), "PANDAS_ATTRS": _description(publication)}
    schema = first.schema.with_metadata(metadata)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        writer.write_table(first.cast(schema))
        for table in tables:
            writer.write_table(table.cast(schema))
        writer.add_key_value_metadata({name: _text(value) for name, value in publication.attributes().items()})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _write_csv(publication: Publication, path: Path) -> None:
    """Rows and nothing else: what says where they come from lies beside them, in a file of its own."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, table in enumerate(publication.tables(_rows_at_once(publication))):
            table.to_csv(file, index=False, header=number == 0, lineterminator="\n")


def _description(publication: Publication) -> str:
    """What a format says of a run that has no place for it in the file itself."""
    return json.dumps({**publication.attributes(), **publication.counts_of_all()}, indent=2)


# What may be replaced: a publication of the same format, and nothing else.


def _is_zarr(path: Path) -> bool:
    return _is_marked(LocalStore(path, read_only=True))


def _is_icechunk(path: Path) -> bool:
    if not (path / "refs").is_dir():  # looking for a repository would make folders
        return False
    icechunk = _icechunk(path)
    try:
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
        return _is_marked(repository.readonly_session("main").store)
    except icechunk.IcechunkError:
        return False


def _is_marked(store: Store) -> bool:
    try:
        return MARK in zarr.open_group(store, mode="r").attrs
    except (FileNotFoundError, ValueError):  # nothing, an array, or metadata that is no JSON
        return False


def _is_file(path: Path) -> bool:
    return path.is_file()


def _icechunk(path: Path) -> Any:
    try:
        import icechunk
    except ImportError as error:
        raise CatalogError(f"{path} as icechunk needs icechunk: pip install 'segscape[icechunk]'") from error
    return icechunk


_FORMATS: dict[PublicationFormat, tuple[Callable[[Publication, Path], None], Callable[[Path], bool], bool]] = {
    "zarr": (_write_zarr, _is_zarr, True),
    "parquet": (_write_parquet, _is_file, False),
    "csv": (_write_csv, _is_file, False),
    "icechunk": (_write_icechunk, _is_icechunk, True),
}
"""How each format is written, whether what lies at a path is of it, and whether that is a directory."""


# Where publications go.


class _LocalPlace:
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


class _StorePlace:
    """A store that cannot rename: an object store, or one that the caller opened."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name = "segscape"

    def beside(self) -> None:
        """The machine's directory of temporary files."""

    def check(self, overwrite: bool) -> None:
        """As for `_LocalPlace`."""
        unfinished = _UNFINISHED in names(self._store, "")
        if not unfinished and is_empty(self._store):
            return
        if not unfinished and not _is_marked(self._store):
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
