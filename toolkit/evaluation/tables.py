"""Scores per class as a table to look at."""

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MEAN = "(mean)"
_COLUMNS = {"iou": "IoU", "precision": "precision", "recall": "recall", "f1": "F1"}
_MEANS = {"iou": "mIoU", "precision": "mPrecision", "recall": "mAcc", "f1": "mF1"}


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
