"""Names of models: taken apart, put together, and refused with what is allowed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.models import ModelOptionError
from toolkit.models.names import ModelName


@pytest.mark.parametrize(
    ("text", "provider", "name", "options"),
    [
        ("pspnet-resnet50", "", "pspnet-resnet50", {}),
        ("pspnet-resnet50?", "", "pspnet-resnet50", {}),
        ("smp:PSPNet/resnet50?classes=150", "smp", "PSPNet/resnet50", {"classes": "150"}),
        ("hf:org/name?revision=main", "hf", "org/name", {"revision": "main"}),
        ("a?weights=/data/x=1.pth&seed=3", "", "a", {"weights": "/data/x=1.pth", "seed": "3"}),
        ("a?weights=a%26b.pth", "", "a", {"weights": "a&b.pth"}),
    ],
)
def test_a_name_is_taken_apart(text: str, provider: str, name: str, options: dict[str, str]) -> None:
    assert ModelName.parse(text) == ModelName(provider, name, options)


@settings(deadline=None, derandomize=True)
@given(options=st.dictionaries(st.sampled_from(["weights", "seed", "dataset"]), st.text(max_size=20)))
def test_what_is_put_together_is_taken_apart_again(options: dict[str, str]) -> None:
    name = ModelName("smp", "Unet/resnet18", options)
    assert ModelName.parse(str(name)) == name


@pytest.mark.parametrize(
    ("text", "words"), [("a?classes", "'classes' is not of the form key=value"), ("a?x=1&x=2", "x is given twice")]
)
def test_a_malformed_query_is_refused(text: str, words: str) -> None:
    with pytest.raises(ModelOptionError, match=words):
        ModelName.parse(text)


def test_an_unknown_option_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ModelOptionError, match=r"'nclasses'.*'n_classes', 'seed'\. Did you mean 'n_classes'\?"):
        ModelName.parse("a?nclasses=3").check_options(["n_classes", "seed"])


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "x", "1e3", "²", "9" * 30])
def test_what_is_no_count_is_refused(value: str) -> None:
    with pytest.raises(ModelOptionError, match="n must be a whole number of at least 1"):
        ModelName("", "a", {"n": value}).count("n")


@pytest.mark.parametrize("value", ["1,2", "1,2,3,4", "1,2,x", "nan,1,1", "inf,1,1", ""])
def test_what_is_no_triple_of_numbers_is_refused(value: str) -> None:
    with pytest.raises(ModelOptionError, match="mean must be 3 numbers"):
        ModelName("", "a", {"mean": value}).numbers("mean", 3)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("False", False), ("1", True), ("0", False)])
def test_a_flag_is_true_or_false(value: str, expected: bool) -> None:
    assert ModelName("", "a", {"flag": value}).flag("flag") is expected


def test_a_flag_is_nothing_else() -> None:
    with pytest.raises(ModelOptionError, match="flag must be true or false, not 'yes'"):
        ModelName("", "a", {"flag": "yes"}).flag("flag")


def test_options_that_are_not_given_have_their_defaults() -> None:
    name = ModelName("", "a")
    assert (name.count("n", 7), name.flag("f", True), name.number("x", 0.5), name.numbers("y", 3)) == (7, True, 0.5, ())
