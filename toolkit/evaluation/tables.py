"""Scores per run and per class as tables to look at."""

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MEAN = "(mean)"
_COLUMNS = {"iou": "IoU", "precision": "precision", "recall": "recall", "f1": "F1"}
_MEANS = {"iou": "mIoU", "precision": "mPrecision", "recall": "mAcc", "f1": "mF1"}
_OF_RUNS = ("aAcc", "mAcc", "mIoU", "mF1", "border_error", "scored_fraction")


def run_table(result: "xr.Dataset") -> "pd.DataFrame":
    """Scores of each run over all images and classes, and of how many images they are.

    Parameters
    ----------
    result : xarray.Dataset
        Of `evaluate`.

    Returns
    -------
    pandas.DataFrame
        One row per run, by id; columns ``model``, ``aAcc``, ``mAcc``, ``mIoU``, ``mF1``, ``border_error`` if measured,
        ``scored_fraction``, and the number of images of each outcome: ``evaluated``, and others that occur.

    Raises
    ------
    EvaluationError
        The dataset is of another kind.

    Examples
    --------
    >>> run_table(evaluate(cat, None, "masks"))  # doctest: +SKIP
    """
    import pandas as pd

    if "n_images" not in result or "aAcc" not in result:
        raise EvaluationError("result: has no scores of runs; give what evaluate returned")
    several = "run" in result.dims
    run_ids = result.run.values if several else [result.attrs["run_id"]]
    rows = []
    for run_id in run_ids:
        one = result.sel(run=run_id) if several else result
        row: dict[str, object] = {"model": str(one.model.values) if several else one.attrs["model"]}
        row |= {name: float(one[name]) for name in _OF_RUNS if name in one}
        counts = dict(zip(one.outcome.values, one.n_images.values.tolist(), strict=True))
        rows.append(row | {name: n for name, n in counts.items() if name == "evaluated" or n})
    table = pd.DataFrame(rows, index=pd.Index(run_ids, name="run"))
    outcomes = [name for name in result.outcome.values if name in table]
    return table.fillna(dict.fromkeys(outcomes, 0)).astype(dict.fromkeys(outcomes, int))


def class_table(result: "xr.Dataset") -> "pd.DataFrame":
    """Scores of each class, and their means.

    Parameters
    ----------
    result : xarray.Dataset
        Of `evaluate` or `Scores.to_xarray`.

    Returns
    -------
    pandas.DataFrame
        One row per class and a last one ``(mean)``; columns ``IoU``, ``precision``, ``recall``, ``F1`` (fractions; NaN
        for a class that does not occur), ``share`` (fraction of the counted pixels that are of the class) and
        ``pixels``. For several runs the first four are pairs of score and run.

    Raises
    ------
    EvaluationError
        The dataset is of another kind.
    """
    import pandas as pd

    absent = [name for name in (*_COLUMNS, *_MEANS.values(), "support") if name not in result]
    if absent:
        raise EvaluationError(f"result: has no {', '.join(absent)}; give what evaluate returned")
    runs = result.run.values.tolist() if "run" in result.dims else [None]
    columns: dict[object, np.ndarray] = {}
    for name, title in _COLUMNS.items():
        for run in runs:
            one = result if run is None else result.sel(run=run)
            columns[title if run is None else (title, run)] = np.append(one[name].values, float(one[_MEANS[name]]))
    support = result.support.values
    share = support / max(int(support.sum()), 1)
    for title, values, total in (("share", share, 1.0), ("pixels", support, support.sum())):
        columns[title if runs == [None] else (title, "")] = np.append(values, total)
    return pd.DataFrame(columns, index=pd.Index([*result.class_name.values, MEAN], name="class"))
