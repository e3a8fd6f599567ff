"""How right the label maps of a catalog's runs are, measured image by image against masks."""

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, get_args

from toolkit.arguments import ArgumentTypeError, choice, whole_number
from toolkit.evaluation.correspondence import ClassMapping, Correspondence, match_classes
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


def evaluate(
    cat: "Catalog",
    run_id: str | Sequence[str] | None,
    targets: Any,
    *,
    dataset: str | DatasetDescriptor | None = None,
    classes: ClassMapping | None = None,
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

        * a directory: the file below it, at any depth, that is called as the image but for its suffix; with `dataset`,
          but for the data set's suffixes (``…_leftImg8bit.png`` and ``…_gtFine_labelIds.png``). Of several of one name
          it is the one whose folders are called most as the image's;
        * a glob pattern such as ``"masks/*_mask.png"``: of the files that it matches the one of which the last ``*``
          is the image's name without its suffix; with `dataset`, the data set's suffixes hold there too;
        * the name of a covariate of the catalog that holds the paths of masks;
        * a mapping, Series or DataFrame by URI (a DataFrame has the masks in a column ``target``, or in its only other
          column);
        * a sequence with one mask per image: of `images`, if those are given, else of the whole catalog;
        * a function that is called with a URI, in a thread, and returns a mask or None.

        A mask is a path (PNG or lossless TIFF; read exactly, never turned or resized) or an array of what the file
        would hold.
    dataset : str or DatasetDescriptor, optional
        Name of the data set whose masks these are, one of ``toolkit.models.list_datasets()``: says how they are
        encoded, which values are ignored and what the classes are called. Without it masks hold indices of the model's
        classes.
    classes : mapping of str to str, or "position", optional
        Class of the data set by class of the model, where neither their names nor the descriptors' mappings say it: see
        `match_classes`. Names that only some of the runs have are passed over in the others.
    ignore_index : int, optional
        Value of masks that is not counted: without `dataset` 255 by default (65535 where 255 is a class); with it what
        its descriptor says, and this one too. A class that is ignored so has no scores, and is in no mean.
    images : iterable of int or str, or array of bool, optional
        Only these: rows, URIs, or one truth value per image of the catalog; all by default.
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
        one confusion matrix summed over the images: none is a mean over images. ``n_images`` over ``outcome``
        (``evaluated``, ``pending``, ``failed``, ``not_in_every_run``, ``without_target``, ``unreadable_target``) adds
        up to the number of images asked for.

        With `per_image`, over ``image`` (rows of the catalog, with ``uri``): ``image_aAcc``, ``image_mIoU``,
        ``image_border_error``, ``image_pixels`` (counted), and ``intersection`` and ``union`` (pixels) by class.

        For several runs all of them over ``run`` first, but for ``support``, ``image_pixels`` and what says of which
        images they are. The attributes say what was compared with what.

    Raises
    ------
    EvaluationError
        No image is done or has a target, masks are missing, their sizes differ from the images', the classes do not
        correspond, or a mask holds values that stand for nothing.
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
    whole_number("threads", threads, least=1)
    descriptor = load_dataset(dataset) if isinstance(dataset, str) else dataset
    selection = select(cat, run_id, images)
    matches = _match_runs(selection.runs, descriptor, classes)
    truth = Truth.of(
        targets,
        [selection.uri(position) for position in range(len(selection.rows))],
        matches[0],
        dataset=descriptor,
        ignore_index=ignore_index,
        covariates=selection.covariates,
        limits=limits,
    )
    measurer = Measurer(cat, [run.run_id for run in selection.runs], matches, truth, border_width)
    totals = Totals(measurer.empty(), excluded=truth.decoder.excluded, per_image=per_image)
    for position, measured in read_ahead(
        _positions_to_measure(selection, truth.finder, on_missing, totals),
        lambda position: measurer.measure(position, int(selection.rows[position]), selection.uri(position)),
        threads=threads,
        ahead=2 * threads,
    ):
        _enter(totals, selection, position, measured, on_missing)
    if not totals.rows:
        raise EvaluationError(_nothing_found(selection, truth.finder))
    if not totals.counts.confusions[0].n_pixels:
        encoding = "ignore_index" if descriptor is None else f"dataset={descriptor.name!r}"
        warnings.warn(f"not one pixel of {len(totals.rows)} masks is counted: is {encoding} right?", stacklevel=2)
    return evaluation_dataset(selection, matches, totals, several=are_several(run_id)).assign_attrs(
        dataset="" if descriptor is None else descriptor.name,
        targets=truth.finder.place,
        **({} if border_width is None else {"border_width": border_width}),
    )


def _match_runs(
    runs: Sequence[SelectedRun], dataset: DatasetDescriptor | None, classes: ClassMapping | None
) -> list[Correspondence]:
    """What the classes of each run become: the same classes for all."""
    matches = [match_classes(run.class_names, dataset, _classes_of(run, runs, classes)) for run in runs]
    for run, match in zip(runs, matches, strict=True):
        if (match.class_names, match.of_target) != (matches[0].class_names, matches[0].of_target):
            raise EvaluationError(
                f"runs {runs[0].run_id} and {run.run_id} are not measured in the same classes "
                f"({len(matches[0].class_names)} and {len(match.class_names)}); pass dataset= and classes= so that "
                "they are, or evaluate them one by one"
            )
    return matches


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
            f"for: {finder.place}); add the masks, or pass on_missing='skip' to leave these images out"
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
    return (
        f"targets: none of the {len(done)} images that are done has a mask that can be read, such as "
        f"{selection.uri(int(done[0]))} (looked for: {finder.place}); give a glob pattern such as 'masks/*_mask.png', "
        "or a mapping from URI to mask"
    )
