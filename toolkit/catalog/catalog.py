"""What is known of every image, in one Zarr store that opens in xarray while runs go on."""

import os
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from zarr.abc.store import Store

from toolkit import arguments
from toolkit.catalog.activity import activity
from toolkit.catalog.adding import add_images
from toolkit.catalog.asked import AskedImage, AskedRun, is_one_run, run_ids_of
from toolkit.catalog.editing import EditedCatalog
from toolkit.catalog.opening import check_catalog, check_free, make_catalog
from toolkit.catalog.publishing.publication import Publication
from toolkit.catalog.publishing.publishing import PublicationFormat, publish_run
from toolkit.catalog.reading import views
from toolkit.catalog.reading.covariates import Images, images_with_covariates
from toolkit.catalog.reading.differences import compare_results
from toolkit.catalog.reading.flags import flags_table
from toolkit.catalog.reading.label_maps import read_label_map
from toolkit.catalog.reading.texts import as_text
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

    def images(self) -> xr.Dataset:
        """The images: ``uri`` as a coordinate over ``image`` and one variable per covariate."""
        tables = self._contents.tables()
        return views.shown_images(views.images_dataset(self.store, tables), tables)

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: counts by status, settings, origin.

        ``first_write`` and ``last_write`` (UTC) are when its first image was begun and its last one ended.
        """
        tables = self._contents.tables()
        return views.runs_table(self._contents.results(run_id, tables) for run_id in self._contents.runs())

    def settings_that_differ(self) -> list[str]:
        """Columns of `runs` that tell its runs apart: models, protocols, precision."""
        return views.settings_that_differ([self._contents.record(run_id) for run_id in self._contents.runs()])

    def sessions(self, run_id: AskedRun = None) -> pd.DataFrame:
        """Who worked on a run, the newest by default: one row per driver, oldest first.

        Its columns: ``started`` (UTC), ``user``, ``host``, ``devices``, ``notebook``, ``parameters``, ``commit`` (of
        the working directory's repository, ``+`` if files were changed since) and the versions of packages.
        """
        return views.sessions_table(self.store, self._contents.find_run(run_id))

    def activity(self, run_id: AskedRun = None) -> pd.DataFrame:
        """Who works on a run right now, all runs by default: one row per driver that lives, here or elsewhere.

        Its columns: ``run_id``, ``host``, ``pid``, ``since`` (UTC), ``pending`` (images of the run),
        ``images_per_second`` (of all drivers together, in the last ten minutes of work) and ``seconds_left``. Nobody
        works on a run that has no row; the same call of `segment` goes on with it. Drivers of other machines are
        watched for some seconds to see whether they give signs of life.
        """
        runs = self._contents.runs() if run_id is None else [self._contents.find_run(run_id)]
        return activity(self.run_results(run) for run in runs)

    def to_xarray(self, run_id: AskedRun | Iterable[AskedRun] = None, *, lazy: bool | None = None) -> xr.Dataset:
        """The results of a run, as they are now; safe while the run goes on.

        Parameters
        ----------
        run_id : str or sequence of str, optional
            The run; the newest by default. Its handle and its row of `runs` will do, too, as everywhere. Several are
            aligned along a dimension ``run``.
        lazy : bool, optional
            Whether what is large (``composition`` and ``soft_composition``, from 5,000,000 images on also ``uri`` and
            ``engine``) is a dask array, read by blocks of rows when it is computed; by default from 256 MiB of
            compositions on: 450,000 images of 150 classes. What counts as done is what was done at the call, and
            ``.composition.mean("image").compute()`` never holds all rows in memory then.

        Returns
        -------
        xarray.Dataset
            Over ``image`` (integers, with ``uri`` and the covariates as coordinates): ``composition`` (image,
            class_name), a fraction per class that sums to 1 where ``status`` is ``"done"`` and NaN elsewhere;
            ``confidence``, the mean over the pixels of the greatest class probability; ``soft_composition`` (image,
            class_name), the mean class probabilities, if the run was asked for them;
            ``status`` (``"pending"``, ``"done"``, ``"failed"``), ``attempts``, ``error`` (a code, ``""`` if none),
            ``engine``, ``started`` (UTC), ``seconds``, ``height`` and ``width`` (pixels); ``valid_fraction``, the share
            of the picture that counts, by the run's ``area``; and what was noticed of the picture, as in `flags`:
            ``blank``, ``duplicate_of`` and ``near_duplicate_of``. A covariate that an older catalog has under one of
            these names has ``(covariate)`` behind it.

        Raises
        ------
        CatalogError
            There is no such run, or none at all.
        TypeError, ValueError
            What is given is no run, or none of several.

        Notes
        -----
        Texts and names of classes are NumPy's fixed-width strings, by which xarray selects, groups and plots. Columns
        that would take more than 256 MiB so are Python's strings; only the axis of a plot they cannot be.
        """
        if lazy is not None:
            arguments.flag("lazy", lazy)
        if is_one_run(run_id):
            return views.results_datasets([self.run_results(run_id)], lazy=lazy)[0]
        asked = run_ids_of(run_id)
        if not asked:
            raise ValueError("run_id is an empty sequence; give the ids of one or more runs, or None")
        tables = self._contents.tables()  # once: another process may be adding images
        runs = [self._contents.results(one, tables) for one in asked]
        names = as_text([one if isinstance(one, str) else run.run_id for one, run in zip(asked, runs, strict=True)])
        datasets = views.results_datasets(runs, lazy=lazy)
        joined = xr.concat(datasets, dim="run", join="outer", combine_attrs="drop_conflicts")
        return joined.assign_coords(run=names)

    def to_dataframe(self, run_id: AskedRun = None) -> pd.DataFrame:
        """The results of a run as one table, which `publish` writes as CSV and Parquet.

        Parameters
        ----------
        run_id : str, optional
            The run; the newest by default.

        Returns
        -------
        pandas.DataFrame
            One row per image: ``uri``, the covariates, ``status``, ``error``, ``confidence``, and a column per class
            with the fraction of the image's pixels, NaN where it is not done. ``attrs`` says where they come from.

        Raises
        ------
        CatalogError
            There is no such run, or none at all.
        """
        return Publication(self.run_results(run_id)).to_dataframe()

    def labels(self, run_id: AskedRun | AskedImage = None, image: AskedImage = None) -> np.ndarray:
        """The label map of one image.

        Parameters
        ----------
        run_id : str or None
            The run; the newest if None. May be left out: ``labels("photo.jpg")``, ``labels(3)``.
        image : int or str
            Row of the image (a negative one counts from the last), its URI, or as much of the end of its path as no
            other image has.

        Returns
        -------
        numpy.ndarray
            uint8, or uint16 for more than 256 classes, ``(height, width)``.

        Raises
        ------
        KeyError
            There is no such image, or it has no label map: it is not done, or the run kept none.
        CatalogError
            There is no such run.
        TypeError
            What is given is no image, or no run.
        """
        if image is None:
            run_id, image = None, run_id
        if image is None or self._contents.is_run(image):
            raise TypeError("which image? labels(image), or labels(run_id, image), with its row or its URI")
        run = self.run_results(run_id)
        table, row = self._contents.find_image(image)
        return read_label_map(run, table, row, image)

    def palette(self, run_id: AskedRun = None) -> dict[str, tuple[int, int, int]]:
        """RGB colour (0…255) of each class of a run, the newest by default; empty if the model had none."""
        settings = self._contents.record(run_id).settings
        return dict(zip(settings.class_names, settings.palette, strict=False))

    def errors(self, run_id: AskedRun = None) -> pd.DataFrame:
        """The images that failed: uri, error, attempts, engine, time (UTC) and message; one row each.

        Parameters
        ----------
        run_id : str, optional
            The run; the newest by default.
        """
        return views.errors_table(self.run_results(run_id))

    def flags(self, run_id: str | None = None) -> pd.DataFrame:
        """The images that are placeholders, or copies of others; nothing is left out of any result because of it.

        Parameters
        ----------
        run_id : str, optional
            The run; the newest by default.

        Returns
        -------
        pandas.DataFrame
            One row for each image of which something was noticed while it was segmented, by its row in the catalog:
            ``uri``; ``blank``: of one colour or nearly, such as black frames and cards that say "no imagery here";
            ``duplicate_of``: row of the first image with exactly the same pixels, -1 if there is none;
            ``near_duplicate_of``: row of the first that looks nearly the same (saved anew, made smaller), the exact
            copies among them. ``attrs["not_looked_at"]`` is the number of images that a version segmented which did not
            look; they are never listed.

        Examples
        --------
        >>> dataset = cat.to_xarray()  # doctest: +SKIP
        >>> dataset.where(~dataset.blank & (dataset.near_duplicate_of < 0), drop=True)  # doctest: +SKIP
        """
        return flags_table(self.run_results(run_id))

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

    def compare(self, run_a: AskedRun = None, run_b: AskedRun = None, *, labels: bool = False) -> xr.Dataset:
        """How two runs differ, over the images that are done in both.

        Parameters
        ----------
        run_a, run_b : str or None
            The runs, the newest if one is None, and the two newest if both are. Their classes are matched by name.
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
            There is no such run, or only one, no image is done in both, or ``labels`` finds no two label maps to
            compare.

        Examples
        --------
        >>> compared = cat.compare(run_a, run_b)  # doctest: +SKIP
        >>> compared.sortby("distance").uri[-10:]  # where they differ most  # doctest: +SKIP
        """
        first, second = map(self.run_results, self._contents.pair(run_a, run_b))
        return compare_results(first, second.over(first.tables), labels=labels)

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
