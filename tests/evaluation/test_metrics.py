"""Scores from one confusion matrix: by hand, and as torchmetrics computes them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchmetrics import Metric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from toolkit.evaluation import ConfusionMatrix, score

# 6 pixels of class 0, of which 4 are right; 4 of class 1, of which 3 are; class 2 does not occur.
BY_HAND = [[4, 2, 0], [1, 3, 0], [0, 0, 0]]


class TestByHand:
    def test_per_class(self) -> None:
        scores = score(BY_HAND)
        np.testing.assert_allclose(scores.iou, [4 / 7, 3 / 6, np.nan])
        np.testing.assert_allclose(scores.precision, [4 / 5, 3 / 5, np.nan])
        np.testing.assert_allclose(scores.recall, [4 / 6, 3 / 4, np.nan])
        np.testing.assert_allclose(scores.f1, [8 / 11, 6 / 9, np.nan])
        assert scores.support.tolist() == [6, 4, 0]

    def test_over_classes_without_the_one_that_does_not_occur(self) -> None:
        scores = score(BY_HAND)
        assert scores.aAcc == 7 / 10
        assert scores.mIoU == pytest.approx((4 / 7 + 3 / 6) / 2)
        assert scores.mAcc == scores.mRecall == pytest.approx((4 / 6 + 3 / 4) / 2)
        assert scores.mPrecision == pytest.approx((4 / 5 + 3 / 5) / 2)
        assert scores.mF1 == pytest.approx((8 / 11 + 6 / 9) / 2)

    def test_they_are_not_means_over_images(self) -> None:
        first, second = (ConfusionMatrix(2) for _ in range(2))
        first.update(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
        second.update(np.array([1, 1]), np.array([0, 1]))
        assert score(first + second).mIoU == pytest.approx((3 / 5 + 1 / 3) / 2)
        assert score(first + second).mIoU != pytest.approx((score(first).mIoU + score(second).mIoU) / 2)

    def test_a_class_that_is_only_predicted_or_only_there_has_zeros(self) -> None:
        scores = score([[0, 5, 0], [0, 0, 0], [0, 0, 5]])
        for values in (scores.iou, scores.precision, scores.recall, scores.f1):
            assert values.tolist() == [0, 0, 1]

    def test_predicting_what_the_targets_do_not_know_is_wrong_and_no_class_of_its_own(self) -> None:
        scores = score([[3, 0, 1], [0, 4, 0]])
        assert scores.iou.tolist() == [0.75, 1]
        assert scores.precision.tolist() == [1, 1]
        assert scores.aAcc == 7 / 8

    def test_of_nothing_there_is_nothing_to_say(self) -> None:
        scores = score(ConfusionMatrix(3))
        assert np.isnan([scores.aAcc, scores.mAcc, scores.mIoU, scores.mPrecision, scores.mF1]).all()
        assert np.isnan(scores.iou).all()

    def test_an_excluded_class_is_in_no_mean(self) -> None:
        scores = score([[4, 2], [1, 3]], excluded=[0])
        np.testing.assert_array_equal(scores.iou, [np.nan, 0.5])
        assert scores.mIoU == 0.5

    def test_so_is_a_class_that_is_the_ignore_index(self) -> None:
        confusion = ConfusionMatrix(2, ignore_index=0)
        confusion.update(np.array([0, 1, 1]), np.array([0, 1, 1]))
        np.testing.assert_array_equal(score(confusion).iou, [np.nan, 1])


def of_torchmetrics(metric: type[Metric], prediction: torch.Tensor, target: torch.Tensor, **options: Any) -> Any:
    computed = metric(num_classes=5, validate_args=False, **options)
    for part in range(2):  # streamed, as over a catalog
        computed.update(prediction[part::2], target[part::2])
    return computed.compute().double().numpy()


MANY = [(0, 0)] * 3 + [(1, 0), (1, 1), (2, 2), (2, 255), (4, 3)]


class TestTorchmetrics:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        pixels=st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 1, 2, 3, 4, 255])), min_size=2, max_size=60),
        ignore_index=st.sampled_from([255, 2]),
    )
    @example(pixels=MANY, ignore_index=255)
    def test_they_are_the_same(self, pixels: list[tuple[int, int]], ignore_index: int) -> None:
        prediction, target = torch.tensor(pixels).unbind(1)
        target = torch.where(target == 255, ignore_index, target)
        confusion = ConfusionMatrix(5, ignore_index)
        confusion.update(prediction, target)
        if not confusion.n_pixels:
            return
        scores = score(confusion)
        kept = [index for index in range(5) if index != ignore_index]
        for metric, values in (
            (MulticlassJaccardIndex, scores.iou),
            (MulticlassPrecision, scores.precision),
            (MulticlassRecall, scores.recall),
            (MulticlassF1Score, scores.f1),
        ):
            expected = of_torchmetrics(metric, prediction, target, ignore_index=ignore_index, average="none")
            np.testing.assert_allclose(np.nan_to_num(values)[kept], expected[kept], atol=1e-6)
        accuracy = of_torchmetrics(MulticlassAccuracy, prediction, target, ignore_index=ignore_index, average="micro")
        assert scores.aAcc == pytest.approx(float(accuracy), abs=1e-6)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        pixels=st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 1, 2, 3, 4, 255])), min_size=2, max_size=60)
    )
    @example(pixels=MANY)
    def test_so_are_the_means_with_absent_classes(self, pixels: list[tuple[int, int]]) -> None:
        prediction, target = torch.tensor(pixels).unbind(1)
        confusion = ConfusionMatrix(5)
        confusion.update(prediction, target)
        if not confusion.n_pixels:
            return
        scores = score(confusion)
        for metric, value in (
            (MulticlassJaccardIndex, scores.mIoU),
            (MulticlassPrecision, scores.mPrecision),
            (MulticlassAccuracy, scores.mAcc),
            (MulticlassF1Score, scores.mF1),
        ):
            expected = of_torchmetrics(metric, prediction, target, ignore_index=255, average="macro")
            assert value == pytest.approx(float(expected), abs=1e-6), metric.__name__


class TestDataset:
    def test_it_has_names(self) -> None:
        dataset = score(BY_HAND).to_xarray(["sky", "tree", "road"])
        assert float(dataset.iou.sel(class_name="tree")) == 0.5
        assert int(dataset.confusion.sel(target_class="sky", predicted_class="tree")) == 2
        assert float(dataset.aAcc) == 0.7

    def test_what_the_targets_do_not_know_is_called_other(self) -> None:
        dataset = score([[3, 0, 1], [0, 4, 0]]).to_xarray()
        assert dataset.predicted_class.values.tolist() == ["0", "1", "(other)"]

    def test_there_is_one_name_per_class(self) -> None:
        with pytest.raises(ValueError, match="2 names for 3 classes"):
            score(BY_HAND).to_xarray(["sky", "tree"])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([1, 2], r"shape \(n_classes, at least n_classes\), not \(2,\)"),
        ([[1], [2]], r"not \(2, 1\)"),
        ([[0.5]], "counts of pixels, not float64"),
        ([[-1]], "such as -1"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(matrix)


def test_an_excluded_class_must_exist() -> None:
    with pytest.raises(ValueError, match=r"excluded: \[3\] are not all classes \(0…2\)"):
        score(BY_HAND, excluded=[3])
