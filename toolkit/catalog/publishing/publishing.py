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
from zarr.errors import UnstableSpecificationWarning, ZarrUserWarning
from zarr.storage import LocalStore

from toolkit import arguments
from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.columns import encode
from toolkit.catalog.format.layout import PENDING
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.publishing.csv_files import csv_description, write_csv
from toolkit.catalog.publishing.places import LocalPlace, StorePlace, is_marked
from toolkit.catalog.publishing.publication import PER_CLASS, Publication
from toolkit.catalog.reading.descriptions import DESCRIPTIONS
from toolkit.catalog.reading.texts import as_text
from toolkit.catalog.store.objects import open_store, store_name
from toolkit.paths import expand
from toolkit.sources.uris import local_path

PublicationFormat = Literal["zarr", "parquet", "csv", "icechunk"]

_COMPRESSION = ZstdCodec(level=9, checksum=True)
_MOST_ROWS = 2**16
_MOST_NUMBERS = 2**24  # of one variable in memory
_CHUNK_NUMBERS = 2**20
_MOST_CHARACTERS = 2**10  # of a text in an array of fixed width


def publish_run(
    run: RunResults,
    target: str | os.PathLike[str] | Store,
    *,
    format: PublicationFormat | None = None,
    partial: bool = False,
    overwrite: bool = False,
) -> None:
    """Publish a run; see `Catalog.publish`."""
    if not isinstance(target, Store):
        target = expand(os.fspath(target))
        target = local_path(target) or target
    chosen = _checked_format(target, format)
    write, is_ours, is_folder = _FORMATS[chosen]
    if chosen == "icechunk":
        _icechunk()
    if not run.tables.shown.size:
        raise CatalogError(f"there is nothing to publish: {store_name(run.store)} has no images; add some first")
    if not partial and (pending := run.counts()[PENDING]):
        raise CatalogError(
            f"run {run.run_id} has {pending:,} pending images; finish it, or pass partial=True (--partial) to publish "
            "what is done"
        )
    place: LocalPlace | StorePlace
    if isinstance(target, Store) or "://" in target:
        if chosen != "zarr":
            raise CatalogError(f"{target} cannot take {chosen}: only Zarr can be published to a URL or a store")
        place = StorePlace(open_store(target))
    else:
        place = LocalPlace(Path(target).expanduser().resolve(), is_folder, is_ours)
        place.check_outside(run.store)
    place.check(overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", suffix=".partial", dir=place.beside()) as folder:
        written = Path(folder) / "written"
        publication = Publication(run)
        with warnings.catch_warnings():
            # xarray and zarr write and read it, and no version of Zarr that does not know it is disturbed by it.
            warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
            # Texts of fixed width are in the registry of Zarr's extensions by now, as fixed-length-utf32.
            warnings.simplefilter("ignore", UnstableSpecificationWarning)
            write(publication, written)
        place.check(overwrite)  # somebody may have been quicker
        place.take(written)
        if chosen == "csv" and isinstance(place, LocalPlace):
            place.take_beside(".json", csv_description(publication))


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
    zarr.consolidate_metadata(LocalStore(path))


def _write_icechunk(publication: Publication, path: Path) -> None:
    icechunk = _icechunk()
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    session = repository.writable_session("main")
    _write_arrays(publication, session.store)
    attributes = publication.attributes()
    snapshot = session.commit(attributes["title"], metadata={"run_id": attributes["run_id"]})
    repository.create_tag(attributes["run_id"], snapshot_id=snapshot)


def _write_arrays(publication: Publication, store: Store) -> None:
    """Write everything as Zarr arrays that xarray knows for one dataset."""
    group = zarr.create_group(store, overwrite=True, zarr_format=3)
    arrays: dict[str, zarr.Array[Any]] = {}
    # Texts have a fixed width where they can: those of a variable one open as a type by which xarray neither selects
    # (`where`) nor finds (`idxmax`).
    array = group.create_array("class_name", data=as_text(publication.class_names), dimension_names=("class_name",))
    array.attrs.put(DESCRIPTIONS["class_name"])
    first = 0
    for block in publication.blocks(_rows_at_once(publication)):
        n_rows = len(block["image"])
        for name, values in block.items():
            if name not in arrays:
                arrays[name] = _create_array(group, publication, name, values)
            arrays[name][first : first + n_rows] = encode(values)[0].astype(arrays[name].dtype, copy=False)
        first += n_rows
    # xarray tells coordinates by this attribute, whose names are separated by spaces.
    coordinates = [name for name in publication.coordinates if " " not in name]
    # As text what has more than one value: netCDF, to which such a dataset may be written, knows no lists of lists.
    attributes = {
        name: json.dumps(value) if isinstance(value, list) else value
        for name, value in publication.attributes().items()
    }
    group.attrs.put({**attributes, "coordinates": " ".join(coordinates)})


def _create_array(group: zarr.Group, publication: Publication, name: str, values: np.ndarray) -> "zarr.Array[Any]":
    encoded, attributes = encode(values)
    width = publication.width_of_texts(name)
    if width is not None and width > _MOST_CHARACTERS:
        width = None
    dtype = encoded.dtype if width is None else np.dtype(f"<U{width}")
    rows = _rows_at_once(publication)
    while rows * (encoded.shape[1] if name in PER_CLASS else width or 1) > _CHUNK_NUMBERS and rows > 1:
        rows //= 2
    array = group.create_array(
        name,
        shape=(publication.n_images, *encoded.shape[1:]),
        chunks=(min(rows, publication.n_images), *encoded.shape[1:]),
        dtype=dtype,
        fill_value=np.nan if dtype.kind == "f" else None,
        compressors=_COMPRESSION,
        dimension_names=("image", "class_name") if name in PER_CLASS else ("image",),
    )
    array.attrs.put({**DESCRIPTIONS.get(name, {}), **attributes})
    return array


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
    write_csv(publication.tables(_rows_at_once(publication)), path)


def _description(publication: Publication) -> str:
    """What a format says of a run that has no place for it in the file itself."""
    return json.dumps({**publication.attributes(), **publication.counts_of_all()}, indent=2)


# What may be replaced: a publication of the same format, and nothing else.


def _is_zarr(path: Path) -> bool:
    return is_marked(LocalStore(path, read_only=True))


def _is_icechunk(path: Path) -> bool:
    if not (path / "refs").is_dir():  # looking for a repository would make folders
        return False
    icechunk = _icechunk()
    try:
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
        return is_marked(repository.readonly_session("main").store)
    except icechunk.IcechunkError:
        return False


def _is_file(path: Path) -> bool:
    return path.is_file()


def _icechunk() -> Any:
    try:
        import icechunk
    except ImportError as error:
        raise CatalogError(
            "a publication as Icechunk needs the package icechunk, which the extra of that name installs: "
            "pip install icechunk; or choose .zarr, .parquet or .csv"
        ) from error
    return icechunk


_FORMATS: dict[PublicationFormat, tuple[Callable[[Publication, Path], None], Callable[[Path], bool], bool]] = {
    "zarr": (_write_zarr, _is_zarr, True),
    "parquet": (_write_parquet, _is_file, False),
    "csv": (_write_csv, _is_file, False),
    "icechunk": (_write_icechunk, _is_icechunk, True),
}
"""How each format is written, whether what lies at a path is of it, and whether that is a directory."""
