"""A protocol that exists can be run: what cannot is refused by name and value, and what can is plain data."""

import copy
import json
import pickle
import re
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.segmentation import Protocol

NAN = float("nan")
INFINITY = float("inf")


@pytest.mark.parametrize("scale", [0, 0.0, -1, -0.5, NAN, INFINITY, -INFINITY, 16.001, 10**400])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"scales must lie in \(0, 16\]") as refusal:
        Protocol(scales=(1.0, scale))
    assert repr(scale) in str(refusal.value)


@pytest.mark.parametrize("scale", ["big", "1.0", True, False, None, 1j, (1.0,)])
def test_a_scale_that_is_no_number_is_refused(scale: Any) -> None:
    with pytest.raises(TypeError, match=rf"scales=.*{re.escape(repr(scale))}"):
        Protocol(scales=(1.0, scale))


@pytest.mark.parametrize("scales", ["big", "1.0", "", None, True])
def test_scales_that_are_no_numbers_are_refused(scales: Any) -> None:
    with pytest.raises(TypeError, match=rf"scales must be a number, or several .*{re.escape(repr(scales))}"):
        Protocol(scales=scales)


def test_no_scales_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scales .*empty"):
        Protocol(scales=())


@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.5, 1, 1.0)])
def test_a_scale_given_twice_is_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=rf"scales={re.escape(repr(scales))} .*twice"):
        Protocol(scales=scales)


@pytest.mark.parametrize("name", ["crop_size", "stride", "size_multiple"])
@pytest.mark.parametrize("value", [0, -1])
def test_fewer_pixels_than_one_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, not {value}"):
        Protocol(**{name: value})


@pytest.mark.parametrize("name", ["crop_size", "stride", "size_multiple"])
@pytest.mark.parametrize("value", [473.0, 0.5, NAN, "473", True, (473, 473)])
def test_pixels_that_are_no_whole_number_are_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name} .*{re.escape(repr(value))}"):
        Protocol(**{name: value})


def test_no_crop_is_refused() -> None:
    with pytest.raises(TypeError, match=r"crop_size .*None"):
        Protocol(crop_size=None)  # type: ignore[arg-type]


def test_a_stride_above_the_crop_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stride=101 .*crop_size=100"):
        Protocol(crop_size=100, stride=101)


def test_a_stride_of_the_crop_is_allowed() -> None:
    assert Protocol(crop_size=100, stride=100).stride == 100


@pytest.mark.parametrize(
    "name",
    [
        "scale_base",
        "rounding",
        "resize",
        "fit",
        "mode",
        "padding",
        "pad_value",
        "flip_merge",
        "merge",
        "blend",
        "upsample",
    ],
)
@pytest.mark.parametrize("value", ["Nonsense", "", None, 1, True, ["slide"], {}])
def test_an_unknown_choice_is_refused_and_the_known_are_named(name: str, value: Any) -> None:
    default = getattr(Protocol(), name)
    with pytest.raises(ValueError, match=rf"{name} must be one of .*'{default}'.* not {re.escape(repr(value))}"):
        Protocol(**{name: value})


@pytest.mark.parametrize("scale_base", ["long", "short", "square"])
def test_a_scale_base_needs_a_base_size(scale_base: Any) -> None:
    with pytest.raises(TypeError, match=r"base_size .*None"):
        Protocol(scale_base=scale_base)


@pytest.mark.parametrize(
    ("base_size", "error"), [(0, ValueError), (-5, ValueError), (512.0, TypeError), (True, TypeError)]
)
def test_a_wrong_base_size_is_refused(base_size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"base_size\b.*{re.escape(repr(base_size))}"):
        Protocol(scale_base="long", base_size=base_size)


def test_a_base_size_without_a_scale_base_is_refused() -> None:
    with pytest.raises(ValueError, match=r"base_size=512 .*scale_base='original'"):
        Protocol(base_size=512)


@pytest.mark.parametrize("name", ["flip", "limit_scales"])
@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_a_switch_that_is_neither_true_nor_false_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name} .*{re.escape(repr(value))}"):
        Protocol(**{name: value})


@pytest.mark.parametrize("name", ["output_align_corners", "restore_align_corners"])
@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_aligned_corners_are_true_false_or_as_trained(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name} must be True, False or None, not {re.escape(repr(value))}"):
        Protocol(**{name: value})


@pytest.mark.parametrize(
    ("crop_size", "overlap", "stride"),
    [(512, 0.25, 384), (96, 0.5, 48), (97, 0.5, 48), (473, 0, 473), (10, 0.99, 1), (3, 0.999, 1)],
)
def test_an_overlap_is_another_way_to_give_the_stride(crop_size: int, overlap: float, stride: int) -> None:
    assert Protocol(crop_size=crop_size, overlap=overlap) == Protocol(crop_size=crop_size, stride=stride)


