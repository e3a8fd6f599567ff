"""The built-in model finds in the sample photos what the network that it was converted from finds in them."""

import json
from pathlib import Path

import pytest

from toolkit.models import Model
from toolkit.paths import data_catalog
from toolkit.segmentation import Protocol, segment_image

GOLDEN = json.loads((Path(__file__).parent / "golden_fractions.json").read_text(encoding="utf-8"))
"""By photo: the fraction of each class that holds more than 0.1 % of it; measured with the original network."""
PROTOCOL = Protocol(scale_base="long", base_size=513, crop_size=513, resize="pil")
TOLERANCE = 0.005


def test_every_sample_has_golden_fractions() -> None:
    samples = {path.name for path in (data_catalog() / "samples").iterdir() if path.suffix in {".jpg", ".png"}}
    assert samples == set(GOLDEN)


@pytest.mark.parametrize("photo", sorted(GOLDEN))
def test_the_class_fractions_are_the_original_networks(built_in: Model, photo: str) -> None:
    result = segment_image(data_catalog() / "samples" / photo, built_in, PROTOCOL)
    found = dict(zip(built_in.class_names, result.composition.tolist(), strict=True))
    assert found == pytest.approx(dict.fromkeys(found, 0.0) | GOLDEN[photo], abs=TOLERANCE)
