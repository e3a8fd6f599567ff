"""How right the label maps of a catalog's runs are, measured image by image against masks."""

import os
import warnings
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from toolkit.arguments import ArgumentTypeError, choice, whole_number
from toolkit.evaluation.correspondence import (
    ClassMapping,
    Correspondence,
    match_classes,
    restrict_to_shared,
    shared_names,
)
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.measuring import ImageMeasure, Measurer
from toolkit.evaluation.results import Totals, evaluation_dataset
from toolkit.evaluation.selection import Images, SelectedRun, Selection, are_several, select
from toolkit.evaluation.targets import TargetFinder
from toolkit.evaluation.truth import Truth
from toolkit.models import DatasetDescriptor, load_dataset
from toolkit.pipeline import read_ahead
from toolkit.sources import ReadLimits, SourceError
from toolkit.sources.reading import DEFAULT_LIMITS
from toolkit.sources.uris import local_path

if TYPE_CHECKING:
    import xarray as xr

    from toolkit.catalog import Catalog

OnMissing = Literal["error", "skip"]
OtherPredictions = Literal["wrong", "ignored"]


def evaluate(
    cat: "Catalog",
    run_id: str | Sequence[str] | None,
    targets: Any,
    *,
    dataset: str | DatasetDescriptor | None = None,
    classes: ClassMapping | None = None,
    only_shared: bool = False,
    other_predictions: OtherPredictions = "wrong",
    ignore_index: int | None = None,
    images: Images | None = None,
    on_missing: OnMissing = "error",
    border_width: int | None = None,
    per_image: bool = True,
    limits: ReadLimits = DEFAULT_LIMITS,
    threads: int = 4,
) -> "xr.Dataset":
    """Measure label maps against masks: aAcc, mAcc, mIoU, and a table per class.

    Parameters
    ----------
    cat : Catalog
        The catalog that holds the label maps.
    run_id : str, sequence of str, or None
        The run; the newest if None. Several are measured on the same images: those that are done in all of them.
    targets : str, path, mapping, pandas.Series or DataFrame, sequence, or callable
        Where the mask of an image is:

        * a directory, here or on a server: the file below it, at any depth, that is called as the image but for its
          suffix; with `dataset`, but for the data set's suffixes (``…_leftImg8bit.png`` and
          ``…_gtFine_labelIds.png``);
        * a glob pattern such as ``"masks/*_mask.png"``: of the files that it matches the one of which the last ``*``
          is the image's name without its suffix; with `dataset`, the data set's suffixes hold there too;
        * the name of a covariate of the catalog that holds the paths of masks; relative ones start from the folder of
          the table that it came from, as those of images do;
        * a table (``"masks.csv"`` and what else `list_images` reads, here or on a server) with the columns ``uri`` and
          ``target``, or ``uri`` and one other; relative paths in both start from its folder;
        * a mapping, Series or DataFrame by URI (a DataFrame has the masks in a column ``target``, or in its only other
          column);
        * a sequence with one mask per image: of `images` in their order, if those are given, else of the whole catalog,
          whether done or not;
        * a function that is called with a URI, in a thread, and returns a mask or None.

        **A mask is of one image.** Of files found by name, one is the mask of an image if it shares the name, and
        each folder in which it was found (below the directory, or by a star of the pattern) is a folder of the image,
        too, in the same order: ``masks/bern/000.png`` is of ``photos/bern/000.jpg``, never of
        ``photos/basel/000.jpg``. The folder that is named counts as well if some images lie in one called so
        (``"masks/bern"``). Folders called ``masks``, ``labels``, ``images`` and the like tell nothing, and one that the
        name begins with need not be there (``ulm/ulm_000001.png``). Zeros in front and the case of letters count,
        Unicode normal forms do not. Of two masks the one in more folders of the image is meant; of two images that
        could have one mask, the one whose own folders are all the mask's. What is in doubt then - two photos ``p.jpg``
        and ``p.png``, or one folder of masks for photos of one name in two folders - is an error that shows both. A
        mask in folders that no image lies in is taken by its name alone only if one photo, in a plain folder of photos,
        and one mask are called so, and not by a mere number such as ``000`` or ``IMG_0012``. All images of the catalog
        count, not only those asked for; of photos that it does not hold nobody can know. In tables, mappings,
        sequences and covariates, one path given for two images is an error.

        A mask is a path (PNG or lossless TIFF; read exactly, never turned or resized) or an array of what the file
        would hold.
    dataset : str or DatasetDescriptor, optional
        Name of the data set whose masks these are, one of ``toolkit.models.list_datasets()``: says how they are
        encoded, which values are ignored and what the classes are called. Without it masks hold indices of the model's
        classes.
    classes : mapping of str to str, "position" or "shared", optional
        Class of the data set by class of the model, where neither their names nor the descriptors' mappings say it: see
        `match_classes`. Names that only some of the runs have are passed over in the others. ``"shared"``: the classes
        of one name in the data set and all runs, with `only_shared`.
    only_shared : bool
        Measure only the classes that the data set and all runs have: pixels whose true class is another one are not
        counted (``scored_fraction`` says how many are), as is usual across data sets. Without it they are, and wrong.
    other_predictions : {"wrong", "ignored"}
        What becomes of a pixel that counts but is predicted as a class that is none of those measured: it is wrong, as
        it is in the literature, or left out in all runs, which asks only whether the classes measured are told apart.
    ignore_index : int, optional
        Value of masks that is not counted: without `dataset` 255 by default (65535 where 255 is a class); with it what
        its descriptor says, and this one too. A class that is ignored so has no scores, and is in no mean.
    images : iterable of int or str, or array of bool, optional
        Only these: rows, URIs, or one truth value per image of the catalog; all by default. No set if `targets` is a
        sequence: sets have no order.
    on_missing : {"error", "skip"}
        What becomes of an image that is done but has no mask, or one that cannot be read. ``"skip"`` leaves it out and
        counts it.
    border_width : int, optional
        Also measure the error within so many pixels of the borders between classes: see `BorderError`.
    per_image : bool
        Keep values per image, which `compare_runs` needs: 8 bytes × images × classes × runs. Without them memory does
        not grow with the number of images.
    limits : ReadLimits
        Caps on bytes and pixels of a mask.
    threads : int
        Images that are read and measured at a time.

    Returns
    -------
    xarray.Dataset
        ``aAcc``, ``mAcc``, ``mIoU``, ``mPrecision``, ``mF1``; ``iou``, ``precision``, ``recall``, ``f1`` and
        ``support`` (pixels) over ``class_name``; ``confusion`` (pixels) over ``target_class`` and ``predicted_class``,
        where ``(other)`` is what the data set has no class for; ``border_error`` if `border_width` is given. All from
        one confusion matrix summed over the images: none is a mean over images. ``scored_fraction``: counted pixels
        per pixel of the masks. ``n_images`` over ``outcome``
        (``evaluated``, ``pending``, ``failed``, ``not_in_every_run``, ``without_target``, ``unreadable_target``) adds
        up to the number of images asked for.

        With `per_image`, over ``image`` (rows of the catalog, with ``uri``): ``image_aAcc``, ``image_mIoU``,
        ``image_border_error``, ``image_pixels`` (counted), and ``intersection`` and ``union`` (pixels) by class.

        For several runs all of them over ``run`` first, but for ``support``, ``image_pixels``, ``scored_fraction`` and
        what says of which images they are. The attributes say what was compared with what.

    Raises
    ------
    EvaluationError
        No image is done or has a target, masks are missing or could be of several images, their sizes differ from the
        images', the classes do not correspond, or a mask holds values that stand for nothing.
    SourceError
        A mask cannot be read, unless it may be skipped.
    CatalogError
        There is no such run.

    Examples
    --------
    >>> result = evaluate(cat, None, "gtFine/val", dataset="cityscapes-35")  # doctest: +SKIP
    >>> float(result.mIoU), result.iou.sel(class_name="road")  # doctest: +SKIP
    """
    if isinstance(cat, str | os.PathLike):
        raise ArgumentTypeError(f"cat must be a Catalog, not {cat!r}; open it with Catalog.open(path)")
    choice("on_missing", on_missing, get_args(OnMissing))
    choice("other_predictions", other_predictions, get_args(OtherPredictions))
    if border_width is not None and other_predictions == "ignored":
        raise EvaluationError("border_width: is measured where other predictions are wrong; leave one of the two out")
    whole_number("threads", threads, least=1)
    descriptor = load_dataset(dataset) if isinstance(dataset, str) else dataset
    if isinstance(images, Set) and isinstance(targets, Sequence | np.ndarray) and not isinstance(targets, str):
        raise EvaluationError("images: a set has no order, so that masks in a sequence would be of any; give a list")
    selection = select(cat, run_id, images)
    matches = _match_runs(selection.runs, descriptor, classes, only_shared)
    truth = Truth.of(
        targets,
        selection.images_of_targets,
        matches[0],
        dataset=descriptor,
        ignore_index=ignore_index,
        limits=limits,
    )
    run_ids = [run.run_id for run in selection.runs]
    measurer = Measurer(cat, run_ids, matches, truth, border_width, count_other=other_predictions == "wrong")
    totals = Totals(measurer.empty(), excluded=truth.decoder.excluded, per_image=per_image)
    for position, measured in read_ahead(
        _positions_to_measure(selection, truth.finder, on_missing, totals),
        lambda position: measurer.measure(position, selection.number(position), selection.uri(position)),
        threads=threads,
        ahead=2 * threads,
    ):
        _enter(totals, selection, position, measured, on_missing)
    if not totals.rows:
        raise EvaluationError(_nothing_found(selection, truth.finder))
    if not totals.counts.confusions[0].n_pixels:
        encoding = "ignore_index" if descriptor is None else f"dataset={descriptor.name!r}"
        warnings.warn(f"not one pixel of {len(totals.rows)} masks is counted: is {encoding} right?", stacklevel=2)
    if totals.counts.n_strange and descriptor is not None:
        share = totals.counts.n_strange / totals.counts.n_pixels
        warnings.warn(
            f"targets: {share:.2%} of the masks' pixels stand for no class of {descriptor.name} and for nothing that "
            f"it ignores, such as {totals.counts.strange}; they are not counted. Are these its masks, unchanged?",
            stacklevel=2,
        )
    return evaluation_dataset(selection, matches, totals, several=are_several(run_id)).assign_attrs(
        dataset="" if descriptor is None else descriptor.name,
        targets=truth.finder.place,
        other_predictions=other_predictions,
        **({} if border_width is None else {"border_width": border_width}),
    )


