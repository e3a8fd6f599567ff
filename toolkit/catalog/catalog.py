"""What is known of every image, in one Zarr store that opens in xarray while runs go on."""

import os
from collections.abc import Collection, Mapping

import pandas as pd
from zarr.abc.store import Store

from toolkit import arguments
from toolkit.catalog.adding import add_images
from toolkit.catalog.asked import AskedRun
from toolkit.catalog.editing import EditedCatalog
from toolkit.catalog.opening import check_catalog, check_free, make_catalog
from toolkit.catalog.publishing.publishing import PublicationFormat, publish_run
from toolkit.catalog.reading.covariates import Images, images_with_covariates
from toolkit.catalog.store.objects import open_store, store_name
from toolkit.catalog.store.remote import RETRY_SECONDS
from toolkit.catalog.verifying.problems import Verification
from toolkit.catalog.verifying.verification import verify_store


class Catalog(EditedCatalog):
    """Every image and every result, in a Zarr v3 store.

    Make one with `Catalog.create` or `Catalog.open`. Images are rows, numbered from 0 in the order in which they were
    added; runs are models and protocols applied to them.

    Examples
    --------
    >>> cat = Catalog.create("data_catalog/demo.zarr", images="photos/**/*.jpg")  # doctest: +SKIP
    >>> cat.to_xarray().composition.sel(class_name="person").mean()  # doctest: +SKIP
    """

    @classmethod
    def create(
        cls,
        location: str | os.PathLike[str] | Store,
        images: Images | None = None,
        *,
        covariates: pd.DataFrame | None = None,
        types: Mapping[str, str] | None = None,
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
        images : str, path, iterable of those, pandas.DataFrame or Listing, optional
            A glob, a directory, an image, a table (CSV or Parquet with a column ``uri``), a list of paths and URIs, or
            what `toolkit.list_images` made of one of these. Left out, the catalog has none yet: see `add`.
        covariates : pandas.DataFrame, optional
            What else is known of the images, keyed by URI: see `add`.
        types : mapping of str to str, optional
            What columns of a table are, by their names: see `toolkit.list_images`.
        block_size : int, optional
            Images per block, the unit of work that a driver claims; chosen by the number of images if left out.
        exist_ok : bool
            Open a catalog that is there already, and add those images that it lacks, and what is new of the others.
            Images that were removed from it stay so.
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
        if block_size is not None:
            arguments.whole_number("block_size", block_size, least=1)
        store = open_store(location, fsync=fsync, retry_seconds=retry_seconds)
        is_free = check_free(store, exist_ok=exist_ok)
        if images is None and covariates is not None:
            raise ValueError("covariates are given, but no images; give images, too: the URIs of covariates, say")
        given = None if images is None else images_with_covariates(images, covariates, types)
        if is_free:
            make_catalog(store, exist_ok=exist_ok)
        check_catalog(store)
        catalog = cls(store)
        if given is not None:
            catalog.addition = add_images(catalog._contents, given, block_size, restore=False)
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
        check_catalog(store)
        return cls(store)

    def add(
        self,
        images: Images,
        covariates: pd.DataFrame | None = None,
        *,
        types: Mapping[str, str] | None = None,
        erase: Collection[str] = (),
    ) -> int:
        """Add images, and what is new of those that are known already.

        Where a covariate of a known image is given that differs from what is known, the new value is shown from now on,
        in all runs; nothing is segmented again. `history` keeps the older ones. The same values again change nothing. A
        missing value takes nothing away, unless ``erase`` says so. Images that were removed are shown again.
        ``addition`` says then what came.

        A covariate may become of another kind: whole numbers become floats where some are missing, and numbers or times
        become texts, as they were written, where one is a text.

        Parameters
        ----------
        images : str, path, iterable of those, pandas.DataFrame or Listing
            As for `create`.
        covariates : pandas.DataFrame, optional
            One row per image, with the URI as index or as column ``uri``; one column per covariate (lat, lon, date, …).
            Images without a row have missing values.
        types : mapping of str to str, optional
            What columns of a table are, by their names: see `toolkit.list_images`.
        erase : collection of str
            Names of covariates of which a missing value takes away what was known of that image.

        Returns
        -------
        int
            How many images were added.

        Raises
        ------
        NoImagesError
            Nothing matches ``images``.
        ValueError
            A covariate has a name that results use, no row of the covariates belongs to an image, or ``erase`` names
            what is no covariate here.
        """
        given = images_with_covariates(images, covariates, types)
        unknown = [erase] if isinstance(erase, str) else sorted(set(erase) - set(given.columns))
        if unknown:
            there = ", ".join(given.columns)
            raise ValueError(f"erase: {unknown[0]!r} is not in a list of covariates given here; there are {there}")
        self.addition = add_images(self._contents, given, erase=erase)
        return self.addition.images

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
        try:
            return verify_store(self.store, repair=repair, labels=labels)
        finally:
            self._contents.forget()

    def publish(
        self,
        run_id: AskedRun | str | os.PathLike[str] | Store = None,
        target: str | os.PathLike[str] | Store | None = None,
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
            The run; the newest if None. May be left out: ``publish("photos.csv")``.
        target : str, path or zarr.abc.store.Store
            Where. ``.zarr``: a consolidated Zarr store, which ``xarray.open_dataset(target, engine="zarr")`` opens,
            with compositions, confidence, status, error and size of every image, units, and attributes that tell run,
            model and protocol; also at a URL such as ``s3://bucket/run.zarr``. ``.parquet`` and ``.csv``: one row per
            image with uri, covariates, status, error, confidence, and a column per class; the same attributes are the
            table's ``attrs`` in pandas, or lie beside the CSV in ``….csv.json``. Its ``read_csv`` holds the arguments
            of ``pandas.read_csv`` under which texts, times and numbers come back as they were.
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
        TypeError, ValueError
            The format is unknown, or the target is missing.
        """
        if target is None:
            run_id, target = None, run_id
        if not isinstance(target, str | os.PathLike | Store) or self._contents.is_run(target):
            raise TypeError(
                f"target must be a path such as 'photos.zarr', or a Zarr store, not {target!r}; "
                "publish(target) publishes the newest run, publish(run_id, target) another one"
            )
        publish_run(self.run_results(run_id), target, format=format, partial=partial, overwrite=overwrite)

    def close(self) -> None:
        """Forget what was read of it; nothing is held open, and it may be used again."""
        self._contents.forget()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._contents.tables().shown)

    def __repr__(self) -> str:
        return f"<Catalog {store_name(self.store)}: {len(self):,} images, {len(self._contents.runs())} runs>"
