"""Whether one run is better than another, or only luckier with its images: a paired bootstrap over images."""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from toolkit.arguments import choice, number, whole_number
from toolkit.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    import xarray as xr

Metric = Literal["mIoU", "aAcc"]

# Resamples at a time: bounds the memory, not the result.
_PART = 64
_FEW_IMAGES = 20


def compare_runs(
    result: "xr.Dataset",
    baseline: str | None = None,
    *,
    metric: Metric = "mIoU",
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> "xr.Dataset":
    """Difference of each run to one of them on the same images, with a confidence interval.

    Parameters
    ----------
    result : xarray.Dataset
        Of `evaluate` with several runs and ``per_image=True``.
    baseline : str, optional
        Id of the run that others are compared with; the first by default.
    metric : {"mIoU", "aAcc"}
        What is compared.
    confidence : float
        Fraction of resamples that the interval holds.
    n_resamples : int
        How often the images are drawn anew.
    seed : int
        Seed of the draws: the same seed gives the same interval.

    Returns
    -------
    xarray.Dataset
        Over ``run``: the metric, its ``difference`` to the baseline's, and the interval ``lower`` … ``upper`` of that.
        An interval without 0 says that the difference is not the images' doing.

    Raises
    ------
    EvaluationError
        The result is of one run or of one image, or has no values per image, or there is no such run.
    ValueError
        A number is out of its range.

    Notes
    -----
    Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). The images are
    drawn with replacement, the same ones for every run; intersections and unions of those drawn are summed, and the
    metric is computed from the sums, as it is for the data set. What varies is which images were taken, and not how a
    model was trained.

    Examples
    --------
    >>> result = evaluate(cat, [one, other], "masks")  # doctest: +SKIP
    >>> compare_runs(result).to_dataframe()  # doctest: +SKIP
    """
    import xarray as xr

    _check(result, metric, confidence, n_resamples)
    run_ids: list[str] = result.run.values.tolist()
    if baseline is None:
        baseline = run_ids[0]
    if baseline not in run_ids:
        raise EvaluationError(f"baseline: {baseline!r} is none of the runs {', '.join(run_ids)}")
    counts = _counts(result, metric)
    n_images = result.sizes["image"]
    values = np.concatenate([_metric(weights, *counts) for weights in _draws(n_images, n_resamples, seed)])
    observed = _metric(np.ones((1, n_images)), *counts)[0]
    at_baseline = run_ids.index(baseline)
    differences = values - values[:, [at_baseline]]
    tail = (1 - confidence) / 2
    lower, upper = np.nanquantile(differences, [tail, 1 - tail], axis=0)
    return xr.Dataset(
        {
            metric: ("run", observed),
            "difference": ("run", observed - observed[at_baseline]),
            "lower": ("run", lower),
            "upper": ("run", upper),
        },
        coords={"run": result.run, "model": ("run", result.model.values)},
        attrs={
            "baseline": baseline,
            "confidence": confidence,
            "n_resamples": n_resamples,
            "seed": seed,
            "n_images": n_images,
        },
    )


def _check(result: "xr.Dataset", metric: str, confidence: float, n_resamples: int) -> None:
    choice("metric", metric, get_args(Metric))
    whole_number("n_resamples", n_resamples, least=1)
    if not 0 < number("confidence", confidence) < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
    if "run" not in result.dims:
        raise EvaluationError("result: is of one run; evaluate several together: evaluate(cat, [one, other], targets)")
    if "intersection" not in result:
        raise EvaluationError("result: has no values per image; evaluate with per_image=True")
    n_images = result.sizes["image"]
    if n_images < 2:
        raise EvaluationError("result: is of one image, which says nothing of others; evaluate more")
    if n_images < _FEW_IMAGES:
        warnings.warn(f"result: {n_images} images are few; the intervals are too narrow", stacklevel=3)


def _counts(result: "xr.Dataset", metric: str) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
    """Numerator and denominator, pixels ``(n_runs, n_images, n_parts)``; the metric is a mean over parts."""
    intersection = result.intersection.transpose("run", "image", "class_name").values
    if metric == "mIoU":
        return intersection, result.union.transpose("run", "image", "class_name").values
    correct = intersection.sum(axis=2, keepdims=True, dtype=np.int64)
    return correct, np.broadcast_to(result.image_pixels.values[None, :, None], correct.shape)


def _draws(n_images: int, n_resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """How often each image is drawn in each resample, in parts ``(n_drawn, n_images)``."""
    generator = np.random.default_rng(seed)
    for start in range(0, n_resamples, _PART):
        size = min(_PART, n_resamples - start)
        yield generator.multinomial(n_images, np.full(n_images, 1 / n_images), size=size).astype(np.float64)


def _metric(
    weights: npt.NDArray[np.float64], numerator: npt.NDArray[np.integer], denominator: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Mean over the parts that occur in the images drawn, ``(n_drawn, n_runs)``; sums are exact below 2⁵³."""
    part, whole = (
        np.stack([weights @ counts_of_run for counts_of_run in counts], axis=1) for counts in (numerator, denominator)
    )
    occurs = whole > 0
    fractions = np.divide(part, whole, out=np.zeros_like(part), where=occurs)
    with np.errstate(invalid="ignore"):
        return np.asarray(fractions.sum(axis=-1) / occurs.sum(axis=-1))
