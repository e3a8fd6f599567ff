"""The fast path gives what the plain sequential reference gives, whatever the image, the network and the protocol."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from everything import EVERYTHING
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.models import InputRules, Model
from toolkit.segmentation import Execution, Protocol, mean_probabilities, plan, reference_probabilities

TOLERANCE = 1e-4
"""Largest difference of a probability; the promise of the fast path."""
MOST_TILES = 120 if EVERYTHING else 60
LONGEST_SIDE = 200

Compare = Callable[..., Any]
MakeModel = Callable[..., Model]
MakeImage = Callable[..., np.ndarray]

pytestmark = pytest.mark.usefixtures("every_way")


@dataclasses.dataclass(frozen=True)
class Case:
    """One image, one network, and the way to segment it."""

    height: int
    width: int
    protocol: Protocol
    network: dict[str, Any]
    """Arguments of the fixture ``random_model``."""
    seed: int
    batch_size: int | None
    band_rows: int
    """Rows of the image whose sums are held at a time."""


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    """(height, width) from a single pixel to panoramas of 4:1."""
    short = draw(st.integers(1, 40))
    long = draw(st.integers(short, 4 * short))
    return draw(st.sampled_from([(short, long), (long, short)]))


_either = st.booleans()
_as_trained_or = st.sampled_from([None, True, False])
_FREE_AXES: dict[str, st.SearchStrategy[Any]] = {
    "scales": st.lists(st.floats(0.1, 1.75).map(lambda scale: round(scale, 3)), min_size=1, max_size=4, unique=True),
    "rounding": st.sampled_from(["half_even", "half_up", "floor"]),
    "resize": st.sampled_from(["bilinear", "bilinear_uint8", "pil"]),
    "size_multiple": st.sampled_from([1, 4, 8]),
    "slices": st.tuples(st.integers(1, 3), st.integers(1, 3)),
    "slice_overlap": st.sampled_from([0.0, 0.1, 0.5]),
    "padding": st.sampled_from(["bottom_right", "center", "none"]),
    "pad_value": st.sampled_from(["mean", "zero"]),
    "flip": _either,
    "flip_merge": st.sampled_from(["tile", "image"]),
    "merge": st.sampled_from(["probabilities", "logits"]),
    "blend": st.sampled_from(["constant", "gaussian"]),
    "output_align_corners": _as_trained_or,
    "restore_align_corners": _as_trained_or,
}
"""Fields of a protocol that any value of any other goes with."""


@st.composite
def protocols(draw: st.DrawFn, modes: tuple[str, ...]) -> Protocol:
    """Any protocol whose tiles are small."""
    chosen = {name: draw(values) for name, values in _FREE_AXES.items()}
    chosen["mode"] = draw(st.sampled_from(modes))
    chosen["fit"] = draw(st.sampled_from(["pad", "stretch", "resize_again"]))
    chosen["scale_base"] = draw(st.sampled_from(["original", "long", "short", "square"]))
    if chosen["scale_base"] != "original":
        chosen["base_size"] = draw(st.integers(1, 30 if chosen["scale_base"] == "short" else 90))
    if chosen["scale_base"] == "short" and draw(_either):
        chosen |= {"long_limit": draw(st.integers(5, 100)), "limit_scales": draw(_either)}
    if chosen["mode"] == "whole" and chosen["merge"] == "logits" and chosen["fit"] != "pad" and draw(_either):
        chosen["upsample"] = "image"
    crop_size = draw(st.integers(8, 60))
    return Protocol(**chosen, crop_size=crop_size, stride=draw(st.integers(math.ceil(crop_size / 4), crop_size)))


@st.composite
def cases(draw: st.DrawFn, modes: tuple[str, ...] = ("slide", "whole", "slices")) -> Case:
    """Any image, network and protocol, with a bounded number of tiles."""
    height, width = draw(sizes())
    protocol = draw(protocols(modes))
    divisor, remainder = draw(st.sampled_from([(1, 0), (1, 0), (8, 0), (8, 1), (32, 0), (2, 1)]))
    tiles = plan(height, width, protocol, rules=InputRules(divisor, remainder))
    assume(len(tiles) <= MOST_TILES)
    assume(max(side for tile in tiles for side in tile.level.canvas) <= LONGEST_SIDE)
    return Case(
        height=height,
        width=width,
        protocol=protocol,
        network={
            "divisor": divisor,
            "remainder": remainder,
            "full_size": draw(_either),
            "align_corners": draw(_either),
        },
        seed=draw(st.integers(0, 99)),
        batch_size=draw(st.sampled_from([None, 1, 2, 3, 7])),
        band_rows=draw(st.sampled_from([1000, 1000, 1, 5, 9, 40])),
    )


@settings(deadline=None, max_examples=700 if EVERYTHING else 150, derandomize=True)
@given(case=cases())
def test_the_fast_path_equals_the_reference(
    random_model: MakeModel, noise: MakeImage, compare_with_reference: Compare, case: Case
) -> None:
    pixels = noise(case.height, case.width, case.seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.segmentation.image.band_rows", lambda *_: case.band_rows)
        compare_with_reference(pixels, random_model(**case.network), case.protocol, case.batch_size)


def test_the_property_test_draws_every_field_of_a_protocol() -> None:
    drawn = {*_FREE_AXES, "mode", "fit", "scale_base", "base_size", "long_limit", "limit_scales", "upsample"}
    assert drawn | {"crop_size", "stride"} == {field.name for field in dataclasses.fields(Protocol)}


@pytest.mark.parametrize("merge", ["probabilities", "logits"])
@pytest.mark.parametrize("padding", ["bottom_right", "center", "none"])
@pytest.mark.parametrize("size", [(1, 1), (1, 24), (24, 1), (23, 25), (24, 24), (25, 25), (25, 24), (11, 96), (96, 24)])
def test_sizes_around_the_crop_equal_the_reference(
    small_model: Model,
    noise: MakeImage,
    compare_with_reference: Compare,
    size: tuple[int, int],
    padding: Any,
    merge: Any,
) -> None:
    protocol = Protocol(crop_size=24, stride=17, padding=padding, merge=merge, blend="gaussian", flip=True)
    compare_with_reference(noise(*size), small_model, protocol)


@pytest.mark.parametrize(("crop_size", "stride"), [(1, 1), (2, 1), (2, 2), (7, 1), (7, 7)])
def test_the_smallest_crops_and_strides_equal_the_reference(
    small_model: Model, noise: MakeImage, compare_with_reference: Compare, crop_size: int, stride: int
) -> None:
    protocol = Protocol(scales=(0.7, 1.3), crop_size=crop_size, stride=stride, blend="gaussian")
    compare_with_reference(noise(9, 7), small_model, protocol, batch_size=7)


@pytest.mark.parametrize("mode", ["slide", "whole", "slices"])
@pytest.mark.parametrize("kind", [(8, 0), (8, 1), (32, 0), (2, 1)])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (10, 1), (33, 50)])
def test_a_tile_is_rounded_up_to_a_size_that_the_network_takes(
    random_model: MakeModel,
    noise: MakeImage,
    compare_with_reference: Compare,
    size: tuple[int, int],
    kind: tuple[int, int],
    mode: Any,
) -> None:
    """The random networks refuse other sizes; a crop of 27 suits none of them."""
    protocol = Protocol(mode=mode, crop_size=27, slices=(2, 2), pad_value="zero", padding="center")
    compare_with_reference(noise(*size), random_model(5, *kind), protocol)


@settings(deadline=None, max_examples=20 if EVERYTHING else 8, derandomize=True)
@given(case=cases())
def test_the_batch_size_does_not_change_the_result(random_model: MakeModel, noise: MakeImage, case: Case) -> None:
    pixels, model = noise(case.height, case.width, case.seed), random_model(**case.network)
    alone, *batched = (
        mean_probabilities(pixels, model, case.protocol, execution=Execution(batch_size=batch_size))
        for batch_size in (1, 3, 50, None)
    )
    for probabilities in batched:
        torch.testing.assert_close(probabilities, alone, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=80 if EVERYTHING else 25, derandomize=True)
@given(case=cases(modes=("slide", "slices")), scale=st.floats(0.2, 2))
def test_where_tiles_lie_does_not_matter_to_a_network_without_context(
    pixel_model: Model, noise: MakeImage, case: Case, scale: float
) -> None:
    """Checks the tiles against no tiles, and so both procedures at once."""
    pixels = noise(case.height, case.width, case.seed)
    tiles = dataclasses.replace(
        case.protocol,
        scales=(scale,),
        scale_base="original",
        base_size=None,
        long_limit=None,
        crop_size=20,
        stride=11,
    )
    tiled = mean_probabilities(pixels, pixel_model, tiles)
    whole = mean_probabilities(pixels, pixel_model, dataclasses.replace(tiles, mode="whole", flip=False))
    torch.testing.assert_close(tiled, whole, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("merge", ["probabilities", "logits"])
@pytest.mark.parametrize("segment", [mean_probabilities, reference_probabilities])
def test_one_tile_at_scale_1_is_the_softmax_of_the_network(
    small_model: Model, noise: MakeImage, segment: Callable[..., Any], merge: Any
) -> None:
    pixels = noise(20, 30)
    normalization = small_model.normalization
    image = (torch.tensor(pixels).float() - torch.tensor(normalization.mean)) / torch.tensor(normalization.std)
    logits = small_model.network(image.permute(2, 0, 1)[None])
    expected = F.interpolate(logits, size=(20, 30), mode="bilinear", align_corners=False)[0].softmax(0)
    found = torch.as_tensor(segment(pixels, small_model, Protocol(mode="whole", merge=merge)))
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-5)


def test_flips_make_the_result_mirror_with_the_image(small_model: Model, noise: MakeImage) -> None:
    pixels = noise(21, 33)
    protocol = Protocol(scales=(0.8, 1.2), mode="whole", flip=True)
    mirrored = mean_probabilities(np.ascontiguousarray(pixels[:, ::-1]), small_model, protocol)
    torch.testing.assert_close(mirrored.flip(-1), mean_probabilities(pixels, small_model, protocol), rtol=0, atol=1e-5)


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[::-1], np.s_[:, :, ::-1], np.s_[::2, ::3]])
@pytest.mark.parametrize("resize", ["bilinear", "bilinear_uint8", "pil"])
def test_pixels_may_be_a_view_of_another_array(
    small_model: Model, noise: MakeImage, compare_with_reference: Compare, view: Any, resize: Any
) -> None:
    """OpenCV's users turn BGR to RGB by ``pixels[:, :, ::-1]``."""
    protocol = Protocol(scales=(0.5, 1.0), crop_size=24, resize=resize)
    compare_with_reference(noise(30, 45)[view], small_model, protocol)


@pytest.mark.parametrize(
    ("resize", "band_rows"), [("bilinear", 5000), ("bilinear", 700), ("bilinear_uint8", 700), ("pil", 5000)]
)
def test_an_image_too_large_to_be_held_at_once_equals_the_reference(
    photo: MakeImage,
    compare_with_reference: Compare,
    monkeypatch: pytest.MonkeyPatch,
    make_pixel_model: MakeModel,
    resize: Any,
    band_rows: int,
) -> None:
    """Canvases made a row of tiles at a time, several strips, and several bands."""
    monkeypatch.setattr("toolkit.segmentation.image.band_rows", lambda *_: band_rows)
    protocol = Protocol(scales=(1.4,), crop_size=1400, stride=1300, resize=resize)
    pixels = np.asarray(Image.fromarray(photo("giraffe.jpg")).resize((950, 2300)))
    compare_with_reference(pixels, make_pixel_model(2), protocol, batch_size=1)
