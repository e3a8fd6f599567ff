"""Checks of what a caller gives: what they take, and what their errors say."""

import math

import numpy as np
import pytest

from toolkit import arguments


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_any_kind_are_python_integers_afterwards(value: object) -> None:
    assert type(arguments.whole_number("n", value)) is int


@pytest.mark.parametrize("value", [True, 3.0, "3", None, math.nan])
def test_what_is_no_whole_number_is_of_a_wrong_type_and_a_wrong_value(value: object) -> None:
    with pytest.raises(TypeError, match=r"^n must be a whole number of at least 1, not "):
        arguments.whole_number("n", value, least=1)
    with pytest.raises(ValueError, match=f"not {value!r}$"):
        arguments.whole_number("n", value, least=1)


@pytest.mark.parametrize(
    ("limits", "value", "words"),
    [
        ({"least": 1}, 0, "a whole number of at least 1"),
        ({"most": 5}, 6, "a whole number of at most 5"),
        ({"least": 1, "most": 5}, 6, r"a whole number in \[1, 5\]"),
    ],
)
def test_what_is_out_of_range_is_no_matter_of_types(limits: dict[str, int], value: int, words: str) -> None:
    with pytest.raises(ValueError, match=f"^n must be {words}, not {value}$") as caught:
        arguments.whole_number("n", value, **limits)
    assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.int64(1)])
def test_numbers_are_floats_afterwards(value: object) -> None:
    assert type(arguments.number("share", value, least=0, most=1)) is float


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", 1j, None])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^timeout must be a number of seconds, not "):
        arguments.seconds("timeout", value)


@pytest.mark.parametrize("value", ["gaussian", np.str_("gaussian")])
def test_a_choice_is_what_was_allowed(value: object) -> None:
    assert type(arguments.choice("blend", value, ("constant", "gaussian"))) is str


@pytest.mark.parametrize("value", ["gauss", None, 1, True, ["gaussian"]])
def test_another_choice_is_refused_with_all_that_are_allowed(value: object) -> None:
    with pytest.raises(ValueError, match=r"^blend must be one of 'constant', 'gaussian', 0, not "):
        arguments.choice("blend", value, ("constant", "gaussian", 0))


@pytest.mark.parametrize("value", [0, 1, "yes", None, np.True_])
def test_a_flag_is_true_or_false_and_nothing_like_it(value: object) -> None:
    with pytest.raises(TypeError, match=r"^compile must be True or False, not "):
        arguments.flag("compile", value)
