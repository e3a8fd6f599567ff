"""What a protocol does can be read."""

import dataclasses
from typing import Any

import pytest

from toolkit.segmentation import Protocol
from toolkit.segmentation.presets import PRESETS


def test_describe_prints_the_description(capsys: pytest.CaptureFixture[str]) -> None:
    protocol = Protocol.preset("semseg")
    protocol.describe()
    assert capsys.readouterr().out == f"{protocol}\n"


@pytest.mark.parametrize("name", PRESETS)
def test_every_field_stands_there_with_its_value(name: str) -> None:
    protocol = Protocol.preset(name)
    lines = dict(line.split(maxsplit=1) for line in str(protocol).splitlines() if line and not line[0].isdigit())
    assert lines == {field: str(value) for field, value in protocol.to_dict().items()}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scales": (0.5, 1.25)}, "rescale to 0.5, 1.25 × the image's own size"),
        ({"scale_base": "long", "base_size": 512}, "a long side of 512 px"),
        ({"scale_base": "short", "base_size": 300}, "a short side of 300 px"),
        ({"scale_base": "square", "base_size": 473}, "473 × 473 px, whatever the aspect"),
        (
            {"scale_base": "short", "base_size": 300, "long_limit": 1000},
            "the long side at most 1000 × the scale px",
        ),
        (
            {"scale_base": "short", "base_size": 300, "long_limit": 1000, "limit_scales": False},
            "the long side at most 1000 px",
        ),
        ({"rounding": "half_up"}, "halves up"),
        ({"rounding": "floor"}, "rounded down"),
        ({"resize": "pil"}, "Pillow"),
        ({"resize": "bilinear_uint8"}, "rounded to whole values"),
        ({"fit": "resize_again", "size_multiple": 32}, "rescaled a second time to multiples of 32"),
        ({"fit": "stretch"}, "rescaled at once to a size that the network takes"),
        ({"crop_size": 713, "stride": 476}, "713 × 713 px every 476 px"),
        ({"mode": "whole"}, "the whole rescaled image"),
        ({"mode": "slices", "slices": (2, 3), "slice_overlap": 0.25}, "2 × 3 slices, each sharing 25%"),
        ({"padding": "center"}, "padded on all sides with the model's mean colour"),
        ({"pad_value": "zero"}, "padded at the bottom and right with black"),
        ({"padding": "none"}, "not padded"),
        ({"flip": True}, "each tile is also seen mirrored; the mean of the two probabilities"),
        ({"flip": True, "merge": "logits"}, "the mean of the two logits"),
        ({"flip": True, "flip_merge": "image"}, "the mirrored image makes a pass of its own"),
        ({"merge": "logits"}, "the tiles' logits, averaged"),
        ({"blend": "gaussian"}, "gaussian weights"),
        ({"output_align_corners": True}, "resized to the tile (corners aligned)"),
        ({"output_align_corners": False}, "resized to the tile (corners not aligned)"),
        ({"restore_align_corners": None}, "resized to the image's size (corners as the model was trained)"),
        (
            {"upsample": "image", "mode": "whole", "merge": "logits", "fit": "stretch"},
            "resized to the image's size at once",
        ),
    ],
    ids=str,
)
def test_the_steps_say_what_a_field_changes(settings: dict[str, Any], words: str) -> None:
    steps = str(Protocol(**settings)).partition("\n\n")[0]
    assert words in steps
    assert words not in str(Protocol()).partition("\n\n")[0]


def test_what_is_not_done_is_not_mentioned() -> None:
    steps = str(Protocol()).partition("\n\n")[0]
    assert "mirrored" not in steps
    assert "second time" not in steps


def test_steps_are_numbered_from_one() -> None:
    steps = str(dataclasses.replace(Protocol(), flip=True)).partition("\n\n")[0].splitlines()
    assert [step.partition(".")[0] for step in steps] == [str(number) for number in range(1, len(steps) + 1)]
