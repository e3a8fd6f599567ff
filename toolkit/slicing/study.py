"""Slices × overlap × way against time, memory, mIoU, F1 and the error at the seams, on labelled images."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
import xarray as xr

from toolkit.evaluation.correspondence import ClassMapping
from toolkit.models import DatasetDescriptor, Model
from toolkit.segmentation import Precision, Protocol
from toolkit.segmentation.execution import device_of
from toolkit.slicing.arguments import (
    checked_grids,
    checked_number,
    checked_overlaps,
    checked_protocol,
    checked_ways,
)
from toolkit.slicing.counts import QualityCounts
from toolkit.slicing.cuts import UNCUT, Cut, Tiling
from toolkit.slicing.labelled_images import Image, LabelledImage, LabelledImages, labelled_images
from toolkit.slicing.peak_memory import PeakMemory
from toolkit.slicing.results import CutMeasures, WayMeasures, slicing_dataset
from toolkit.slicing.trials import Trial
from toolkit.slicing.ways import SlicedSegmenter, Way

OnProgress = Callable[[int, int], None]
"""Gets how often an image was segmented, and how often one will have been at the end."""


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
    grids, shares = checked_grids(slices), checked_overlaps(overlaps)
    chosen = checked_ways(ways, device)
    checked_number("border_width", border_width)
    checked_number("repeats", repeats)
    base = UNCUT.protocol(checked_protocol(protocol))
    labelled = labelled_images(model, images, targets, dataset=dataset, classes=classes, ignore_index=ignore_index)
    cuts = list(dict.fromkeys(Cut.of(grid, overlap) for grid in grids for overlap in shares))
    n_runs = len(cuts) * len(chosen) * (len(labelled.one_of_each_size) + 1 + len(labelled.images) * repeats)
    on_run = _Counter(n_runs, on_progress).count
    with ExitStack() as stack:
        trials = [
            stack.enter_context(Trial(model, cut, way, base, precision=precision, clock=clock, on_run=on_run))
            for cut in cuts
            for way in chosen
        ]
        memory = [_memory(trial, labelled, device) for trial in trials]
        unsliced = SlicedSegmenter(model, base, "one by one", precision=precision)
        qualities = {cut: QualityCounts(cut.slices, border_width, labelled) for cut in cuts}
        for number, image in enumerate(labelled.images):
            for turn in range(number, number + repeats):
                for trial in trials[:: 1 if turn % 2 else -1]:
                    trial.run(image.pixels)
            _count(image, unsliced.segment(image.pixels).labels, trials, qualities)
    return slicing_dataset(
        grids,
        shares,
        chosen,
        {cut: _measures(qualities[cut], Tiling.of(labelled.sizes, cut.protocol(base), model)) for cut in cuts},
        {
            (trial.cut, trial.way): WayMeasures(trial.seconds, peak.n_bytes, trial.least_agreement)
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


class _Counter:
    """Counts runs, and says how many there are."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self._done = 0
        self._total = total
        self._on_progress = on_progress

    def count(self) -> None:
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)


def _memory(trial: Trial, labelled: LabelledImages, device: torch.device) -> PeakMemory:
    for image in labelled.one_of_each_size:
        trial.prepare(image.pixels)
    return trial.measure_memory(labelled.largest.pixels, device)


def _count(
    image: LabelledImage, unsliced: np.ndarray, trials: Sequence[Trial], qualities: Mapping[Cut, QualityCounts]
) -> None:
    """Count the label maps that the first way of each cut gave of an image, and compare the other ways' with them."""
    first: dict[Cut, np.ndarray] = {}
    for trial in trials:
        if trial.cut not in first:
            first[trial.cut] = trial.labels
            qualities[trial.cut].add(image, trial.labels, unsliced)
        trial.compare(first[trial.cut])


def _measures(quality: QualityCounts, tiling: Tiling) -> CutMeasures:
    scores = quality.scores
    return CutMeasures(
        mIoU=scores.mIoU,
        mF1=scores.mF1,
        aAcc=scores.aAcc,
        border_error=quality.border.value,
        border_error_unsliced=quality.border_unsliced.value,
        interior_error=quality.interior.value,
        agreement=quality.agreement.value,
        n_slices=tiling.n_slices,
        redundancy=tiling.redundancy,
    )
