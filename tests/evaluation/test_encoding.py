"""What masks store becomes indices of the classes that are evaluated, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from toolkit.evaluation import EvaluationError, MaskEncoding
from toolkit.evaluation.encoding import MaskDecoder
from toolkit.models import load_dataset


def decoder_of(name: str, ignore_index: int | None = None) -> MaskDecoder:
    dataset = load_dataset(name)
    n_classes = len(dataset.class_names)
    return MaskDecoder(MaskEncoding.of_dataset(dataset, ignore_index), range(n_classes), n_classes)


class TestPlainIndices:
    decoder = MaskDecoder(MaskEncoding.plain(3), range(3), 3)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.int64])
    def test_they_stay_and_255_is_not_counted(self, dtype: type) -> None:
        indices = self.decoder.decode(np.array([[0, 1], [2, 255]], dtype))
        assert indices.tolist() == [[0, 1], [2, self.decoder.uncounted]]

    def test_a_value_of_no_class_is_named_with_the_remedy(self) -> None:
        with pytest.raises(EvaluationError, match=r"value 7, .* \(0…2 do, and 255 is ignored\); .*ignore_index=7"):
            self.decoder.decode(np.array([[0, 7]], np.uint8))

    @pytest.mark.parametrize("value", [253, 254, -1, 70_000])
    def test_no_value_is_mistaken_for_another(self, value: int) -> None:
        with pytest.raises(EvaluationError, match=f"value {value},"):
            self.decoder.decode(np.array([[0, value]]))

    def test_another_value_may_be_ignored(self) -> None:
        decoder = MaskDecoder(MaskEncoding.plain(3, ignore_index=-100), range(3), 3)
        assert decoder.decode(np.array([[1, -100]])).tolist() == [[1, decoder.uncounted]]
        with pytest.raises(EvaluationError, match="value 255"):
            decoder.decode(np.array([[1, 255]]))

    @pytest.mark.parametrize(("n_classes", "ignored"), [(255, 255), (256, 65535)])
    def test_the_usual_one_is_never_a_class(self, n_classes: int, ignored: int) -> None:
        decoder = MaskDecoder(MaskEncoding.plain(n_classes), range(n_classes), n_classes)
        values = np.array([[n_classes - 1, ignored]], np.uint16)
        assert decoder.decode(values).tolist() == [[n_classes - 1, decoder.uncounted]]

    @pytest.mark.parametrize("n_classes", [253, 254, 255, 256, 300])
    def test_any_number_of_classes_leaves_room_for_what_is_not_counted(self, n_classes: int) -> None:
        decoder = MaskDecoder(MaskEncoding.plain(n_classes, ignore_index=999), range(n_classes), n_classes)
        values = np.arange(n_classes, dtype=np.uint16)[None]
        np.testing.assert_array_equal(decoder.decode(values), values)
        assert decoder.decode(np.array([[999]], np.uint16)).tolist() == [[decoder.uncounted]]
        assert decoder.uncounted >= n_classes


class TestDataSets:
    def test_an_offset_and_its_zero(self) -> None:
        decoder = decoder_of("ade20k-150")
        assert decoder.decode(np.array([[0, 1, 150, 151]], np.uint8)).tolist() == [
            [decoder.uncounted, 0, 149, decoder.uncounted]
        ]

    def test_colours_and_a_colour_of_no_class(self) -> None:
        decoder = decoder_of("camvid-32")
        mask = np.array([[[64, 128, 64], [0, 0, 192], [1, 2, 3]]], np.uint8)
        assert decoder.decode(mask).tolist() == [[0, 19, decoder.uncounted]]

    def test_16_bits_in_the_first_of_several_channels(self) -> None:
        decoder = decoder_of("synthia")
        mask = np.array([[[22, 9, 0], [40_000, 1, 0]]], np.uint16)
        assert decoder.decode(mask).tolist() == [[22, decoder.uncounted]]

    def test_a_negative_stored_value(self) -> None:
        assert decoder_of("cityscapes-35").decode(np.array([[-1, 7]])).tolist() == [[34, 7]]

    def test_one_more_value_may_be_ignored(self) -> None:
        decoder = decoder_of("voc-21", ignore_index=0)
        assert decoder.decode(np.array([[0, 1, 255]], np.uint8)).tolist() == [[255, 1, 255]]

    @pytest.mark.parametrize(
        ("name", "mask", "strange"),
        [
            ("ade20k-150", [[0, 1, 255, 151]], [151]),
            ("voc-21", [[0, 20, 255, 21, 254]], [21, 254]),
            ("cityscapes-35", [[0, 33, -1, 255, 34]], [34]),
            ("camvid-32", [[[0, 0, 0], [64, 128, 64], [1, 2, 3]]], [0x010203]),
        ],
    )
    def test_what_stands_for_nothing_is_told_from_what_is_ignored(
        self, name: str, mask: list[object], strange: list[int]
    ) -> None:
        decoder = decoder_of(name)
        dtype = np.uint8 if name == "camvid-32" else np.int64
        indices, found = decoder.decode_with_strange(np.array(mask, dtype))
        assert found.tolist() == strange
        assert (indices[-1, -len(strange) :] == decoder.uncounted).all()

    def test_what_is_unknown_is_an_error_where_nothing_is_ignored(self) -> None:
        dataset = replace(load_dataset("camvid-32"), ignore_index=None)
        decoder = MaskDecoder(MaskEncoding.of_dataset(dataset), range(32), 32)
        with pytest.raises(EvaluationError, match="colour #010203, which stands for no class"):
            decoder.decode(np.array([[[64, 128, 64], [1, 2, 3]]], np.uint8))

    def test_classes_that_are_not_counted_are_left_out_and_others_merged(self) -> None:
        decoder = MaskDecoder(MaskEncoding.plain(4), [0, -1, 1, 0], 2)
        assert decoder.decode(np.array([[0, 1, 2, 3]], np.uint8)).tolist() == [[0, decoder.uncounted, 1, 0]]


@pytest.mark.parametrize(
    ("name", "mask", "message"),
    [
        ("voc-21", np.zeros((2, 2)), "float64 holds no class values"),
        ("voc-21", np.zeros((2, 2, 2, 2), int), r"shape \(height, width\), not \(2, 2, 2, 2\)"),
        ("camvid-32", np.zeros((2, 2), np.uint8), r"uint8 \(height, width, 3\), not uint8 of shape \(2, 2\)"),
        ("camvid-32", np.zeros((2, 2, 3), int), "not int64 of shape"),
    ],
)
def test_what_is_no_mask_is_refused(name: str, mask: np.ndarray, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        decoder_of(name).decode(mask)