def _match_runs(
    runs: Sequence[SelectedRun], dataset: DatasetDescriptor | None, classes: ClassMapping | None, only_shared: bool
) -> list[Correspondence]:
    """What the classes of each run become: the same classes for all."""
    if classes == "shared" and dataset is not None:
        classes, only_shared = shared_names([run.class_names for run in runs], dataset), True
    matches = [match_classes(run.class_names, dataset, _classes_of(run, runs, classes)) for run in runs]
    for run, match in zip(runs, matches, strict=True):
        if (match.class_names, match.of_target) != (matches[0].class_names, matches[0].of_target):
            raise EvaluationError(
                f"runs {runs[0].run_id} and {run.run_id} are not measured in the same classes "
                f"({len(matches[0].class_names)} and {len(match.class_names)}); pass dataset= and classes= so that "
                "they are, or evaluate them one by one"
            )
    return restrict_to_shared(matches) if only_shared else matches


def _classes_of(run: SelectedRun, runs: Sequence[SelectedRun], classes: ClassMapping | None) -> ClassMapping | None:
    """What is given for a run: without the names that are classes of other runs only."""
    if not isinstance(classes, Mapping):
        return classes
    of_others = {name for other in runs for name in other.class_names} - set(run.class_names)
    return {name: target for name, target in classes.items() if name not in of_others}


