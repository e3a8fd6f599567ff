"""What is known of every image, in one Zarr store that opens in xarray while runs go on."""

import os
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from zarr.abc.store import Store
from zarr.errors import ContainsGroupError

from toolkit.catalog.claims import Claim, latest_claim
from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.blocks import OwnedBlock, claim_block
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.format.layout import COMMITS, DONE, FORMAT_ATTRIBUTE, FORMAT_VERSION, STATUS_NAMES
from toolkit.catalog.format.records import RunSettings, list_runs, read_record, record_run
from toolkit.catalog.format.results import Results, SegmentShape, read_results, read_status
from toolkit.catalog.format.segments import (
    commit_segment,
    list_segments,
    read_covariates,
    read_uris,
    reserve_segment,
    write_segment,
)
from toolkit.catalog.owners import Owner
from toolkit.catalog.provenance import Origin, Session, read_sessions, record_session
from toolkit.catalog.publishing.publishing import PublicationFormat, publish_run
from toolkit.catalog.reading.covariates import Images, check_same_kinds, images_with_covariates, warn_of_changes
from toolkit.catalog.reading.differences import compare_runs
from toolkit.catalog.reading.views import errors_table, images_dataset, results_datasets, run_summary
from toolkit.catalog.store.objects import is_empty, names, open_store, store_name
from toolkit.catalog.store.remote import RETRY_SECONDS
from toolkit.catalog.verifying.problems import Verification
from toolkit.catalog.verifying.verification import verify_store
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
        fsync: bool = False,
        retry_seconds: float = RETRY_SECONDS,
    ) -> "Catalog":
        """Create a catalog of images.

        Parameters
        ----------
        location : str, path or zarr.abc.store.Store
            Where; a directory that does not exist yet or is empty. ``data_catalog:demo.zarr`` lies in the data catalog.
            ``s3://bucket/folder`` is an object store (extra ``remote``).
        images : str, path, iterable of those, or pandas.DataFrame
            A glob, a directory, an image, a table (CSV or Parquet with a column ``uri``), a list of paths and URIs.
        covariates : pandas.DataFrame, optional
            What else is known of the images, keyed by URI: see `add`.
        block_size : int, optional
            Images per block, the unit of work that a driver claims; chosen by the number of images if left out.
        exist_ok : bool
            Open a catalog that is there already, and add those images that it lacks.
        fsync, retry_seconds
            As for `open`.

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
        store = open_store(location, fsync=fsync, retry_seconds=retry_seconds)
        exists = not is_empty(store)
        if exists and not _is_catalog(store):
            raise CatalogError(f"{_what_else(store)}; choose another path")
        if exists and not exist_ok and list_segments(store):
            raise CatalogError(
                f"{store_name(store)} holds a catalog already; open it with Catalog.open, or pass exist_ok=True to add "
                "to it"
            )
        catalog = cls(store)
        uris, table = images_with_covariates(images, covariates)
        if not exists:
            try:
                zarr.create_group(store, attributes={FORMAT_ATTRIBUTE: {"format": FORMAT_VERSION}})
            except ContainsGroupError:  # somebody was quicker
                if not exist_ok:
                    raise CatalogError(f"somebody else makes a catalog at {store_name(store)} just now") from None
        catalog._check_format()
        catalog._append(uris, table, block_size)
        return catalog

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str] | Store,
        *,
        fsync: bool = False,
        retry_seconds: float = RETRY_SECONDS,
    ) -> "Catalog":
        """Open a catalog that exists.

        Parameters
        ----------
        location : str, path or zarr.abc.store.Store
            Where it lies: a directory, or a URL such as ``s3://bucket/folder``.
        fsync : bool
            Whether what is written through it survives a loss of power of the machine, too: every file is forced to the
            disk, in order. Slower; without it the last seconds before a loss of power may be damaged, which
            `verify` finds. The death of processes alone never needs it.
        retry_seconds : float
            An object store may be away for so long, in the middle of a run too; after that it is an error.

        Raises
        ------
        CatalogError
            Nothing lies there, something else does, or a newer version of the toolkit wrote it.
        """
        store = open_store(location, fsync=fsync, retry_seconds=retry_seconds)
        if not _is_catalog(store):
            if is_empty(store):
                raise CatalogError(
                    f"there is no catalog at {store_name(store)}; make one with Catalog.create(location, images)"
                )
            raise CatalogError(_what_else(store))
        catalog = cls(store)
        catalog._check_format()
        return catalog

    def add(self, images: Images, covariates: pd.DataFrame | None = None) -> int:
        """Add images; those whose URI is known already are skipped, and what is known of them stays as it is.

        A warning says so if covariates are given that differ from those known.

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
        return images_dataset(self.store, self.segments())

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: counts by status, settings, origin.

        ``first_write`` and ``last_write`` (UTC) are when its first image was begun and its last one ended.
        """
        segments = self.segments()
        rows = {run_id: run_summary(self.store, run_id, segments) for run_id in list_runs(self.store)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run_id")

    def settings_that_differ(self) -> list[str]:
        """Columns of `runs` that tell its runs apart: models, protocols, precision."""
        runs = self.runs()
        settings = [read_record(self.store, run_id).settings for run_id in runs.index]
        names = dict.fromkeys(
            name for one in settings for name in ("model", *one.protocol, "precision", *one.options, "model_digest")
        )
        return [name for name in names if name in runs and runs[name].map(str).nunique() > 1]

    def sessions(self, run_id: str | None = None) -> pd.DataFrame:
        """Who worked on a run, the newest by default: one row per driver, oldest first.

        Its columns: ``started`` (UTC), ``user``, ``host``, ``devices``, ``notebook``, ``parameters``, ``commit`` (of
        the working directory's repository, ``+`` if files were changed since) and the versions of packages.
        """
        sessions = read_sessions(self.store, self._run(run_id))
        rows = {
            name: {
                "started": pd.Timestamp(session.started).tz_localize(None),
                **session.origin.columns(),
                "devices": ", ".join(session.devices),
            }
            for name, session in sessions.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("driver")

    def to_xarray(self, run_id: str | Sequence[str] | None = None, *, lazy: bool | None = None) -> xr.Dataset:
        """The results of a run, as they are now; safe while the run goes on.

        Parameters
        ----------
        run_id : str or sequence of str, optional
            The run; the newest by default. Several are aligned along a dimension ``run``.
        lazy : bool, optional
            Whether everything over ``image`` is a dask array, read by blocks of rows when it is computed; by default
            from 200,000 images on. What counts as done is what was done at the call. Opening takes a second then, and
            ``.composition.mean("image").compute()`` never holds all rows in memory.

        Returns
        -------
        xarray.Dataset
            Over ``image`` (integers, with ``uri`` and the covariates as coordinates): ``composition`` (image,
            class_name), a fraction per class that sums to 1 where ``status`` is ``"done"`` and NaN elsewhere;
            ``confidence``, the mean over the pixels of the greatest class probability; ``soft_composition`` (image,
            class_name), the mean class probabilities, if the run was asked for them;
            ``status`` (``"pending"``, ``"done"``, ``"failed"``), ``attempts``, ``error`` (a code, ``""`` if none),
            ``engine``, ``started`` (UTC), ``seconds``, ``height`` and ``width`` (pixels).

        Raises
        ------
        CatalogError
            There is no such run, or none at all.
        """
        segments = self.segments()  # once: another process may be adding images
        if run_id is None or isinstance(run_id, str):
            return results_datasets(self.store, [self._run(run_id)], segments, lazy=lazy)[0]
        if not run_id:
            raise ValueError("run_id is an empty sequence; give the ids of one or more runs, or None")
        datasets = results_datasets(self.store, [self._run(one) for one in run_id], segments, lazy=lazy)
        return xr.concat(datasets, dim=pd.Index(list(run_id), name="run"), join="outer", combine_attrs="drop_conflicts")

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
        run_id = self._run(run_id)
        shape, row = self._locate(image)
        try:
            return self._read_labels(run_id, shape, row, image)
        except CatalogError:  # a driver may have brought the block's label maps into another array just now
            return self._read_labels(run_id, shape, row, image)

    def _read_labels(
        self, run_id: str, shape: SegmentShape, row: int, image: int | str | os.PathLike[str]
    ) -> np.ndarray:
        result = self.read_results(run_id, shape, slice(row, row + 1), ["height", "width", "label_place"])
        values = {name: array[0] for name, array in result.values.items()}
        if values["status"] != DONE:
            raise KeyError(f"image {image!r} has no label map in run {run_id}: it is {STATUS_NAMES[values['status']]}")
        if values["label_place"] < 0:
            raise KeyError(f"image {image!r} has no label map: run {run_id} was made with labels=False")
        folder = LabelFolder(self.store, run_id, shape.segment, row // shape.block_size, int(result.generation[0]))
        place = LabelPlace.unpacked(int(values["label_place"]))
        return folder.read(place, int(values["height"]), int(values["width"]))

    def palette(self, run_id: str | None = None) -> dict[str, tuple[int, int, int]]:
        """RGB colour (0…255) of each class of a run, the newest by default; empty if the model had none."""
        settings = read_record(self.store, self._run(run_id)).settings
        return dict(zip(settings.class_names, settings.palette, strict=False))

    def errors(self, run_id: str | None = None) -> pd.DataFrame:
        """The images that failed: uri, error, attempts, engine, time (UTC) and message; one row each.

        Parameters
        ----------
        run_id : str, optional
            The run; the newest by default.
        """
        return errors_table(self.store, self._run(run_id), self.segments())

    def verify(self, *, repair: bool = False, labels: bool = False) -> Verification:
        """Look for what is damaged, torn, orphaned or inconsistent in the store.

        Parameters
        ----------
        repair : bool
            Mend what can be mended: leftovers are removed, what follows from other things in the store is written anew,
            and images whose results are damaged become pending, so that the next run of the same settings works on them
            again. What a driver that lives may be writing is left alone.
        labels : bool
            Also read every label map; without it only that they are there is checked.

        Returns
        -------
        Verification
            The list of problems; ``clean`` says whether none is left, ``whole`` whether none of them is damage.
        """
        return verify_store(self.store, repair=repair, labels=labels)

    def compare(self, run_a: str | None, run_b: str | None, *, labels: bool = False) -> xr.Dataset:
        """How two runs differ, over the images that are done in both.

        Parameters
        ----------
        run_a, run_b : str or None
            The runs, the newest if None. Their classes are matched by name.
        labels : bool
            Whether label maps are compared too, where both runs kept them.

        Returns
        -------
        xarray.Dataset
            Over ``image`` (rows of the catalog, with ``uri`` and the covariates as coordinates): ``distance``, half the
            sum of the absolute differences of the compositions, from 0 (the same) to 1 (no class in common);
            ``difference`` (image, class_name), the fraction in b minus that in a. Over ``class_name``:
            ``mean_difference``, ``mean_absolute_difference`` and ``correlation`` (Pearson's, NaN where a fraction never
            varies). A covariate of one of these names has ``(covariate)`` behind it. All of them but ``distance`` are
            NaN for a class that only one run knows; for ``distance`` it takes no pixels in the other. ``images``
            (status_a, status_b) counts all images of the catalog. With ``labels``: ``agreement`` (image), the fraction
            of the pixels that have the same class name in both, NaN where a run kept no label map or the file had
            another size. The attributes name runs and models.

        Raises
        ------
        CatalogError
            There is no such run, no image is done in both, or ``labels`` finds no two label maps to compare.

        Examples
        --------
        >>> compared = cat.compare(run_a, run_b)  # doctest: +SKIP
        >>> compared.sortby("distance").uri[-10:]  # where they differ most  # doctest: +SKIP
        """
        return compare_runs(self.store, self._run(run_a), self._run(run_b), self.segments(), labels=labels)

    def publish(
        self,
        run_id: str | None,
        target: str | os.PathLike[str] | Store,
        *,
        format: PublicationFormat | None = None,
        partial: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Write a run as one compact dataset that needs neither the catalog nor this package.

        It bears its name only once it is whole; if writing fails, what was there before stays.

        Parameters
        ----------
        run_id : str or None
            The run; the newest if None.
        target : str, path or zarr.abc.store.Store
            Where. ``.zarr``: a consolidated Zarr store, which ``xarray.open_zarr(target)`` opens, with compositions,
            confidence, status, error and size of every image, units, and attributes that tell run, model and protocol;
            also at a URL such as ``s3://bucket/run.zarr``. ``.parquet`` and ``.csv``: one row per image with uri,
            covariates, status, error, confidence, and a column per class; the same attributes are the table's ``attrs``
            in pandas, or lie beside the CSV in ``….csv.json``.
        format : {"zarr", "parquet", "csv", "icechunk"}, optional
            By the ending of ``target`` if left out. ``"icechunk"`` (extra ``icechunk``): a local Icechunk repository
            whose one snapshot has the run's id as its tag.
        partial : bool
            Publish though images are pending.
        overwrite : bool
            Replace an older publication of the same format, or any file in the case of ``.parquet`` and ``.csv``.

        Raises
        ------
        CatalogError
            There is no such run, images are pending, or the target is there already, holds something else, or needs a
            package that is not installed.
        ValueError
            The format is unknown.
        """
        publish_run(
            self.store,
            self._run(run_id),
            target,
            self.segments(),
            format=format,
            partial=partial,
            overwrite=overwrite,
        )

    # What drivers need.

    def segments(self) -> list[SegmentShape]:
        """The catalog's segments, in the order of their images."""
        return list_segments(self.store)

    def start_run(self, settings: RunSettings, origin: Origin | None = None) -> str:
        """Enter a run, or find it if the same settings ran before; its id."""
        return record_run(self.store, settings, origin)

    def start_session(self, run_id: str, owner: Owner, session: Session) -> None:
        """Note who begins to work on a run."""
        record_session(self.store, run_id, owner.name, session)

    def latest_claim(self, run_id: str, shape: SegmentShape, block: int) -> Claim | None:
        """The newest claim of a block; None if there is none."""
        return latest_claim(self.store, run_id, shape.segment, block)

    def claim(
        self, run_id: str, shape: SegmentShape, block: int, owner: Owner, generation: int = 0
    ) -> OwnedBlock | None:
        """Claim a generation of a block; None if somebody else has it.

        Whether the owner of the one before has ended or lapsed is for the caller to know: see `toolkit.catalog.claims`.
        """
        return claim_block(self.store, run_id, shape, block, owner, generation)

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
        return read_status(self.store, run_id, shape, slice(0, shape.n_images))

    def __len__(self) -> int:
        return sum(shape.n_images for shape in self.segments())

    def __repr__(self) -> str:
        return f"<Catalog {store_name(self.store)}: {len(self):,} images, {len(list_runs(self.store))} runs>"

    def _append(self, uris: Sequence[str], covariates: pd.DataFrame, block_size: int | None) -> int:
        positions = {uri: position for position, uri in enumerate(uris)}
        n_known = 0
        segment: int | None = None
        while True:
            segments = self.segments()
            for shape in segments[n_known:]:
                self._drop_known(shape, positions, covariates)
            n_known = len(segments)
            new = sorted(positions.values())
            if not new:
                return 0
            segment = reserve_segment(self.store, Owner()) if segment is None else segment
            table = covariates.iloc[new].reset_index(drop=True)
            shape = write_segment(self.store, segment, [uris[position] for position in new], table, block_size)
            if commit_segment(self.store, n_known, shape):
                return len(new)

    def _drop_known(self, shape: SegmentShape, positions: dict[str, int], covariates: pd.DataFrame) -> None:
        """Take the images out of ``positions`` that a segment holds already."""
        known_covariates = read_covariates(self.store, shape)
        check_same_kinds(known_covariates, covariates)
        uris_there = read_uris(self.store, shape)
        rows = [row for row, uri in enumerate(uris_there) if uri in positions]
        given = [positions.pop(uri) for uri in uris_there[rows]]
        warn_of_changes(
            known_covariates.iloc[rows].reset_index(drop=True), covariates.iloc[given].reset_index(drop=True)
        )

    def _check_format(self) -> None:
        found = zarr.open_group(self.store, mode="r").attrs[FORMAT_ATTRIBUTE]
        version = found.get("format") if isinstance(found, dict) else found
        if version != FORMAT_VERSION:
            raise CatalogError(
                f"{store_name(self.store)} has format {version}, but this version of the toolkit reads "
                f"{FORMAT_VERSION}; use the version that wrote it, or make a new catalog"
            )

    def _run(self, run_id: str | None) -> str:
        """The id of a run that exists, of which the beginning may be given; the newest if None."""
        known = list_runs(self.store)
        if not known:
            raise CatalogError(
                f"{store_name(self.store)} has no runs yet; start one with toolkit.segment(catalog, model)"
            )
        if run_id is None:
            return known[-1]
        meant = [one for one in known if run_id and one.startswith(run_id)]
        if len(meant) != 1:
            what = "more than one run" if meant else "no run"
            raise CatalogError(f"{store_name(self.store)} has {what} {run_id!r}; there are {', '.join(known)}")
        return meant[0]

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
        raise KeyError(f"{store_name(self.store)} has no image {image!r}; its {len(self)} images are numbered from 0")


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
    return f"{store_name(store)} holds something that is not a catalog"
