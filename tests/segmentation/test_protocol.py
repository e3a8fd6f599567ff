"""A protocol that exists can be run: what cannot is refused by name and value, and what can is plain data."""

import json
import pickle
import re
from dataclasses import FrozenInstanceError, fields
from typing import Any

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


@pytest.mark.parametrize("scales", ["big", "1.0", "", 1.0, 1, None, True])
def test_scales_that_are_no_sequence_are_refused(scales: Any) -> None:
    with pytest.raises(TypeError, match=rf"scales must be a sequence .*{re.escape(repr(scales))}"):
        Protocol(scales=scales)


def test_no_scales_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scales .*empty"):
        Protocol(scales=())


@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.5, 1, 1.0)])
def test_a_scale_given_twice_is_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=rf"scales={re.escape(repr(scales))} .*twice"):
        Protocol(scales=scales)


@pytest.mark.parametrize("name", ["crop_size", "stride"])
@pytest.mark.parametrize("value", [0, -1])
def test_fewer_pixels_than_one_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} "):
        Protocol(**{name: value})


@pytest.mark.parametrize("name", ["crop_size", "stride"])
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


@pytest.mark.parametrize("name", ["scale_base", "mode", "padding", "pad_value", "merge", "blend", "resize"])
@pytest.mark.parametrize("value", ["Nonsense", "", None, 1, True, ["slide"], {}])
def test_an_unknown_choice_is_refused_and_the_known_are_named(name: str, value: Any) -> None:
    default = getattr(Protocol(), name)
    with pytest.raises(ValueError, match=rf"{name}={re.escape(repr(value))} .*'{default}'"):
        Protocol(**{name: value})


@pytest.mark.parametrize("scale_base", ["long", "short"])
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


@pytest.mark.parametrize("flip", ["yes", 1, 0, None])
def test_a_flip_that_is_neither_true_nor_false_is_refused(flip: Any) -> None:
    with pytest.raises(TypeError, match=rf"flip .*{re.escape(repr(flip))}"):
        Protocol(flip=flip)


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="overlap"):
        Protocol(overlap=0.5)  # type: ignore[call-arg]


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    """Any protocol."""
    crop_size = draw(st.integers(1, 2000))
    scale_base = draw(st.sampled_from(["original", "long", "short"]))
    return Protocol(
        scales=tuple(
            draw(
                st.lists(
                    st.floats(0, 16, exclude_min=True) | st.integers(1, 16), min_size=1, max_size=7, unique_by=float
                )
            )
        ),
        scale_base=scale_base,  # type: ignore[arg-type]
        base_size=None if scale_base == "original" else draw(st.integers(1, 4096)),
        mode=draw(st.sampled_from(["slide", "whole"])),
        crop_size=crop_size,
        stride=draw(st.none() | st.integers(1, crop_size)),
        padding=draw(st.sampled_from(["bottom_right", "center", "none"])),
        pad_value=draw(st.sampled_from(["mean", "zero"])),
        flip=draw(st.booleans()),
        merge=draw(st.sampled_from(["probabilities", "logits"])),
        blend=draw(st.sampled_from(["constant", "gaussian"])),
        resize=draw(st.sampled_from(["bilinear", "pil"])),
    )


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
