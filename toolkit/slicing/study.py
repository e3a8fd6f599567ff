"""Slices × overlap × way against time, memory, mIoU, F1 and the error at the seams, on labelled images."""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
import torch
import xarray as xr

from toolkit.arguments import number, whole_number
from toolkit.evaluation import score
from toolkit.evaluation.correspondence import ClassMapping
from toolkit.models import DatasetDescriptor, Model
from toolkit.segmentation import Precision, Protocol
from toolkit.segmentation.execution import device_of
from toolkit.slicing.cuts import UNCUT, Cut, tiling
from toolkit.slicing.labelled_images import Image, LabelledImage, labelled_images
from toolkit.slicing.measuring import Quality, Trial
from toolkit.slicing.ways import SlicedSegmenter, Way, checked_way, ways_on

OnProgress = Callable[[int, int], None]
"""Gets how often an image was segmented, and how often one will have been at the end."""
Value = TypeVar("Value")

_MOST_OVERLAP = 0.9
_DIMS = ("slices", "overlap", "way")


def study_slicing(
    model: Model,
    images: str | os.PathLike[str] | Iterable[Image],
    targets: Any = None,
    *,
    slices: Sequence[tuple[int, int]] = ((1, 1), (1, 2), (2, 2), (2, 4)),
    overlaps: Sequence[float] = (0.0, 0.1, 0.25),
    ways: Sequence[Way] | None = None,
    protocol: Protocol | None = None,
    dataset: str | DatasetDescriptor | None = None,
    classes: ClassMapping | None = None,
    ignore_index: int | None = None,
    border_width: int = 8,
    repeats: int = 1,
    precision: Precision = "float32",
    clock: Callable[[], float] = time.perf_counter,
    on_progress: OnProgress | None = None,
) -> xr.Dataset:
    """Measure what cutting images into overlapping slices saves and costs, for a model and labelled images.

    Each image is segmented whole and cut in every way, and all results are compared with the same targets. Which
    configuration goes first alternates image by image, so that a machine that grows slower does so for all of them.

    Parameters
    ----------
    model : Model
        From `load_model`, on the device that shall compute.
    images : sequence of numpy.ndarray, str, path or Scene; or str or path
        uint8 ``(height, width, 3)``, paths, or generated scenes; or a directory or glob pattern. All are held in
        memory. A dozen of a few sizes is enough.
    targets : object, optional
        Label maps ``(height, width)`` or paths of masks, one per image; or a directory, a glob pattern, a mapping or a
        function, all as for `toolkit.evaluation.evaluate`. None: images are generated scenes, which know their labels.
    slices : sequence of (int, int)
        (rows, columns) of the grids. (1, 1) is the whole image, for which the overlap means nothing: it is measured
        once and entered for each.
    overlaps : sequence of float
        Fractions of a slice that it shares with each neighbour, in [0, 0.9].
    ways : sequence of str, optional
        Of ``"one by one"``, ``"threads"`` (CPU), ``"streams"`` (GPU) and ``"batch"``; all that the device has by
        default. The quality is that of the first.
    protocol : Protocol, optional
        Everything else: scales, flips, merging, blending; ``Protocol()`` by default.
    dataset, classes, ignore_index
        What the masks hold, as for `toolkit.evaluation.evaluate`: indices of the model's classes, and 255 where nothing
        is counted, by default; for scenes, the classes of Cityscapes.
    border_width : int
        Pixels on each side of a seam that are near it.
    repeats : int
        How often each image is timed by each configuration.
    precision : str
        Arithmetic inside the network, as for `segment_image`.
    clock : callable
        Seconds.
    on_progress : callable, optional
        Called with the number of runs that are done, and the number that there will be.

    Returns
    -------
    xarray.Dataset
        Over ``slices`` (``"2x4"`` is 2 rows of 4; ``rows`` and ``columns`` as numbers), ``overlap`` and ``way``:

        * ``seconds``: median over images and repeats of the time per image, of pixels in memory to a label map;
        * ``memory``: bytes at the peak beyond those in use before, for the largest image; the attribute ``measure``
          says how it was found, see `toolkit.slicing.peak_memory`;
        * ``way_agreement``: least share of an image's pixels with the same label as in the first way. The ways differ
          by rounding only, so that less than 0.999 means a network that is not safe to call from threads.

        Over ``slices`` and ``overlap``: ``mIoU``, ``mF1``, ``aAcc``; ``border_error``, wrong pixels among those within
        `border_width` of the seams of the grid without overlap, and ``interior_error`` among the others;
        ``agreement``, the share of pixels with the label that they have without slices; ``n_slices``, most tiles of an
        image; ``redundancy``, pixels that the network sees per pixel of the rescaled images, at least 1.

        Over ``slices``: ``border_error_unsliced``, the error in the same pixels near seams where the image is not cut.

    Raises
    ------
    TypeError, ValueError
        An argument is not allowed; the message names it, the value and the remedy.
    EvaluationError, SourceError
        Images or targets cannot be read, or do not fit the model.
    ArithmeticError
        The network gave values that are not finite.

    Examples
    --------
    >>> from streetscenes import generate_scene
    >>> study = study_slicing(model, [generate_scene(seed, 256, 512) for seed in range(12)])  # doctest: +SKIP
    >>> study.border_error.to_pandas()  # doctest: +SKIP
    """
    device = device_of(model)
    grids = _each_once(
        "slices",
        slices,
        "(rows, columns) pairs such as ((1, 1), (2, 2))",
        lambda grid: Protocol(mode="slices", slices=grid).slices,
    )
    shares = _each_once(
        "overlaps",
        overlaps,
        "fractions such as (0.0, 0.25)",
        lambda overlap: number("overlaps", overlap, least=0, most=_MOST_OVERLAP, what="fractions of a slice"),
    )
    there = ways_on(device)
    chosen = _each_once(
        "ways", there if ways is None else ways, f"names such as {there!r}", lambda way: checked_way(way, device)
    )
    whole_number("border_width", border_width, least=1)
    whole_number("repeats", repeats, least=1)
    if not isinstance(protocol, Protocol | None):
        raise TypeError(f"protocol must be a Protocol or None, not {protocol!r}; see Protocol.preset for names")
    base = UNCUT.protocol(protocol or Protocol())
    labelled = labelled_images(model, images, targets, dataset=dataset, classes=classes, ignore_index=ignore_index)
    cuts = list(dict.fromkeys(Cut.of(grid, overlap) for grid in grids for overlap in shares))
    n_runs = len(cuts) * len(chosen) * (len(labelled.one_of_each_size) + 1 + len(labelled.images) * repeats)
    run_numbers = itertools.count(1)

    def on_run() -> None:
        if on_progress is not None:
            on_progress(next(run_numbers), n_runs)

    with ExitStack() as stack:

        def trial_of(cut: Cut, way: Way) -> Trial:
            segmenter = SlicedSegmenter(model, cut.protocol(base), way, precision=precision)
            return Trial(cut, way, stack.enter_context(segmenter), clock, on_run)

        trials = [trial_of(cut, way) for cut in cuts for way in chosen]
        memory = [trial.measure_memory(labelled, device) for trial in trials]
        unsliced = SlicedSegmenter(model, base, "one by one", precision=precision)
        qualities = {cut: Quality(cut.slices, border_width, labelled) for cut in cuts}
        for position, image in enumerate(labelled.images):
            for turn in range(position, position + repeats):
                for trial in trials[:: 1 if turn % 2 else -1]:
                    trial.run(image.pixels)
            _count(image, unsliced.segment(image.pixels).labels, trials, qualities)
    tilings = {cut: tiling(labelled.sizes, cut.protocol(base), model) for cut in cuts}
    return slicing_dataset(
        grids,
        shares,
        chosen,
        {
            (trial.cut, trial.way): _measures(trial, peak.n_bytes, qualities[trial.cut], *tilings[trial.cut])
            for trial, peak in zip(trials, memory, strict=True)
        },
        memory_measure=memory[0].measure,
        attributes={
            "model": model.name,
            "model_digest": model.digest,
            "protocol": json.dumps(base.to_dict()),
            "precision": precision,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "n_threads": torch.get_num_threads(),
            "n_images": len(labelled.images),
            "repeats": repeats,
            "border_width": border_width,
        },
    )


