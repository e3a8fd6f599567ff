"""Wrong arguments are refused with their name, what was given and what is allowed; before anything is written."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import toolkit as tk
from toolkit import Catalog, Model, Protocol
from toolkit.catalog import CatalogError


@pytest.fixture(autouse=True)
def nothing_is_written(catalog: Catalog) -> Iterator[None]:
    yield
    assert catalog.runs().empty


@pytest.mark.parametrize("kind", [str, Path])
def test_the_path_of_no_catalog(kind: type[Any], model: Model, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"there is no catalog at .*nowhere\.zarr; make one with Catalog\.create"):
        tk.segment(kind(tmp_path / "nowhere.zarr"), model)


@pytest.mark.parametrize("given", [["a.jpg"], None, 3])
def test_something_that_is_no_catalog(given: object, model: Model) -> None:
    with pytest.raises(TypeError, match=r"catalog must be a Catalog, not .*Catalog\.open"):
        tk.segment(given, model)  # type: ignore[arg-type]


def test_the_name_of_no_model(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match=r"model 'nope': no such name.*deeplabv3-mobilenetv2-voc"):
        tk.segment(catalog, "nope")


@pytest.mark.parametrize("given", [None, 3, nn.Identity()])
def test_something_that_is_no_model(catalog: Catalog, given: object) -> None:
    with pytest.raises(TypeError, match="model must be a Model or the name of one"):
        tk.segment(catalog, given)  # type: ignore[arg-type]


def test_a_model_without_a_digest(catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
    with pytest.raises(ValueError, match="has no digest"):
        tk.segment(catalog, replace(model, digest=""), small_protocol)


@pytest.mark.parametrize("given", ["semseg", {"crop_size": 97}, 97])
def test_something_that_is_no_protocol(catalog: Catalog, model: Model, given: object) -> None:
    with pytest.raises(TypeError, match="protocol must be a Protocol, not"):
        tk.segment(catalog, model, given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["all", "done", True, 1])
def test_another_kind_of_retry(catalog: Catalog, model: Model, small_protocol: Protocol, given: object) -> None:
    with pytest.raises(ValueError, match=f"retry must be one of None, 'failed', not {given!r}"):
        tk.segment(catalog, model, small_protocol, retry=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [0, -1, float("nan")])
def test_flushing_after_no_time(catalog: Catalog, model: Model, small_protocol: Protocol, given: float) -> None:
    with pytest.raises(ValueError, match=f"flush_seconds must be a number of seconds in .*, not {given!r}"):
        tk.segment(catalog, model, small_protocol, flush_seconds=given)


@pytest.mark.parametrize("given", ["5", None])
def test_flushing_after_something_else(catalog: Catalog, model: Model, small_protocol: Protocol, given: object) -> None:
    with pytest.raises((TypeError, ValueError), match="flush_seconds"):
        tk.segment(catalog, model, small_protocol, flush_seconds=given)  # type: ignore[arg-type]


def test_flushing_never(catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
    with pytest.raises(ValueError, match="flush_seconds"):
        tk.segment(catalog, model, small_protocol, flush_seconds=float("inf"))


@pytest.mark.parametrize("given", ["local", 2, "gpu"])
def test_something_that_is_no_cluster(catalog: Catalog, model: Model, small_protocol: Protocol, given: object) -> None:
    with pytest.raises(TypeError, match=r"cluster must be a Cluster or None, not .*Cluster\.start\('local'"):
        tk.segment(catalog, model, small_protocol, cluster=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [10**8, {"max_pixels": 10}])
def test_limits_that_are_none(catalog: Catalog, model: Model, small_protocol: Protocol, given: object) -> None:
    with pytest.raises(TypeError, match="limits"):
        tk.segment(catalog, model, small_protocol, limits=given).wait()  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [print, [3], "print"])
def test_observers_that_are_none(catalog: Catalog, model: Model, small_protocol: Protocol, given: object) -> None:
    with pytest.raises(TypeError, match="observers"):
        tk.segment(catalog, model, small_protocol, observers=given).wait()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("precision", "float64", "precision must be one of .* not 'float64'"),
        ("precision", "float16", "needs a GPU"),
        ("compile", "yes", "compile must be True or False"),
        ("batch_size", 0, r"batch_size must be a whole number in \[1, "),
        ("soft_composition", 1, "soft_composition must be True or False"),
    ],
)
def test_how_the_network_is_run(
    catalog: Catalog, model: Model, small_protocol: Protocol, option: str, value: Any, message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        tk.segment(catalog, model, small_protocol, **{option: value})