@pytest.mark.parametrize("overlap", [1, 1.0, -0.1, NAN, INFINITY])
def test_an_overlap_out_of_range_is_refused(overlap: float) -> None:
    with pytest.raises(ValueError, match=rf"overlap must be a number in \[0, 1.*, not {overlap}"):
        Protocol(overlap=overlap)


@pytest.mark.parametrize("overlap", ["0.5", True, (0.5, 0.5)])
def test_an_overlap_that_is_no_number_is_refused(overlap: Any) -> None:
    with pytest.raises(TypeError, match=rf"overlap must be a number .*, not {re.escape(repr(overlap))}"):
        Protocol(overlap=overlap)


def test_a_stride_and_an_overlap_are_not_both_given() -> None:
    with pytest.raises(ValueError, match=r"stride=316 and overlap=0.5 .*give one"):
        Protocol(stride=316, overlap=0.5)


@pytest.mark.parametrize(
    ("slices", "error"),
    [
        ("23", TypeError),
        (4, TypeError),
        ((2.0, 2), TypeError),
        ((True, 2), TypeError),
        ((2,), ValueError),
        ((2, 2, 2), ValueError),
        ((0, 2), ValueError),
        ((2, 65), ValueError),
    ],
)
def test_slices_that_are_no_grid_are_refused(slices: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"slices"):
        Protocol(mode="slices", slices=slices)


@pytest.mark.parametrize(("slice_overlap", "error"), [(0.91, ValueError), (-0.1, ValueError), ("half", TypeError)])
def test_a_wrong_overlap_of_slices_is_refused(slice_overlap: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="slice_overlap"):
        Protocol(mode="slices", slice_overlap=slice_overlap)


@pytest.mark.parametrize("scale_base", ["original", "long", "square"])
def test_a_limit_of_the_long_side_belongs_to_the_short_side(scale_base: Any) -> None:
    base_size = None if scale_base == "original" else 512
    with pytest.raises(ValueError, match=rf"long_limit=1000 .*scale_base='{scale_base}'.*'short'"):
        Protocol(scale_base=scale_base, base_size=base_size, long_limit=1000)


@pytest.mark.parametrize(("long_limit", "error"), [(0, ValueError), (1000.0, TypeError), (True, TypeError)])
def test_a_wrong_limit_of_the_long_side_is_refused(long_limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"long_limit"):
        Protocol(scale_base="short", base_size=600, long_limit=long_limit)


@pytest.mark.parametrize("changed", [{"mode": "slide"}, {"merge": "probabilities"}, {"fit": "pad"}])
def test_logits_go_straight_to_the_image_only_where_one_tile_is_the_whole_image(changed: dict[str, Any]) -> None:
    fitting: dict[str, Any] = {"upsample": "image", "mode": "whole", "merge": "logits", "fit": "stretch"}
    assert Protocol(**fitting).upsample == "image"
    with pytest.raises(ValueError, match=f"upsample='image' needs .*{next(iter(changed.values()))!r}"):
        Protocol(**fitting | changed)


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="overlaps"):
        Protocol(overlaps=0.5)  # type: ignore[call-arg]


_UNRELATED: dict[str, st.SearchStrategy[Any]] = {
    "scales": st.lists(
        st.floats(0, 16, exclude_min=True) | st.integers(1, 16), min_size=1, max_size=7, unique_by=float
    ).map(tuple),
    "rounding": st.sampled_from(["half_even", "half_up", "floor"]),
    "resize": st.sampled_from(["bilinear", "bilinear_uint8", "pil"]),
    "size_multiple": st.integers(1, 64),
    "fit": st.sampled_from(["pad", "stretch", "resize_again"]),
    "mode": st.sampled_from(["slide", "whole", "slices"]),
    "slices": st.tuples(st.integers(1, 64), st.integers(1, 64)),
    "slice_overlap": st.floats(0, 0.9),
    "padding": st.sampled_from(["bottom_right", "center", "none"]),
    "pad_value": st.sampled_from(["mean", "zero"]),
    "flip": st.booleans(),
    "flip_merge": st.sampled_from(["tile", "image"]),
    "merge": st.sampled_from(["probabilities", "logits"]),
    "blend": st.sampled_from(["constant", "gaussian"]),
    "output_align_corners": st.sampled_from([None, True, False]),
    "restore_align_corners": st.sampled_from([None, True, False]),
}


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    """Any protocol."""
    chosen = {name: draw(values) for name, values in _UNRELATED.items()}
    chosen["crop_size"] = draw(st.integers(1, 2000))
    chosen["stride"] = draw(st.none() | st.integers(1, chosen["crop_size"]))
    chosen["scale_base"] = draw(st.sampled_from(["original", "long", "short", "square"]))
    if chosen["scale_base"] != "original":
        chosen["base_size"] = draw(st.integers(1, 4096))
    if chosen["scale_base"] == "short":
        chosen["long_limit"] = draw(st.none() | st.integers(1, 4096))
        chosen["limit_scales"] = draw(st.booleans())
    if chosen["mode"] == "whole" and chosen["merge"] == "logits" and chosen["fit"] != "pad":
        chosen["upsample"] = draw(st.sampled_from(["tile", "image"]))
    return Protocol(**chosen)