def _each_once(name: str, values: object, wanted: str, check: Callable[[Any], Value]) -> tuple[Value, ...]:
    """The values, each of them checked; at least one, and none twice."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of {wanted}, not {values!r}")
    checked = tuple(check(value) for value in values)
    if not checked:
        raise ValueError(f"{name} is empty; give at least one of {wanted}")
    for value in checked:
        if checked.count(value) > 1:
            raise ValueError(f"{name} holds {value!r} twice; name each once")
    return checked


def _count(
    image: LabelledImage, unsliced: np.ndarray, trials: Sequence[Trial], qualities: Mapping[Cut, Quality]
) -> None:
    """Count the label maps that the first way of each cut gave of an image, and compare the other ways' with them."""
    first: dict[Cut, np.ndarray] = {}
    for trial in trials:
        if trial.cut not in first:
            first[trial.cut] = trial.labels
            qualities[trial.cut].add(image, trial.labels, unsliced)
        trial.compare(first[trial.cut])


def _measure(n_dims: int, long_name: str, units: str = "1") -> Any:
    """A field that becomes a variable over so many of the dimensions, with this description."""
    return field(metadata={"dims": _DIMS[:n_dims], "attrs": {"long_name": long_name, "units": units}})


@dataclass(frozen=True)
class Measures:
    """What is found of a cut in one of the ways."""

    mIoU: float = _measure(2, "mean intersection over union")
    mF1: float = _measure(2, "mean F1")
    aAcc: float = _measure(2, "pixel accuracy")
    border_error: float = _measure(2, "share of wrong pixels near the seams between slices")
    border_error_unsliced: float = _measure(1, "share of wrong pixels in the same places where the image is not cut")
    interior_error: float = _measure(2, "share of wrong pixels away from the seams")
    agreement: float = _measure(2, "share of pixels with the label that they have without slices")
    n_slices: int = _measure(2, "most slices of an image, over all scales")
    redundancy: float = _measure(2, "pixels that the network sees per pixel of the rescaled images")
    seconds: float = _measure(3, "median time per image", "s")
    memory: int = _measure(3, "memory at the peak, beyond what was in use before", "byte")
    way_agreement: float = _measure(3, "least share of an image's pixels with the label of the first way")


