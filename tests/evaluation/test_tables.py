"""Scores per class as a table."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from toolkit.evaluation import EvaluationError, class_table, score

SCORES = score([[4, 2, 0], [1, 3, 0], [0, 0, 0]]).to_xarray(["sky", "tree", "road"])


def test_a_row_per_class_and_one_of_means() -> None:
    table = class_table(SCORES)
    assert table.index.tolist() == ["sky", "tree", "road", "(mean)"]
    assert table.columns.tolist() == ["IoU", "precision", "recall", "F1", "share", "pixels"]
    np.testing.assert_allclose(table.loc["sky"], [4 / 7, 4 / 5, 4 / 6, 8 / 11, 0.6, 6])
    assert table.loc["road"].isna().tolist() == [True] * 4 + [False] * 2
    assert table.loc["(mean)", "IoU"] == float(SCORES.mIoU)
    assert table.loc["(mean)", "pixels"] == 10


def test_runs_stand_side_by_side() -> None:
    runs = xr.concat([SCORES.drop_vars("support")] * 2, dim=pd.Index(["a", "b"], name="run"))
    table = class_table(runs.assign(support=SCORES.support))
    assert table.columns.tolist()[:3] == [("IoU", "a"), ("IoU", "b"), ("precision", "a")]
    pd.testing.assert_series_equal(table["IoU", "a"], class_table(SCORES)["IoU"], check_names=False)


def test_what_is_no_evaluation_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"result: has no iou, .*; give what evaluate returned"):
        class_table(xr.Dataset())