often = settings(deadline=None, max_examples=100, derandomize=True)


@often
@given(protocol=protocols())
def test_a_protocol_comes_back_from_its_settings(protocol: Protocol) -> None:
    assert Protocol(**protocol.to_dict()) == protocol


@often
@given(protocol=protocols())
def test_a_protocol_comes_back_from_json(protocol: Protocol) -> None:
    assert Protocol(**json.loads(json.dumps(protocol.to_dict()))) == protocol


@often
@given(protocol=protocols())
def test_a_protocol_comes_back_from_a_pickle_with_its_hash(protocol: Protocol) -> None:
    again = pickle.loads(pickle.dumps(protocol))
    assert again == protocol
    assert hash(again) == hash(protocol)


def test_the_settings_hold_every_field() -> None:
    assert set(Protocol().to_dict()) == {field.name for field in fields(Protocol)}


def test_equal_settings_are_one_protocol_however_they_are_written() -> None:
    written = {
        Protocol(scales=(1, 0.5), crop_size=473),
        Protocol(scales=[1.0, 0.5], crop_size=473, stride=316),  # type: ignore[arg-type]
        Protocol(scales=(scale for scale in (1.0, 0.5))),  # type: ignore[arg-type]
    }
    assert len(written) == 1


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Protocol().crop_size = 5  # type: ignore[misc]


def test_the_settings_are_a_copy() -> None:
    protocol = Protocol()
    protocol.to_dict()["scales"].append(2.0)
    assert protocol == Protocol()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("scale", "scales"),
        ("Flip", "flip"),
        ("crop", "crop_size"),
        ("tile_size", "crop_size"),
        ("roi_size", "crop_size"),
        ("step", "stride"),
        ("overlaps", "overlap"),
        ("interpolation", "resize"),
    ],
)
@pytest.mark.parametrize("make", [Protocol, lambda **settings: Protocol.preset("semseg", **settings)])
def test_a_field_that_there_is_not_is_refused_with_the_one_that_was_meant(make: Any, wrong: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"'{wrong}' is not a field of a protocol.*Did you mean '{meant}'"):
        make(**{wrong: 1})


@pytest.mark.parametrize("name", ["batch_size", "precision", "compile"])
def test_what_is_no_matter_of_the_numerics_says_where_it_goes(name: str) -> None:
    with pytest.raises(TypeError, match=f"'{name}' is not a field.*give it to segment"):
        Protocol(**{name: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(("wrong", "meant"), [("semsegg", "semseg"), ("SemSeg", "semseg"), ("mmseg", "mmseg1")])
def test_a_preset_that_there_is_not_is_refused_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"no preset '{wrong}'.*Did you mean '{meant}'"):
        Protocol.preset(wrong)


@pytest.mark.parametrize("wrong", [None, 3, ["semseg"]])
def test_a_preset_is_a_name(wrong: Any) -> None:
    with pytest.raises(ValueError, match="there is no preset"):
        Protocol.preset(wrong)


@pytest.mark.parametrize(
    ("wrong", "scales"),
    [
        (0.5, (0.5,)),
        (2, (2.0,)),
        ([0.5, 1], (0.5, 1.0)),
        (np.float64(0.5), (0.5,)),
        (np.float32(0.1), (0.1,)),
        (np.array([0.5, 1.0]), (0.5, 1.0)),
        (np.array([0.1, 0.7], np.float32), (0.1, 0.7)),
        (np.array([1, 2]), (1.0, 2.0)),
    ],
)
def test_a_number_several_and_numpys_are_scales(wrong: Any, scales: tuple[float, ...]) -> None:
    protocol = Protocol(scales=wrong)
    assert protocol.scales == scales
    assert all(type(scale) is float for scale in protocol.scales)
    assert protocol == Protocol(scales=scales)


@pytest.mark.parametrize("wrong", ["0.5", "0.5,1", True, None, np.array(0.5), np.array([[0.5]])])
def test_what_is_neither_a_number_nor_several_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"scales must be a number, or several such as \(0.5, 1.0\)"):
        Protocol(scales=wrong)


def test_a_protocol_is_copied_and_pickled() -> None:
    protocol = Protocol(scales=(0.5,), flip=True)
    assert copy.deepcopy(protocol) == protocol == pickle.loads(pickle.dumps(protocol))
    assert replace(protocol, flip=False) == Protocol(scales=(0.5,))
