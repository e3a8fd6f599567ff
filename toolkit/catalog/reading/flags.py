"""What was noticed of pictures while they were segmented: placeholders, and copies of others."""

import numpy as np
import pandas as pd

from toolkit.catalog.format.layout import DERIVED, DONE
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import read_uris
from toolkit.catalog.reading.duplicates import first_near, first_with_same

_FIELDS = ("blank", "pixels_digest", "perceptual_hash")


def duplicates(run: RunResults) -> dict[str, np.ndarray]:
    """Of each image of a run, the row of the first with the same pixels, and of the first that looks nearly the same.

    int64 ``(n_images,)`` each; -1 if there is none, or if an older version segmented the image and did not look.
    """
    return _duplicates(run.read_all(_FIELDS))


def _duplicates(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    digests = np.where(values["status"] == DONE, values["pixels_digest"], 0)
    same = first_with_same(digests)
    # All of one colour look alike and mean nothing by it; a copy needs no second comparison.
    near = first_near(values["perceptual_hash"], (digests != 0) & ~values["blank"] & (same < 0))
    copies = same >= 0
    near[copies] = same[copies]
    return dict(zip(DERIVED, (same, near), strict=True))


def flags_table(run: RunResults) -> pd.DataFrame:
    """The images of a run of which something was noticed, one row each; see `Catalog.flags`."""
    values = run.read_all(_FIELDS)
    found = _duplicates(values)
    blank = values["blank"] & (values["status"] == DONE)
    rows = np.flatnonzero(blank | (found["near_duplicate_of"] >= 0))
    uris = np.concatenate([np.empty(0, object), *(read_uris(run.store, table) for table in run.tables)])
    table = pd.DataFrame(
        {"uri": uris[rows], "blank": blank[rows], **{name: found[name][rows] for name in DERIVED}},
        index=pd.Index(rows, name="image"),
    )
    table.attrs["not_looked_at"] = int(((values["status"] == DONE) & (values["pixels_digest"] == 0)).sum())
    return table