def _measures(trial: Trial, memory: int, quality: Quality, n_slices: int, redundancy: float) -> Measures:
    scores = score(quality.confusion)
    return Measures(
        mIoU=scores.mIoU,
        mF1=scores.mF1,
        aAcc=scores.aAcc,
        border_error=quality.border.value,
        border_error_unsliced=quality.border_unsliced.value,
        interior_error=quality.interior.value,
        agreement=quality.agreement.value,
        n_slices=n_slices,
        redundancy=redundancy,
        seconds=float(np.median(trial.seconds)),
        memory=memory,
        way_agreement=trial.least_agreement,
    )


def slicing_dataset(
    grids: Sequence[tuple[int, int]],
    overlaps: Sequence[float],
    ways: Sequence[Way],
    found: Mapping[tuple[Cut, Way], Measures],
    *,
    memory_measure: str,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Measures in their places, as `study_slicing` returns them: those of the whole image at every overlap."""
    places = [found[Cut.of(grid, overlap), way] for grid in grids for overlap in overlaps for way in ways]
    shape = len(grids), len(overlaps), len(ways)
    data: dict[str, Any] = {}
    for measure in fields(Measures):
        dims = measure.metadata["dims"]
        values = np.array([getattr(place, measure.name) for place in places]).reshape(*shape[: len(dims)], -1)
        data[measure.name] = (dims, values[..., 0], dict(measure.metadata["attrs"]))
    data["memory"][2]["measure"] = memory_measure
    return xr.Dataset(
        data,
        coords={
            "slices": [Cut(grid, 0.0).grid for grid in grids],
            "overlap": ("overlap", list(overlaps), {"long_name": "overlap, as a fraction of a slice", "units": "1"}),
            "way": list(ways),
            "rows": ("slices", [rows for rows, _ in grids]),
            "columns": ("slices", [columns for _, columns in grids]),
        },
        attrs=dict(attributes),
    )
