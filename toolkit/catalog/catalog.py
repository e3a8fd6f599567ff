"""What is known of every image, in one Zarr store that opens in xarray while runs go on."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from zarr.abc.store import Store

from toolkit import arguments
from toolkit.catalog.activity import activity
from toolkit.catalog.adding import add_images
from toolkit.catalog.driving import DrivenCatalog
from toolkit.catalog.opening import check_catalog, check_free, make_catalog
from toolkit.catalog.publishing.publishing import PublicationFormat, publish_run
from toolkit.catalog.reading import views
from toolkit.catalog.reading.covariates import Images, images_with_covariates
from toolkit.catalog.reading.differences import compare_runs
from toolkit.catalog.reading.label_maps import read_label_map
from toolkit.catalog.store.objects import open_store, store_name
from toolkit.catalog.store.remote import RETRY_SECONDS
from toolkit.catalog.verifying.problems import Verification
from toolkit.catalog.verifying.verification import verify_store


class Catalog(DrivenCatalog):
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
        if block_size is not None:
            arguments.whole_number("block_size", block_size, least=1)
        store = open_store(location, fsync=fsync, retry_seconds=retry_seconds)
        is_free = check_free(store, exist_ok=exist_ok)
        uris, table = images_with_covariates(images, covariates)
        if is_free:
            make_catalog(store, exist_ok=exist_ok)
        check_catalog(store)
        catalog = cls(store)
        add_images(catalog._contents, uris, table, block_size)
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
        return add_images(self._contents, *images_with_covariates(images, covariates), None)

    def images(self) -> xr.Dataset:
        """The images: ``uri`` as a coordinate over ``image`` and one variable per covariate."""
        return views.images_dataset(self.store, self._contents.tables())

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: counts by status, settings, origin.

        ``first_write`` and ``last_write`` (UTC) are when its first image was begun and its last one ended.
        """
        tables = self._contents.tables()
        return views.runs_table(self._contents.results(run_id, tables) for run_id in self._contents.runs())

    def settings_that_differ(self) -> list[str]:
        """Columns of `runs` that tell its runs apart: models, protocols, precision."""
        return views.settings_that_differ([self._contents.record(run_id) for run_id in self._contents.runs()])

    def sessions(self, run_id: str | None = None) -> pd.DataFrame:
        """Who worked on a run, the newest by default: one row per driver, oldest first.

        Its columns: ``started`` (UTC), ``user``, ``host``, ``devices``, ``notebook``, ``parameters``, ``commit`` (of
        the working directory's repository, ``+`` if files were changed since) and the versions of packages.
        """
        return views.sessions_table(self.store, self._contents.find_run(run_id))

    def activity(self, run_id: str | None = None) -> pd.DataFrame:
        """Who works on a run right now, all runs by default: one row per driver that lives, here or elsewhere.

        Its columns: ``run_id``, ``host``, ``pid``, ``since`` (UTC), ``pending`` (images of the run),
        ``images_per_second`` (of all drivers together, in the last ten minutes of work) and ``seconds_left``. Nobody
        works on a run that has no row; the same call of `segment` goes on with it. Drivers of other machines are
        watched for some seconds to see whether they give signs of life.
        """
        runs = self._contents.runs() if run_id is None else [self._contents.find_run(run_id)]
        return activity(self.run_results(run) for run in runs)

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
        if run_id is None or isinstance(run_id, str):
            return views.results_datasets([self.run_results(run_id)], lazy=lazy)[0]
        if not run_id:
            raise ValueError("run_id is an empty sequence; give the ids of one or more runs, or None")
        tables = self._contents.tables()  # once: another process may be adding images
        runs = [self._contents.results(one, tables) for one in run_id]
        datasets = views.results_datasets(runs, lazy=lazy)
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
        table, row = self._contents.find_image(image)
        return read_label_map(self.run_results(run_id), table, row, image)

    def palette(self, run_id: str | None = None) -> dict[str, tuple[int, int, int]]:
        """RGB colour (0…255) of each class of a run, the newest by default; empty if the model had none."""
        settings = self._contents.record(run_id).settings
        return dict(zip(settings.class_names, settings.palette, strict=False))

    def errors(self, run_id: str | None = None) -> pd.DataFrame:
        """The images that failed: uri, error, attempts, engine, time (UTC) and message; one row each.

        Parameters
        ----------
        run_id : str, optional
            The run; the newest by default.
        """
        return views.errors_table(self.run_results(run_id))

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
        first, second = self.run_results(run_a), self.run_results(run_b)
        return compare_runs(first, second.over(first.tables), labels=labels)

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
        publish_run(self.run_results(run_id), target, format=format, partial=partial, overwrite=overwrite)

    def __len__(self) -> int:
        return self._contents.tables().n_images

    def __repr__(self) -> str:
        return f"<Catalog {store_name(self.store)}: {len(self):,} images, {len(self._contents.runs())} runs>"
