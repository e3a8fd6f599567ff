"""What the variables of a run's table are, in words and units: attributes by which xarray labels its plots."""

import json
from typing import Any

from toolkit.catalog.format.codes import ERROR_MEANINGS

DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "image": {"long_name": "row of the image in its catalog"},
    "uri": {"long_name": "where the image was read from"},
    "given_uri": {"long_name": "the image, as the person wrote it who gave it"},
    "class_name": {"long_name": "name of the class"},
    "composition": {"long_name": "fraction of the image's pixels in each class", "units": "1"},
    "soft_composition": {"long_name": "mean over the pixels of each class's probability", "units": "1"},
    "confidence": {"long_name": "mean over the pixels of the greatest class probability", "units": "1"},
    "attempts": {"long_name": "how often it was tried to segment the image"},
    "engine": {"long_name": "who did, as host:process"},
    "started": {"long_name": "when work on the image began (UTC)"},
    "seconds": {"long_name": "how long segmenting the image took, without reading it", "units": "s"},
    "status": {"long_name": "what became of the image: pending, done or failed"},
    "error": {"long_name": "why the image failed", "meanings": json.dumps(ERROR_MEANINGS)},
    "height": {"long_name": "height of the image", "units": "pixel"},
    "width": {"long_name": "width of the image", "units": "pixel"},
    "valid_fraction": {"long_name": "share of the image that counts, by the run's area", "units": "1"},
    "blank": {"long_name": "whether the image is of one colour, or a placeholder; False also where nobody looked"},
    "duplicate_of": {"long_name": "row of the first image with the same pixels; -1 if none"},
    "near_duplicate_of": {"long_name": "row of the first image that looks nearly the same; -1 if none"},
}
"""Attributes of each variable."""
