"""A catalog as those see it who look at its images and results."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from toolkit import arguments
from toolkit.catalog.activity import activity
from toolkit.catalog.asked import AskedImage, AskedRun, is_one_run, run_ids_of
from toolkit.catalog.driving import DrivenCatalog
from toolkit.catalog.publishing.publication import Publication
from toolkit.catalog.reading import views
from toolkit.catalog.reading.differences import compare_results
from toolkit.catalog.reading.flags import flags_table
from toolkit.catalog.reading.label_maps import read_label_map
from toolkit.catalog.reading.texts import as_text


class ShownCatalog(DrivenCatalog):
    """What people see of a catalog: as xarray datasets, pandas tables and label maps."""

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
