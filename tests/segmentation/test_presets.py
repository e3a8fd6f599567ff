"""The published procedures: their fields and tile counts; the fast path computes each as the reference does."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from everything import EVERYTHING

from toolkit.models import Model
from toolkit.segmentation import Execution, Protocol, mean_probabilities, plan
from toolkit.segmentation.presets import PRESETS

SIX_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
FOUR_SCALES = (0.5, 0.75, 1.0, 1.25)

Compare = Callable[..., Any]

# What the published programs do, in the order in which they do it.
FIELDS: dict[str, dict[str, Any]] = {
    "semseg": {
        "scales": (1.0,),
        "scale_base": "long",
        "base_size": 512,
        "rounding": "half_even",
        "resize": "bilinear",
        "fit": "pad",
        "mode": "slide",
        "crop_size": 473,
        "stride": 316,
        "padding": "center",
        "pad_value": "mean",
        "flip": True,
        "flip_merge": "tile",
        "merge": "probabilities",
        "blend": "constant",
        "output_align_corners": True,
        "restore_align_corners": False,
    },
    "keras": {
        "scales": (1.0,),
        "scale_base": "original",
        "rounding": "floor",
        "resize": "pil",
        "fit": "pad",
        "mode": "slide",
        "crop_size": 473,
        "stride": 316,
        "padding": "bottom_right",
        "pad_value": "zero",
        "flip": True,
        "flip_merge": "tile",
        "merge": "probabilities",
        "blend": "constant",
        "output_align_corners": True,
        "restore_align_corners": True,
    },
    "mmseg1": {
        "scale_base": "original",
        "rounding": "half_up",
        "resize": "bilinear_uint8",
        "fit": "pad",
        "mode": "slide",
        "crop_size": 512,
        "stride": 341,
        "padding": "none",
        "flip": False,
        "flip_merge": "image",
        "merge": "logits",
        "blend": "constant",
        "output_align_corners": None,
        "restore_align_corners": None,
    },
    "mmseg0": {
        "scale_base": "short",
        "base_size": 512,
        "long_limit": 2048,
        "limit_scales": True,
        "rounding": "half_up",
        "resize": "bilinear_uint8",
        "mode": "slide",
        "padding": "none",
        "flip_merge": "image",
        "merge": "logits",
        "restore_align_corners": None,
    },
    "segformer": {
        "scale_base": "short",
        "base_size": 512,
        "long_limit": 2048,
        "resize": "bilinear_uint8",
        "size_multiple": 32,
        "fit": "resize_again",
        "mode": "whole",
        "flip_merge": "image",
        "merge": "logits",
        "upsample": "tile",
        "output_align_corners": False,
        "restore_align_corners": False,
    },
    "monai": {
        "scales": (1.0,),
        "scale_base": "original",
        "mode": "slide",
        "crop_size": 512,
        "stride": 384,
        "padding": "center",
        "pad_value": "mean",
        "flip": False,
        "merge": "logits",
        "blend": "constant",
    },
    "csail": {
        "scales": tuple(short / 600 for short in (300, 375, 450, 525, 600)),
        "scale_base": "short",
        "base_size": 600,
        "long_limit": 1000,
        "limit_scales": False,
        "rounding": "floor",
        "resize": "pil",
        "size_multiple": 8,
        "fit": "stretch",
        "mode": "whole",
        "flip": False,
        "merge": "logits",
        "upsample": "image",
        "output_align_corners": False,
    },
}

# The same procedures at a size that is quick: crops of 97 pixels, photos of about 130.
SMALL: dict[str, dict[str, Any]] = {
    "semseg": {"base_size": 128, "crop_size": 97, "scales": (0.5, 1.0)},
    "keras": {"crop_size": 97, "scales": (0.5, 1.0)},
    "mmseg1": {"crop_size": 97, "stride": 65, "scales": (1.0, 1.5), "flip": True},
    "mmseg0": {"base_size": 90, "long_limit": 120, "crop_size": 97, "scales": (0.75, 1.0)},
    "segformer": {"base_size": 90, "long_limit": 120, "scales": (0.75, 1.25), "flip": True},
    "monai": {"crop_size": 97, "blend": "gaussian"},
    "csail": {"base_size": 90, "long_limit": 110, "scales": (0.5, 0.75, 1.0)},
}
LONGEST = 126


@pytest.mark.parametrize("name", FIELDS)
def test_a_preset_has_the_fields_of_the_published_procedure(name: str) -> None:
    protocol = Protocol.preset(name)
    assert {field: getattr(protocol, field) for field in FIELDS[name]} == FIELDS[name]


def test_no_preset_is_untested() -> None:
    assert set(PRESETS) - {"default"} == set(FIELDS) == set(SMALL)


def test_the_preset_default_is_what_a_protocol_is_without_settings() -> None:
    assert Protocol.preset("default") == Protocol()
    assert Protocol.preset("default", crop_size=97, flip=True) == Protocol(crop_size=97, flip=True)


@pytest.mark.parametrize(
    ("size", "protocol", "counts"),
    [
        ((640, 640), Protocol.preset("semseg", scales=SIX_SCALES), [1, 1, 4, 4, 4, 9]),
        ((640, 640), Protocol.preset("keras", scales=FOUR_SCALES), [1, 4, 4, 9]),
        ((1024, 2048), Protocol.preset("semseg", base_size=2048, crop_size=713), [8]),
    ],
    ids=["semseg", "keras", "semseg on Cityscapes"],
)
def test_tiles_per_scale_are_those_of_the_published_procedures(
    size: tuple[int, int], protocol: Protocol, counts: list[int]
) -> None:
    per_scale = Counter(tile.scale for tile in plan(*size, protocol))
    assert [per_scale[scale] for scale in protocol.scales] == counts


@pytest.mark.parametrize(
    ("size", "protocol", "total"),
    [
        ((640, 640), Protocol.preset("semseg", scales=SIX_SCALES), 23),
        ((640, 640), Protocol.preset("keras", scales=FOUR_SCALES), 18),
        ((1024, 2048), Protocol.preset("semseg", scales=SIX_SCALES, base_size=2048, crop_size=713), 81),
    ],
    ids=["semseg", "keras", "semseg on Cityscapes"],
)
def test_tiles_of_all_scales_are_those_of_the_published_procedures(
    size: tuple[int, int], protocol: Protocol, total: int
) -> None:
    assert len(plan(*size, protocol)) == total


def test_the_network_sees_each_tile_twice_where_a_preset_flips(small_model: Model) -> None:
    crops_per_call: list[int] = []
    handle = small_model.network.register_forward_pre_hook(lambda _, inputs: crops_per_call.append(len(inputs[0])))
    try:
        protocol = Protocol.preset("semseg", scales=SIX_SCALES)
        mean_probabilities(np.zeros((640, 640, 3), np.uint8), small_model, protocol, execution=Execution(batch_size=4))
    finally:
        handle.remove()
    assert sum(crops_per_call) == 46


@pytest.mark.parametrize(("crop_size", "stride"), [(473, 316), (713, 476)])
@pytest.mark.parametrize("name", ["semseg", "keras"])
def test_the_stride_follows_the_crop_in_pspnets_presets(name: str, crop_size: int, stride: int) -> None:
    assert Protocol.preset(name, crop_size=crop_size).stride == stride


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        ("semseg", {"scales": (0.5, 1.0), "flip": False}, {"scales": (0.5, 1.0), "flip": False, "crop_size": 473}),
        ("semseg", {"stride": 100}, {"stride": 100, "crop_size": 473}),
        ("semseg", {"overlap": 0.5}, {"stride": 236}),
        ("semseg", {"scale_base": "original"}, {"base_size": None, "scale_base": "original"}),
        ("mmseg1", {"crop_size": 769}, {"crop_size": 769, "stride": 513}),
        ("mmseg1", {"crop_size": 769, "stride": 513}, {"crop_size": 769, "stride": 513}),
        ("mmseg1", {"overlap": 0.5}, {"stride": 256}),
        ("mmseg0", {"scale_base": "long"}, {"scale_base": "long", "base_size": 512, "long_limit": None}),
        ("monai", {"crop_size": 96}, {"crop_size": 96, "stride": 72}),
        ("monai", {"overlap": 0.625}, {"stride": 192}),
        ("monai", {"stride": 17}, {"stride": 17}),
        ("csail", {"scale_base": "original"}, {"base_size": None, "long_limit": None}),
        ("keras", {"mode": "whole", "scale_base": "square", "base_size": 473}, {"base_size": 473, "resize": "pil"}),
        (
            "segformer",
            {"mode": "slide", "crop_size": 1024, "stride": 768, "base_size": 1024},
            {"mode": "slide", "crop_size": 1024, "stride": 768, "long_limit": 2048},
        ),
    ],
    ids=str,
)
def test_a_preset_takes_fields_of_your_own(name: str, overrides: dict[str, Any], expected: dict[str, Any]) -> None:
    protocol = Protocol.preset(name, **overrides)
    assert {field: getattr(protocol, field) for field in expected} == expected


def test_a_preset_is_a_protocol_like_any_other() -> None:
    protocol = Protocol.preset("csail")
    assert Protocol(**protocol.to_dict()) == protocol
    assert Protocol.preset("semseg", crop_size=473, base_size=512, scales=(1.0,)) == Protocol.preset("semseg")


@pytest.mark.parametrize("name", ["caffe", "", "Semseg", None, 3])
def test_an_unknown_preset_is_refused_and_the_known_are_named(name: Any) -> None:
    with pytest.raises(ValueError, match=r"no preset .*'semseg', 'keras', .*'csail'") as refusal:
        Protocol.preset(name)
    assert repr(name) in str(refusal.value)


@pytest.mark.parametrize("field", ["crop", "scale", "overlaps"])
def test_an_unknown_field_is_refused_and_the_known_are_named(field: str) -> None:
    with pytest.raises(TypeError, match=rf"'{field}' is not a field of a protocol; .*scales, .*overlap"):
        Protocol.preset("semseg", **{field: 5})


@pytest.mark.parametrize("overrides", [{"crop_size": 0}, {"stride": 500}, {"base_size": None}, {"padding": "reflect"}])
def test_an_override_that_is_not_allowed_is_refused(overrides: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(overrides))):
        Protocol.preset("semseg", **overrides)


VARIED = ("building.jpg", "dog.jpg", "licenseplate_motion.jpg", "person.jpg")
"""Photos of several classes, for when not all are tried."""


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("network", ["built_in", "small_pspnet", "small_segformer", "small_lraspp"])
def test_fast_path_and_reference_agree_on_the_samples(
    request: pytest.FixtureRequest,
    photos: list[str],
    photo: Callable[..., np.ndarray],
    compare_with_reference: Compare,
    network: str,
    name: str,
) -> None:
    model, protocol = request.getfixturevalue(network), Protocol.preset(name, **SMALL[name])
    seen: set[int] = set()
    for number, file_name in enumerate(photos):
        if not EVERYTHING and file_name not in VARIED:
            continue
        agreement = compare_with_reference(photo(file_name, LONGEST - 7 * number), model, protocol)
        assert agreement.share >= 0.999
        seen |= agreement.classes
    assert len(seen) >= 3, "the network nearly always gives the same class, and so shows little"


def test_fast_path_and_reference_agree_on_a_whole_photo_in_the_published_size(
    built_in: Model, photo: Callable[..., np.ndarray], compare_with_reference: Compare
) -> None:
    agreement = compare_with_reference(photo("dog.jpg"), built_in, Protocol.preset("semseg"))
    assert agreement.share >= 0.999
    assert built_in.class_names.index("dog") in agreement.classes
