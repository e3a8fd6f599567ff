"""Which class of a model answers to which class of a data set."""

from dataclasses import replace

import pytest

from toolkit.evaluation import EvaluationError, match_classes
from toolkit.models import load_dataset

VOC, CITYSCAPES, ALL_CITYSCAPES, CAMVID, SYNTHIA = map(
    load_dataset, ["voc-21", "cityscapes-19", "cityscapes-35", "camvid-32", "synthia"]
)


class TestByName:
    def test_without_a_data_set_the_models_classes_are_those_of_the_masks(self) -> None:
        match = match_classes(("sky", "road"))
        assert (match.class_names, match.of_target, match.of_prediction) == (("sky", "road"), (0, 1), (0, 1))

    def test_the_same_names_are_the_same_classes(self) -> None:
        match = match_classes(VOC.class_names, VOC)
        assert match.class_names == VOC.class_names
        assert match.of_target == match.of_prediction == tuple(range(21))

    def test_in_another_order_too(self) -> None:
        match = match_classes(VOC.class_names[::-1], VOC)
        assert match.class_names == VOC.class_names
        assert match.of_prediction == tuple(range(21))[::-1]

    def test_ignored_classes_are_not_evaluated(self) -> None:
        match = match_classes(SYNTHIA.class_names, SYNTHIA)
        assert match.class_names == SYNTHIA.class_names[1:]
        assert match.of_target == (-1, *range(22))
        assert match.of_prediction == (22, *range(22))  # to predict void is wrong

    def test_nor_is_one_whose_id_is_the_ignore_index(self) -> None:
        match = match_classes(CAMVID.class_names, replace(CAMVID, ignored=()))
        assert "Void" not in match.class_names
        assert match.of_target[CAMVID.class_names.index("Void")] == -1

    def test_a_model_need_not_have_them(self) -> None:
        match = match_classes(SYNTHIA.class_names[1:], SYNTHIA)
        assert match.of_prediction == tuple(range(22))


class TestByMapping:
    def test_masks_become_the_models_classes(self) -> None:
        match = match_classes(CITYSCAPES.class_names, ALL_CITYSCAPES)
        assert match.class_names == CITYSCAPES.class_names
        assert match.of_prediction == tuple(range(19))
        by_name = dict(zip(ALL_CITYSCAPES.class_names, match.of_target, strict=True))
        assert by_name["road"] == 0
        assert by_name["bicycle"] == 18
        assert by_name["ego vehicle"] == by_name["parking"] == by_name["license plate"] == -1
        assert match.description == "masks mapped from cityscapes-35 to cityscapes-19"

    def test_label_maps_become_the_data_sets_classes(self) -> None:
        match = match_classes(ALL_CITYSCAPES.class_names, CITYSCAPES)
        assert match.class_names == CITYSCAPES.class_names
        assert match.of_target == tuple(range(19))
        by_name = dict(zip(ALL_CITYSCAPES.class_names, match.of_prediction, strict=True))
        assert (by_name["road"], by_name["bicycle"], by_name["parking"]) == (0, 18, 19)
        assert match.description == "label maps mapped from cityscapes-35 to cityscapes-19"

    def test_several_classes_become_one(self) -> None:
        match = match_classes(load_dataset("camvid-11").class_names, CAMVID)
        by_name = dict(zip(CAMVID.class_names, match.of_target, strict=True))
        pedestrian = match.class_names.index("Pedestrian")
        assert by_name["Animal"] == by_name["Child"] == by_name["Pedestrian"] == pedestrian
        assert by_name["Void"] == -1


class TestAsGiven:
    def test_classes_left_out_are_wrong(self) -> None:
        match = match_classes(
            ("car", "bus", "heaven", "cat"), CITYSCAPES, {"car": "car", "bus": "car", "heaven": "sky"}
        )
        car, sky = (CITYSCAPES.class_names.index(name) for name in ("car", "sky"))
        assert match.class_names == CITYSCAPES.class_names
        assert match.of_prediction == (car, car, sky, 19)
        assert match.of_target == tuple(range(19))

    def test_by_position(self) -> None:
        match = match_classes([f"class {index}" for index in range(19)], CITYSCAPES, "position")
        assert match.class_names == CITYSCAPES.class_names
        assert match.of_prediction == tuple(range(19))


