"""What is known of every image, in one Zarr store that opens in xarray while runs go on."""

import os
from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from zarr.abc.store import Store

from toolkit.catalog.blocks import OwnedBlock, claim_block
from toolkit.catalog.claims import Owner
from toolkit.catalog.covariates import Images, check_same_kinds, images_with_covariates, join_segments, to_array
from toolkit.catalog.errors import ERROR_CODES, CatalogError
from toolkit.catalog.failures import read_failures
from toolkit.catalog.labels import LabelFolder, LabelPlace
from toolkit.catalog.layout import DONE, FAILED, FORMAT_ATTRIBUTE, FORMAT_VERSION, RESULT_FIELDS, STATUS_NAMES
from toolkit.catalog.objects import is_empty, open_store
from toolkit.catalog.records import RunRecord, RunSettings, list_runs, read_record, record_run
from toolkit.catalog.results import (
    Results,
    SegmentShape,
    empty_values,
    read_results,
)
from toolkit.catalog.segments import list_segments, next_segment, read_covariates, read_uris, write_segment
from toolkit.sources import normalize_uri


class Catalog:
    """Every image and every result, in a Zarr v3 store.

    Make one with `Catalog.create` or `Catalog.open`. Images are rows, numbered from 0 in the order in which they were
    added; runs are models and protocols applied to them.

    Examples
    --------
    >>> cat = Catalog.create("data_catalog/demo.zarr", images="photos/**/*.jpg")  # doctest: +SKIP
    >>> cat.to_xarray().composition.sel(class_name="person").mean()  # doctest: +SKIP
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    def create(
        cls,
        location: str | os.PathLike[str] | Store,
        images: Images,
        *,
        covariates: pd.DataFrame | None = None,
        block_size: int | None = None,
        exist_ok: bool = False,
    ) -> "Catalog":
        """Create a catalog of images.

        Parameters
        ----------
        location : str, path or zarr.abc.store.Store
            Where; a directory that does not exist yet or is empty. ``data_catalog:demo.zarr`` lies in the data catalog.
        images : str, path, iterable of those, or pandas.DataFrame
            A glob, a directory, an image, a table (CSV or Parquet with a column ``uri``), a list of paths and URIs.
        covariates : pandas.DataFrame, optional
            What else is known of the images, keyed by URI: see `add`.
        block_size : int, optional
            Images per block, the unit of work that a driver claims; chosen by the number of images if left out.
        exist_ok : bool
            Open a catalog that is there already, and add those images that it lacks.

        Returns
        -------
        Catalog
            Open.

        Raises
        ------
        NoImagesError
            Nothing matches ``images``.
        CatalogError
            The location holds a catalog already (and ``exist_ok`` is False), or something else.
        """
        if block_size is not None and (
            not isinstance(block_size, int) or isinstance(block_size, bool) or block_size < 1
        ):
            raise ValueError(f"block_size must be a whole number of at least 1, not {block_size!r}")
        store = open_store(location)
        exists = not is_empty(store)
        if exists and not _is_catalog(store):
            raise CatalogError(f"{_name(store)} holds something that is not a catalog; choose another path")
        if exists and not exist_ok and list_segments(store):
            raise CatalogError(
                f"{_name(store)} holds a catalog already; open it with Catalog.open, or pass exist_ok=True to add to it"
            )
        catalog = cls(store)
        uris, table = images_with_covariates(images, covariates)
        if not exists:
            zarr.create_group(store, attributes={FORMAT_ATTRIBUTE: {"format": FORMAT_VERSION}})
        catalog._check_format()
        catalog._append(uris, table, block_size)
        return catalog

    @classmethod
    def open(cls, location: str | os.PathLike[str] | Store) -> "Catalog":
        """Open a catalog that exists.

        Raises
        ------
        CatalogError
            Nothing lies there, something else does, or a newer version of the toolkit wrote it.
        """
        store = open_store(location)
        if not _is_catalog(store):
            what = "nothing" if is_empty(store) else "something that is not a catalog"
            raise CatalogError(f"{_name(store)} holds {what}; make a catalog with Catalog.create(location, images=…)")
        catalog = cls(store)
        catalog._check_format()
        return catalog

    def add(self, images: Images, covariates: pd.DataFrame | None = None) -> int:
        """Add images; those whose URI is known already are skipped, and what is known of them stays as it is.

        Parameters
        ----------
        images : str, path, iterable of those, or pandas.DataFrame
            As for `create`.
        covariates : pandas.DataFrame, optional
            One row per image, with the URI as index or as column ``uri``; one column per covariate (lat, lon, date, …).
            Images without a row have missing values.

        Returns
        -------
        int
            How many images were added.

        Raises
        ------
        NoImagesError
            Nothing matches ``images``.
        ValueError
            A covariate has a name that results use, or no row of the covariates belongs to an image.
        """
        return self._append(*images_with_covariates(images, covariates), None)

    def images(self) -> xr.Dataset:
        """The images: ``uri`` as a coordinate over ``image`` and one variable per covariate."""
        return self._images(self.segments())

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: counts by status, settings, origin.

        ``first_write`` and ``last_write`` (UTC) are when its first image was begun and its last one ended.
        """
        rows = {run_id: self._summary(run_id) for run_id in list_runs(self.store)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run_id")

    def to_xarray(self, run_id: str | Sequence[str] | None = None) -> xr.Dataset:
        """The results of a run, as they are now; safe while the run goes on.

        Parameters
        ----------
        run_id : str or sequence of str, optional
            The run; the newest by default. Several are aligned along a dimension ``run``.

        Returns
        -------
        xarray.Dataset
            Over ``image`` (integers, with ``uri`` and the covariates as coordinates): ``composition`` (image,
            class_name), a fraction per class that sums to 1 where ``status`` is ``"done"`` and NaN elsewhere;
            ``status`` (``"pending"``, ``"done"``, ``"failed"``), ``attempts``, ``error`` (a code, ``""`` if none),
            ``engine``, ``started`` (UTC), ``seconds``, ``height`` and ``width`` (pixels).

        Raises
        ------
        CatalogError
            There is no such run, or none at all.
        """
        if run_id is not None and not isinstance(run_id, str):
            if not run_id:
                raise ValueError("run_id is an empty sequence; give the ids of one or more runs, or None")
            datasets = [self.to_xarray(one) for one in run_id]
            return xr.concat(
                datasets, dim=pd.Index(list(run_id), name="run"), join="outer", combine_attrs="drop_conflicts"
            )
        run_id, record = self._run(run_id)
        class_names = record.settings.class_names
        segments = self.segments()  # once: another process may be adding images
        results = [self.read_results(run_id, shape).values for shape in segments]
        results.append(empty_values(0, len(class_names)))
        values = {field.name: np.concatenate([part[field.name] for part in results]) for field in RESULT_FIELDS}
        images = self._images(segments)
        status = values["status"]
        values["composition"][status != DONE] = np.nan
        return xr.Dataset(
            {
                "composition": (("image", "class_name"), values["composition"]),
                "status": ("image", STATUS_NAMES[status]),
                "attempts": ("image", values["attempts"]),
                "error": ("image", np.array(ERROR_CODES, dtype=object)[values["error"]]),
                "engine": ("image", values["engine"]),
                "started": ("image", _times(values["started"])),
                "seconds": ("image", values["seconds"]),
                "height": ("image", values["height"]),
                "width": ("image", values["width"]),
            },
            coords={**images.coords, **images.data_vars, "class_name": np.array(class_names, dtype=object)},
            attrs={"run_id": run_id, "model": record.settings.model, "created": record.created},
        )

    def labels(self, run_id: str | None, image: int | str | os.PathLike[str]) -> np.ndarray:
        """The label map of one image.

        Parameters
        ----------
        run_id : str or None
            The run; the newest if None.
        image : int or str
            Row of the image, or its URI.

        Returns
        -------
        numpy.ndarray
            uint8, or uint16 for more than 256 classes, ``(height, width)``.

        Raises
        ------
        KeyError
            There is no such image, or it has no label map: it is not done, or the run kept none.
        """
        run_id, _ = self._run(run_id)
        shape, row = self._locate(image)
        result = self.read_results(run_id, shape, slice(row, row + 1))
        values = {name: array[0] for name, array in result.values.items()}
        if values["status"] != DONE:
            raise KeyError(f"image {image!r} has no label map in run {run_id}: it is {STATUS_NAMES[values['status']]}")
        if values["label_part"] < 0:
            raise KeyError(f"image {image!r} has no label map: run {run_id} was made with labels=False")
        folder = LabelFolder(self.store, run_id, shape.segment, row // shape.block_size, int(result.generation[0]))
        place = LabelPlace(int(values["label_part"]), int(values["label_offset"]))
        return folder.read(place, int(values["height"]), int(values["width"]))

    def palette(self, run_id: str | None = None) -> dict[str, tuple[int, int, int]]:
        """RGB colour (0…255) of each class of a run, the newest by default; empty if the model had none."""
        _, record = self._run(run_id)
        return dict(zip(record.settings.class_names, record.settings.palette, strict=False))

    def errors(self, run_id: str | None = None) -> pd.DataFrame:
        """The images that failed: uri, error, attempts, engine, time (UTC) and message; one row each.

        Parameters
        ----------
        run_id : str, optional
            The run; the newest by default.
        """
        run_id, _ = self._run(run_id)
        logged = {(entry.segment, entry.row, entry.generation): entry for entry in read_failures(self.store, run_id)}
        rows: dict[Hashable, dict[str, Any]] = {}
        first = 0
        for shape in self.segments():
            results = self.read_results(run_id, shape, fields=["attempts", "error", "engine", "started"])
            values = results.values
            failed = np.flatnonzero(values["status"] == FAILED)
            uris = read_uris(self.store, shape) if failed.size else np.empty(0, dtype=object)
            for row in failed.tolist():
                entry = logged.get((shape.segment, row, int(results.generation[row])))
                rows[first + row] = {
                    "uri": uris[row],
                    "error": ERROR_CODES[values["error"][row]],
                    "attempts": int(values["attempts"][row]),
                    "engine": values["engine"][row],
                    "time": _times(values["started"][row]),
                    "message": entry.message if entry else "",
                }
            first += shape.n_images
        columns = ["uri", "error", "attempts", "engine", "time", "message"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("image")

    # What drivers need.

    def segments(self) -> list[SegmentShape]:
        """The catalog's segments, in the order of their images."""
        return list_segments(self.store)

    def start_run(self, settings: RunSettings) -> str:
        """Enter a run, or find it if the same settings ran before; its id."""
        return record_run(self.store, settings)

    def claim(self, run_id: str, shape: SegmentShape, block: int, owner: Owner) -> OwnedBlock:
        """Claim the next generation of a block for an owner."""
        return claim_block(self.store, run_id, shape, block, owner)

    def uris(self, shape: SegmentShape, rows: slice) -> np.ndarray:
        """URIs of some rows of a segment."""
        return read_uris(self.store, shape, rows)

    def read_results(
        self, run_id: str, shape: SegmentShape, rows: slice | None = None, fields: Collection[str] | None = None
    ) -> Results:
        """Merged results of a segment, or of some of its rows, or only the status and some fields of them."""
        n_classes = len(read_record(self.store, run_id).settings.class_names)
        return read_results(self.store, run_id, shape, n_classes, rows or slice(0, shape.n_images), fields)

    def read_status(self, run_id: str, shape: SegmentShape) -> np.ndarray:
        """Merged status numbers of a segment, uint8 ``(n_images,)``."""
        return read_results(self.store, run_id, shape, 0, slice(0, shape.n_images), fields=()).status

    def __len__(self) -> int:
        return sum(shape.n_images for shape in self.segments())

    def __repr__(self) -> str:
        return f"<Catalog {_name(self.store)}: {len(self):,} images, {len(list_runs(self.store))} runs>"

    def _images(self, segments: Sequence[SegmentShape]) -> xr.Dataset:
        covariates = join_segments([read_covariates(self.store, shape) for shape in segments])
        uris = np.concatenate([np.empty(0, dtype=object), *(read_uris(self.store, shape) for shape in segments)])
        return xr.Dataset(
            {str(name): ("image", to_array(covariates[name])) for name in covariates},
            coords={"image": np.arange(len(uris)), "uri": ("image", uris)},
        )

    def _append(self, uris: Sequence[str], covariates: pd.DataFrame, block_size: int | None) -> int:
        known = {uri for shape in self.segments() for uri in read_uris(self.store, shape)}
        new = [position for position, uri in enumerate(uris) if uri not in known]
        if new:
            table = covariates.iloc[new].reset_index(drop=True)
            for shape in self.segments():
                check_same_kinds(read_covariates(self.store, shape), table)
            write_segment(self.store, next_segment(self.store), [uris[position] for position in new], table, block_size)
        return len(new)

    def _check_format(self) -> None:
        found = zarr.open_group(self.store, mode="r").attrs[FORMAT_ATTRIBUTE]
        version = found.get("format") if isinstance(found, dict) else found
        if version != FORMAT_VERSION:
            raise CatalogError(
                f"{_name(self.store)} has format {version}, but this version of the toolkit reads {FORMAT_VERSION}; "
                "update the toolkit"
            )

    def _run(self, run_id: str | None) -> tuple[str, RunRecord]:
        known = list_runs(self.store)
        if not known:
            raise CatalogError(f"{_name(self.store)} has no runs yet; start one with toolkit.segment(catalog, model)")
        if run_id is not None and run_id not in known:
            raise CatalogError(f"{_name(self.store)} has no run {run_id!r}; there are {', '.join(known)}")
        chosen = known[-1] if run_id is None else run_id
        return chosen, read_record(self.store, chosen)

    def _locate(self, image: int | str | os.PathLike[str]) -> tuple[SegmentShape, int]:
        """Segment and row in it of an image."""
        if isinstance(image, str | os.PathLike):
            uri = normalize_uri(image)
            for shape in self.segments():
                found = np.flatnonzero(read_uris(self.store, shape) == uri)
                if found.size:
                    return shape, int(found[0])
        elif image >= 0:
            row = int(image)
            for shape in self.segments():
                if row < shape.n_images:
                    return shape, row
                row -= shape.n_images
        raise KeyError(f"{_name(self.store)} has no image {image!r}; its {len(self)} images are numbered from 0")

    def _summary(self, run_id: str) -> dict[str, Any]:
        record = read_record(self.store, run_id)
        fields = ["started", "seconds"]
        results = [self.read_results(run_id, shape, fields=fields).values for shape in self.segments()]
        results.append(empty_values(0, 0, fields))
        status, started, seconds = (
            np.concatenate([values[name] for values in results]) for name in ("status", "started", "seconds")
        )
        written = started >= 0
        ended = started[written] + 1000 * np.nan_to_num(seconds[written])
        counts = {str(name): int(np.sum(status == number)) for number, name in enumerate(STATUS_NAMES)}
        protocol = dict(record.settings.protocol)
        protocol["scales"] = ", ".join(f"{scale:g}" for scale in protocol["scales"])
        return {
            "model": record.settings.model,
            "images": status.size,
            **counts,
            "created": pd.Timestamp(record.created).tz_localize(None),
            "first_write": _times(started[written].min()) if written.any() else pd.NaT,
            "last_write": _times(ended.max().astype(np.int64)) if written.any() else pd.NaT,
            **protocol,
            "model_digest": record.settings.model_digest,
            **record.by,
        }


def _is_catalog(store: Store) -> bool:
    try:
        return FORMAT_ATTRIBUTE in zarr.open_group(store, mode="r").attrs
    except (FileNotFoundError, ValueError):  # nothing, an array, or metadata that is no JSON
        return False


def _name(store: Store) -> str:
    return str(getattr(store, "root", store))


def _times(milliseconds: Any) -> Any:
    times = np.asarray(milliseconds, dtype=np.int64)
    return np.where(times < 0, np.datetime64("NaT"), times.astype("datetime64[ms]"))[()]
