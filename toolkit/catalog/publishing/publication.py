"""What of a run is published: its rows, block by block, and what says where they come from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from zarr.abc.store import Store

from toolkit.catalog.errors import ERROR_CODES
from toolkit.catalog.format.layout import DONE, STATUS_NAMES
from toolkit.catalog.format.records import read_record
from toolkit.catalog.format.results import SegmentShape, read_results, read_status
from toolkit.catalog.format.segments import read_covariates, read_uris
from toolkit.catalog.provenance import now
from toolkit.catalog.reading.covariates import join_segments, to_array

MARK = "segscape_publication"
"""Attribute by which a publication is known, so that nothing else is ever replaced by one."""
_MARK_VERSION = 1

Block = dict[str, np.ndarray]
"""Values of consecutive images by name; first axis the images."""

PER_CLASS = ("composition", "soft_composition")
"""Names of what is (image, class_name) instead of (image)."""


@dataclass
class Publication:
    """A run as it is published.

    Results are read block by block; only the covariates of all images are held in memory. How the results came about
    (engines, attempts, seconds) is left to the catalog, and so are the names of people and machines.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The catalog's store.
    run_id : str
        A run that exists.
    segments : sequence of SegmentShape
        The images, as they were listed once.
    """

    store: Store
    run_id: str
    segments: Sequence[SegmentShape]
    counts: dict[str, int] = field(init=False)
    """Images by status, of the blocks that were read."""

    def __post_init__(self) -> None:
        self._record = read_record(self.store, self.run_id)
        tables = [read_covariates(self.store, shape) for shape in self.segments]
        joined = join_segments(tables)
        self._covariates = {str(name): to_array(joined[name]) for name in joined}
        self._reset()

    @property
    def n_images(self) -> int:
        """Number of images."""
        return sum(shape.n_images for shape in self.segments)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._record.settings.class_names

    @property
    def coordinates(self) -> list[str]:
        """Names of what belongs to the images rather than to the results."""
        return ["uri", *self._covariates]

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """The images in order, so many at a time; counts them anew."""
        self._reset()
        for start in range(0, self.n_images, n_rows):
            rows = slice(start, min(start + n_rows, self.n_images))
            parts = [self._read(shape, part) for shape, part in self._parts(rows)]
            block: Block = {"image": np.arange(rows.start, rows.stop)}
            block["uri"] = np.concatenate([part["uri"] for part in parts])
            block |= {name: values[rows] for name, values in self._covariates.items()}
            block |= {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "uri"}
            for status in STATUS_NAMES:
                self.counts[status] += int(np.sum(block["status"] == status))
            yield block

    def tables(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """The same as tables: uri, covariates, status, error, confidence, and a column per class.

        A class that is named like another column, or like an earlier class, has ``class:`` before its name.
        """
        for block in self.blocks(n_rows):
            columns = {name: block[name] for name in (*self.coordinates, "status", "error", "confidence")}
            for index, name in enumerate(self.class_names):
                free = name
                while free in columns:
                    free = f"class:{free}"
                columns[free] = block["composition"][:, index]
            yield pd.DataFrame(columns)

    def attributes(self) -> dict[str, Any]:
        """Where the results come from, as JSON types; the counts are those of the blocks that were read."""
        settings = self._record.settings
        return {
            MARK: _MARK_VERSION,
            "title": f"what {self.n_images} images are made of, by {settings.model}",
            "run_id": self.run_id,
            "model": settings.model,
            "model_digest": settings.model_digest,
            "class_names": list(settings.class_names),
            "palette": [list(color) for color in settings.palette],
            "protocol": json.dumps(dict(settings.protocol), sort_keys=True),
            "options": json.dumps(dict(settings.options), sort_keys=True),
            "numerics_version": settings.numerics_version,
            "versions": json.dumps(dict(self._record.by.packages), sort_keys=True),
            "created": self._record.created,
            "published": now(),
            "n_images": self.n_images,
            **{f"n_{status}": count for status, count in self.counts.items()},
        }

    def counts_of_all(self) -> dict[str, int]:
        """Images by status now, by the names of the attributes."""
        counts = np.zeros(len(STATUS_NAMES), dtype=np.int64)
        for shape in self.segments:
            status = read_status(self.store, self.run_id, shape, slice(0, shape.n_images))
            counts += np.bincount(status, minlength=counts.size)
        return {f"n_{status}": int(count) for status, count in zip(STATUS_NAMES, counts, strict=True)}

    def _reset(self) -> None:
        self.counts = {str(status): 0 for status in STATUS_NAMES}

    def _parts(self, rows: slice) -> Iterator[tuple[SegmentShape, slice]]:
        """The segments that rows of the catalog lie in, each with its own rows."""
        first = 0
        for shape in self.segments:
            start, stop = max(rows.start - first, 0), min(rows.stop - first, shape.n_images)
            if start < stop:
                yield shape, slice(start, stop)
            first += shape.n_images

    def _read(self, shape: SegmentShape, rows: slice) -> Block:
        per_class = [name for name in PER_CLASS if name == "composition" or name in self._record.settings.options]
        fields = [*per_class, "confidence", "error", "height", "width"]
        values = read_results(self.store, self.run_id, shape, len(self.class_names), rows, fields).values
        for name in per_class:
            values[name][values["status"] != DONE] = np.nan
        return {
            "uri": read_uris(self.store, shape, rows),
            **{name: values[name] for name in per_class},
            "confidence": values["confidence"],
            "status": STATUS_NAMES[values["status"]],
            "error": np.array(ERROR_CODES, dtype=object)[values["error"]],
            "height": values["height"],
            "width": values["width"],
        }