class TestMistakes:
    def test_classes_that_do_not_correspond_are_listed_with_the_remedy(self) -> None:
        with pytest.raises(EvaluationError) as caught:
            match_classes((*CITYSCAPES.class_names[:-1], "bike"), CITYSCAPES)
        message = str(caught.value)
        assert "the model has 19 classes and cityscapes-19 19" in message
        assert "only the model has 'bike'; only cityscapes-19 has 'bicycle'" in message
        assert "classes={model class: class of the data set}, or classes='position'" in message

    def test_position_is_no_remedy_for_other_numbers_of_classes(self) -> None:
        with pytest.raises(EvaluationError, match=r"only the model has .* and 8 more") as caught:
            match_classes(VOC.class_names, CITYSCAPES)
        assert "'position'" not in str(caught.value)
        with pytest.raises(EvaluationError, match="classes='position': the model has 21 classes and cityscapes-19 19"):
            match_classes(VOC.class_names, CITYSCAPES, "position")

    def test_a_name_that_does_not_exist_is_named(self) -> None:
        with pytest.raises(EvaluationError, match="'cart' is not a class of the model; it has 'car'"):
            match_classes(("car",), CITYSCAPES, {"cart": "car"})
        with pytest.raises(EvaluationError, match="'cart' is not a class of cityscapes-19; it has 'road'"):
            match_classes(("car",), CITYSCAPES, {"car": "cart"})

    def test_a_mapping_needs_a_data_set(self) -> None:
        with pytest.raises(EvaluationError, match="pass dataset="):
            match_classes(("car",), None, {"car": "car"})

    def test_other_kinds_are_refused(self) -> None:
        with pytest.raises(EvaluationError, match="classes: 'name' is neither a mapping of class names nor 'position'"):
            match_classes(("car",), CITYSCAPES, "name")  # type: ignore[arg-type]


class TestOnlyShared:
    def test_by_name(self) -> None:
        match = match_classes(VOC.class_names, ALL_CITYSCAPES, "shared")
        assert match.class_names == ("person", "car", "bus", "train", "bicycle")
        assert [match.of_target[ALL_CITYSCAPES.class_names.index(name)] for name in match.class_names] == [
            0,
            1,
            2,
            3,
            4,
        ]
        assert {index for index in match.of_target if index >= 0} == {0, 1, 2, 3, 4}
        assert match.of_target.count(-1) == 30
        assert match.of_prediction[VOC.class_names.index("train")] == 3
        assert match.of_prediction.count(5) == 16
        assert match.description == "classes as given; only the 5 that both have"

    def test_with_a_mapping(self) -> None:
        classes = {"motorbike": "motorcycle", "bus": "bus", "train": "bus"}
        with pytest.warns(UserWarning, match="'bicycle', 'car', 'person' are classes of the model and of"):
            match = match_classes(VOC.class_names, CITYSCAPES, classes, only_shared=True)
        assert match.class_names == ("bus", "motorcycle")
        assert [match.of_prediction[VOC.class_names.index(name)] for name in ("train", "bus", "motorbike")] == [0, 0, 1]

    def test_of_a_mapping_of_descriptors(self) -> None:
        ids = tuple(
            255 if id_ == CITYSCAPES.class_names.index("wall") else id_ for id_ in SYNTHIA.mapping["cityscapes-19"]
        )
        dataset = replace(SYNTHIA, mapping={"cityscapes-19": ids})
        match = match_classes(CITYSCAPES.class_names, dataset, only_shared=True)
        assert match.class_names == tuple(name for name in CITYSCAPES.class_names if name != "wall")
        assert match.of_prediction[CITYSCAPES.class_names.index("wall")] == 18

    def test_nothing_is_shared(self) -> None:
        with pytest.raises(EvaluationError, match=r"camvid-32 has no class of the same name, .* and only_shared=True"):
            match_classes(VOC.class_names, CAMVID, "shared")
        with pytest.raises(EvaluationError, match="no data set is named"):
            match_classes(VOC.class_names, None, "shared")

    def test_the_error_of_classes_that_differ_says_so(self) -> None:
        with pytest.raises(EvaluationError, match="classes='shared' to measure those of one name only"):
            match_classes(VOC.class_names, CITYSCAPES)
        with pytest.raises(EvaluationError, match=r"class of the data set}$"):
            match_classes(("heaven",), CITYSCAPES)