def _positions_to_measure(
    selection: Selection, finder: TargetFinder, on_missing: OnMissing, totals: Totals
) -> list[int]:
    """The images that are done and have a target: found out at once, where it can be, not after hours of work."""
    done: list[int] = selection.done.nonzero()[0].tolist()
    if not done:
        raise EvaluationError(_nothing_done(selection))
    if not finder.in_advance:
        return done
    missing = [position for position in done if not _exists(finder.find(position, selection.uri(position)))]
    if len(missing) == len(done):
        raise EvaluationError(_nothing_found(selection, finder))
    if missing and on_missing == "error":
        raise EvaluationError(
            f"targets: {len(missing)} of {len(done)} images have no mask, such as {selection.uri(missing[0])} (looked "
            f"for: {finder.looked_for(selection.uri(missing[0]))}); add the masks, or pass on_missing='skip' to leave "
            "these images out"
        )
    totals.n_without["without_target"] = len(missing)
    return sorted(set(done) - set(missing))


def _exists(target: object) -> bool:
    if not isinstance(target, str):
        return target is not None
    path = local_path(target)
    return path is None or os.path.exists(path)  # noqa: PTH110 - pathlib raises where os.path answers no


def _enter(
    totals: Totals, selection: Selection, position: int, measured: Future[ImageMeasure | None], on_missing: OnMissing
) -> None:
    """Add up one image, or count why it is left out."""
    try:
        counts = measured.result()
    except SourceError as error:
        if on_missing == "error":
            raise
        totals.n_without["without_target" if error.code == "missing" else "unreadable_target"] += 1
        return
    if counts is not None:
        totals.add(int(selection.rows[position]), counts)
    elif on_missing == "error":
        raise EvaluationError(f"targets: {selection.uri(position)} has no mask; pass on_missing='skip' to leave it out")
    else:
        totals.n_without["without_target"] += 1


def _nothing_done(selection: Selection) -> str:
    states = []
    for run in selection.runs:
        counts = selection.left_out(run)
        states.append(
            f"run {run.run_id}: {counts['pending']} pending, {counts['failed']} failed, "
            f"{counts['not_in_every_run']} done"
        )
    where = " in every run" if len(selection.runs) > 1 else ""
    return f"no image is done{where} ({'; '.join(states)}); segment them first"


def _nothing_found(selection: Selection, finder: TargetFinder) -> str:
    done = selection.done.nonzero()[0]
    uri = selection.uri(int(done[0]))
    return (
        f"targets: none of the {len(done)} images that are done has a mask that can be read, such as "
        f"{uri} (looked for: {finder.looked_for(uri)}); give a glob pattern such as 'masks/*_mask.png', "
        "or a mapping from URI to mask"
    )
