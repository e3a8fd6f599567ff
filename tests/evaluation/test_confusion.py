"""Counts by target and predicted class: exact, whatever the type, the order and the number of label maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchmetrics.functional.classification import multiclass_confusion_matrix

from toolkit.evaluation import ConfusionMatrix
from toolkit.evaluation.confusion import _CPU_PIXELS

PREDICTION = np.array([[0, 1, 1], [2, 2, 0]])
TARGET = np.array([[0, 0, 1], [2, 255, 2]])
MATRIX = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def counted(prediction: object, target: object, n_classes: int = 3, **options: object) -> list[list[int]]:
    confusion = ConfusionMatrix(n_classes, **options)  # type: ignore[arg-type]
    confusion.update(prediction, target)  # type: ignore[arg-type]
    return confusion.matrix.tolist()  # type: ignore[no-any-return]


class TestCounts:
    def test_rows_are_targets_and_columns_predictions(self) -> None:
        assert counted(PREDICTION, TARGET) == MATRIX

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int16, np.int32, np.int64, ">u2"])
    def test_any_integers_of_numpy_do(self, dtype: str) -> None:
        assert counted(PREDICTION.astype(dtype), TARGET.astype(dtype)) == MATRIX

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32, torch.int64])
    def test_any_integers_of_torch_do(self, dtype: torch.dtype) -> None:
        assert counted(torch.tensor(PREDICTION).to(dtype), torch.tensor(TARGET).to(dtype)) == MATRIX

    def test_the_two_may_be_of_different_kinds(self) -> None:
        assert counted(torch.tensor(PREDICTION), TARGET.astype(np.uint8)) == MATRIX

    def test_memory_that_is_read_only_or_turned_is_not_touched(self) -> None:
        prediction, target = PREDICTION.copy(), np.asfortranarray(TARGET)
        prediction.flags.writeable = target.flags.writeable = False
        assert counted(prediction[::-1, ::-1], target[::-1, ::-1]) == MATRIX

    def test_a_negative_ignore_index_is_one(self) -> None:
        assert counted(PREDICTION, np.where(TARGET == 255, -100, TARGET), ignore_index=-100) == MATRIX

    def test_what_is_predicted_where_nothing_is_counted_may_be_anything(self) -> None:
        assert counted(np.where(TARGET == 255, 99, PREDICTION), TARGET) == MATRIX

    def test_a_class_may_be_ignored(self) -> None:
        target = np.where(TARGET == 255, 0, TARGET)
        assert counted(PREDICTION, target, ignore_index=0) == [[0, 0, 0], [0, 1, 0], [1, 0, 1]]

    def test_without_ignore_index_everything_counts(self) -> None:
        target = np.where(TARGET == 255, 1, TARGET)
        assert counted(PREDICTION, target, ignore_index=None) == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]

    def test_classes_that_only_predictions_have_are_columns(self) -> None:
        assert counted(np.array([3, 0]), np.array([1, 0]), 2, n_predicted=4) == [[1, 0, 0, 0], [0, 0, 0, 1]]

    def test_nothing_is_counted_of_no_pixels_and_of_ignored_ones(self) -> None:
        confusion = ConfusionMatrix(2)
        confusion.update(np.zeros((0, 5), np.uint8), np.zeros((0, 5), np.uint8))
        confusion.update(np.zeros((4, 5), np.uint8), np.full((4, 5), 255, np.uint8))
        assert confusion.n_pixels == 0

    def test_a_large_map_is_counted_in_parts(self) -> None:
        generator = np.random.default_rng(0)
        shape = (2, _CPU_PIXELS // 2 + 77)
        prediction, target = generator.integers(0, 4, shape), generator.integers(0, 4, shape)
        expected = np.zeros((4, 4), np.int64)
        np.add.at(expected, (target, prediction), 1)
        assert counted(prediction, target, 4) == expected.tolist()

    def test_more_than_int32_can_count_is_counted(self) -> None:
        confusion = ConfusionMatrix(1)
        confusion.update(np.zeros(2, np.uint8), np.zeros(2, np.uint8))
        for _ in range(40):
            confusion += confusion
        assert confusion.n_pixels == 2**41

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(data=st.data(), n_classes=st.integers(2, 6))
    def test_torchmetrics_counts_the_same(self, data: st.DataObject, n_classes: int) -> None:
        shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
        prediction = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, n_classes - 1)))
        values = st.sampled_from([*range(n_classes), 255])
        target = data.draw(hnp.arrays(np.int64, shape, elements=values))
        expected = multiclass_confusion_matrix(
            torch.tensor(prediction), torch.tensor(target), num_classes=n_classes, ignore_index=255
        )
        assert counted(prediction, target, n_classes) == expected.tolist()


class TestSums:
    def test_parts_add_up_to_the_whole_in_any_order(self) -> None:
        whole, first, second = (ConfusionMatrix(3) for _ in range(3))
        whole.update(PREDICTION, TARGET)
        first.update(PREDICTION[:1], TARGET[:1])
        second.update(PREDICTION[1:], TARGET[1:])
        assert (first + second).matrix.tolist() == (second + first).matrix.tolist() == whole.matrix.tolist()
        assert first.n_pixels == 3
        first.merge(second)
        assert first.matrix.tolist() == whole.matrix.tolist()

    @pytest.mark.parametrize("other", [ConfusionMatrix(2), ConfusionMatrix(3, 0), ConfusionMatrix(3, n_predicted=4)])
    def test_those_of_other_kinds_are_refused(self, other: ConfusionMatrix) -> None:
        with pytest.raises(ValueError, match=r"cannot be added: .* \(3, 3, 255\) here"):
            ConfusionMatrix(3).merge(other)


class TestMistakes:
    def test_a_value_that_is_no_class_is_named_with_the_remedy(self) -> None:
        with pytest.raises(ValueError, match=r"target: value 200 is not a class \(0…2\) and not the ignore index 255;"):
            counted(np.array([1, 0]), np.array([1, 200]))
        with pytest.raises(ValueError, match="target: value -1 is not a class"):
            counted(np.array([1, 0]), np.array([1, -1]))
        with pytest.raises(ValueError, match=r"prediction: value 3 is not a class \(0…2\)"):
            counted(np.array([1, 3]), np.array([1, 0]))

    def test_nothing_is_counted_then(self) -> None:
        confusion = ConfusionMatrix(2)
        wrong = np.zeros(_CPU_PIXELS + 1, np.uint8)
        wrong[-1] = 7
        with pytest.raises(ValueError, match="value 7"):
            confusion.update(np.zeros_like(wrong), wrong)
        assert confusion.n_pixels == 0

    def test_shapes_must_agree(self) -> None:
        with pytest.raises(ValueError, match=r"prediction has shape \(2, 3\) and target \(3, 2\)"):
            counted(PREDICTION, TARGET.T)

    @pytest.mark.parametrize("labels", [PREDICTION.astype(float), torch.rand(2, 3), PREDICTION > 0, torch.ones(2) > 0])
    def test_what_is_not_of_integers_is_refused(self, labels: object) -> None:
        with pytest.raises(TypeError, match=r"prediction must hold integers, not .*argmax"):
            counted(labels, TARGET)

    def test_lists_are_refused(self) -> None:
        with pytest.raises(TypeError, match=r"target must be a numpy array or a torch tensor .* not list"):
            counted(PREDICTION, TARGET.tolist())

    def test_arguments_are_checked(self) -> None:
        with pytest.raises(ValueError, match="n_classes must be a whole number of at least 1, not 0"):
            ConfusionMatrix(0)
        with pytest.raises(ValueError, match="n_predicted must be a whole number of at least 3, not 2"):
            ConfusionMatrix(3, n_predicted=2)
        with pytest.raises(TypeError, match=r"ignore_index, unless None, must be a whole number, not 2\.5"):
            ConfusionMatrix(3, 2.5)  # type: ignore[arg-type]


def test_the_counts_are_kept_where_they_are_asked_to_be() -> None:
    confusion = ConfusionMatrix(3, device="cpu")
    confusion.update(torch.tensor(PREDICTION), torch.tensor(TARGET))
    assert (confusion.matrix.device.type, confusion.matrix.dtype) == ("cpu", torch.int64)
    assert repr(confusion) == "<ConfusionMatrix: 3 classes, 5 pixels>"
