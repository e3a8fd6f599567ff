"""How right label maps are: confusion matrix → aAcc, mAcc, mIoU, and a table per class."""

from toolkit.evaluation.borders import BorderError, border_error
from toolkit.evaluation.comparison import compare_runs
from toolkit.evaluation.confusion import ConfusionMatrix
from toolkit.evaluation.correspondence import Correspondence, match_classes
from toolkit.evaluation.encoding import MaskEncoding
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.evaluating import evaluate
from toolkit.evaluation.masks import read_mask
from toolkit.evaluation.metrics import Scores, score
from toolkit.evaluation.tables import class_table, run_table

__all__ = [
    "BorderError",
    "ConfusionMatrix",
    "Correspondence",
    "EvaluationError",
    "MaskEncoding",
    "Scores",
    "border_error",
    "class_table",
    "compare_runs",
    "evaluate",
    "match_classes",
    "read_mask",
    "run_table",
    "score",
]
