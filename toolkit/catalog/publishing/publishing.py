"""A run written out as one compact file or store of its own, for people who have no catalog.

Everything is written beside its target first and gets the target's name when it is whole. So nothing half-written ever
bears that name, and what bore it before stays until then. Object stores cannot rename: there the finished store is
copied, its root's metadata last, and until then a note says that the publication is not whole.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.codecs import ZstdCodec
from zarr.errors import ZarrUserWarning
from zarr.storage import LocalStore

from toolkit import arguments
from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.columns import encode
from toolkit.catalog.format.layout import PENDING
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.publishing.places import LocalPlace, StorePlace, is_marked
from toolkit.catalog.publishing.publication import PER_CLASS, Publication
from toolkit.catalog.reading.descriptions import DESCRIPTIONS
from toolkit.catalog.store.objects import open_store
from toolkit.paths import expand

PublicationFormat = Literal["zarr", "parquet", "csv", "icechunk"]

_COMPRESSION = ZstdCodec(level=9, checksum=True)
_MOST_ROWS = 2**16
_MOST_NUMBERS = 2**24  # of one variable in memory
_CHUNK_NUMBERS = 2**20


def publish_run(
    run: RunResults,
    target: str | os.PathLike[str] | Store,
    *,
    format: PublicationFormat | None = None,
    partial: bool = False,
    overwrite: bool = False,
) -> None:
    """Publish a run; see `Catalog.publish`."""
    chosen = _checked_format(target, format)
    write, is_ours, is_folder = _FORMATS[chosen]
    if not partial and (pending := run.counts()[PENDING]):
        raise CatalogError(
            f"run {run.run_id} has {pending:,} pending images; finish it, or pass partial=True (--partial) to publish "
            "what is done"
        )
    place: LocalPlace | StorePlace
    if isinstance(target, Store) or "://" in os.fspath(target):
        if chosen != "zarr":
            raise CatalogError(f"{target} cannot take {chosen}: only Zarr can be published to a URL or a store")
        place = StorePlace(open_store(target))
    else:
        place = LocalPlace(Path(expand(os.fspath(target))).expanduser().resolve(), is_folder, is_ours)
        place.check_outside(run.store)
    place.check(overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", suffix=".partial", dir=place.beside()) as folder:
        written = Path(folder) / "written"
        write(Publication(run), written)
        place.check(overwrite)  # somebody may have been quicker
        place.take(written)
        if chosen == "csv" and isinstance(place, LocalPlace):
            place.take_beside(".json", _description(Publication(run)))


def _checked_format(target: str | os.PathLike[str] | Store, format: str | None) -> PublicationFormat:
    formats: tuple[PublicationFormat, ...] = get_args(PublicationFormat)
    if format is not None:
        return arguments.choice("format", format, formats)
    if isinstance(target, Store):
        return "zarr"
    suffix = Path(os.fspath(target)).suffix.removeprefix(".").lower()
    for known in formats:
        if known == suffix:
            return known
    raise ValueError(
        f"target {os.fspath(target)!r} does not say its format; "
        "let it end in .zarr, .parquet, .csv or .icechunk (or, in Python, pass format=)"
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
    group = zarr.create_group(store, overwrite=True, zarr_format=3)
    class_names, attributes = encode(np.array(publication.class_names, dtype=object))
    array = group.create_array("class_name", data=class_names, dimension_names=("class_name",))
    array.attrs.put({**DESCRIPTIONS["class_name"], **attributes})
    arrays: dict[str, zarr.Array[Any]] = {}
    for block in publication.blocks(_rows_at_once(publication)):
        first, n_rows = int(block["image"][0]), len(block["image"])
        for name, values in block.items():
            encoded, attributes = encode(values)
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
    return is_marked(LocalStore(path, read_only=True))


def _is_icechunk(path: Path) -> bool:
    if not (path / "refs").is_dir():  # looking for a repository would make folders
        return False
    icechunk = _icechunk(path)
    try:
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
        return is_marked(repository.readonly_session("main").store)
    except icechunk.IcechunkError:
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
