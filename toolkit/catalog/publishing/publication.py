"""What of a run is published: its rows, block by block, and what says where they come from."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from toolkit.catalog.format.codes import ERROR_CODES
from toolkit.catalog.format.layout import DERIVED, DONE, STATUS_NAMES
from toolkit.catalog.format.results import RunResults, count, status_words
from toolkit.catalog.format.tables import ImageTable, below_common_folder, read_given, read_uris
from toolkit.catalog.provenance import now
from toolkit.catalog.reading.covariates import read_covariates
from toolkit.catalog.reading.flags import duplicates
from toolkit.catalog.reading.texts import width_of

_FULL_PATH = re.compile(r"/|\\|~|[A-Za-z]:[/\\]|(?i:file|sftp|ssh)://")

MARK = "segscape_publication"
"""Attribute by which a publication is known, so that nothing else is ever replaced by one."""
_MARK_VERSION = 1
_ROWS_AT_ONCE = 2**18

Block = dict[str, np.ndarray]
"""Values of consecutive images by name; first axis the images."""

_IN_TABLES = ("status", "error", "confidence", "valid_fraction", "blank", *DERIVED)
PER_CLASS = ("composition", "soft_composition")
"""Names of what is (image, class_name) instead of (image)."""


@dataclass
class Publication:
    """A run as it is published.

    Results are read block by block; only the covariates of all images are held in memory. How the results came about
    (engines, attempts, seconds) is left to the catalog, and so are the names of people and machines.

    Parameters
    ----------
    run : RunResults
        A run that exists, over the images as they were listed once.
    """

    run: RunResults
    counts: dict[str, int] = field(init=False)
    """Images by status, of the blocks that were read, by the names of the attributes."""

    def __post_init__(self) -> None:
        self._covariates = read_covariates(self.run.store, self.run.tables)
        self._uris = published_uris(self.run)
        self._copies = {name: self._called(rows) for name, rows in duplicates(self.run).items()}
        self._shown = self.run.tables.shown
        self.counts = _by_name(np.zeros(len(STATUS_NAMES), dtype=np.int64))

    @property
    def n_images(self) -> int:
        """Number of images, without those that were removed."""
        return len(self._shown)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.run.settings.class_names

    @property
    def coordinates(self) -> list[str]:
        """Names of what belongs to the images rather than to the results."""
        return ["uri", *self._covariates]

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """The images in order, so many at a time; counts them anew."""
        status = np.zeros(len(STATUS_NAMES), dtype=np.int64)
        for start in range(0, self.n_images, n_rows):
            image = self._shown[start : start + n_rows]
            rows = slice(int(image[0]), int(image[-1]) + 1)
            parts = [self._read(table, part) for table, part in self.run.tables.walk(rows)]
            shown = image - rows.start
            block: Block = {"image": image}
            block["uri"] = self._uris[image]
            block |= {name: values[image] for name, values in self._covariates.items()}
            block |= {name: np.concatenate([part[name] for part in parts])[shown] for name in parts[0]}
            block |= {name: originals[image] for name, originals in self._copies.items()}
            status += count(block["status"])
            self.counts = _by_name(status)
            block["status"] = status_words(block["status"])
            block["error"] = np.array(ERROR_CODES, dtype=object)[block["error"]]
            yield block

    def width_of_texts(self, name: str) -> int | None:
        """Characters of the longest text of a variable; None if it is none, or one that fixed widths would change."""
        if name in ("status", "error"):
            return width_of(np.array(STATUS_NAMES if name == "status" else ERROR_CODES, dtype=object))
        if name == "uri" or name in DERIVED:
            return width_of(self._uris)
        values = self._covariates.get(name)
        return width_of(values) if values is not None and values.dtype == object else None

    def tables(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """The same as tables: uri, covariates, status, error, confidence, and a column per class.

        A class that is named like another column, or like an earlier class, has ``class:`` before its name.
        """
        return map(self._table, self.blocks(n_rows))

    def to_dataframe(self) -> pd.DataFrame:
        """All of them in one table, with the row of each image in the catalog as its index."""
        blocks = [(block["image"], self._table(block)) for block in self.blocks(_ROWS_AT_ONCE)]
        empty = (np.empty(0, dtype=np.int64), self._empty())
        images, tables = zip(*(blocks or [empty]), strict=True)
        joined: pd.DataFrame = pd.concat(tables).set_axis(pd.Index(np.concatenate(images), name="image"), axis="index")
        joined.attrs.update(self.attributes())
        return joined

    def types(self) -> "pd.Series[Any]":
        """Type of each column of these tables."""
        return self._empty().dtypes

    def _empty(self) -> pd.DataFrame:
        texts = np.empty(0, dtype=object)
        numbers = np.empty((0, len(self.class_names)), dtype=np.float32)
        covariates = {name: values[:0] for name, values in self._covariates.items()}
        results = {"status": texts, "error": texts, "composition": numbers, **dict.fromkeys(DERIVED, texts)}
        measures = {"confidence": numbers[:, 0], "valid_fraction": numbers[:, 0], "blank": np.empty(0, dtype=bool)}
        return self._table({"uri": texts, **covariates, **results, **measures})

    def _table(self, block: Block) -> pd.DataFrame:
        columns = {name: block[name] for name in (*self.coordinates, *_IN_TABLES)}
        for index, name in enumerate(self.class_names):
            free = name
            while free in columns:
                free = f"class:{free}"
            columns[free] = block["composition"][:, index]
        return pd.DataFrame(columns)

    def attributes(self) -> dict[str, Any]:
        """Where the results come from, as JSON types; the counts are those of the blocks that were read."""
        settings = self.run.settings
        return {
            MARK: _MARK_VERSION,
            "title": f"what {self.n_images} images are made of, by {settings.model}",
            "run_id": self.run.run_id,
            "model": settings.model,
            "model_digest": settings.model_digest,
            "class_names": list(settings.class_names),
            "palette": [list(color) for color in settings.palette],
            "protocol": json.dumps(dict(settings.protocol), sort_keys=True),
            "options": json.dumps(dict(settings.options), sort_keys=True),
            "numerics_version": settings.numerics_version,
            "versions": json.dumps(dict(self.run.record.by.packages), sort_keys=True),
            "created": self.run.record.created,
            "published": now(),
            "n_images": self.n_images,
            **self.counts,
        }

    def counts_of_all(self) -> dict[str, int]:
        """Images by status now, by the names of the attributes."""
        return _by_name(self.run.counts())

    def _called(self, rows: np.ndarray) -> np.ndarray:
        """What the images of some rows are called, ``""`` where the row is -1."""
        return np.where(rows < 0, "", self._uris[rows]) if len(rows) else self._uris

    def _read(self, table: ImageTable, rows: slice) -> Block:
        per_class = [name for name in PER_CLASS if name == "composition" or name in self.run.settings.options]
        fields = [*per_class, "confidence", "error", "height", "width", "valid_fraction", "blank"]
        values = self.run.read(table, rows, fields).values
        for name in per_class:
            values[name][values["status"] != DONE] = np.nan
        order = [*per_class, "confidence", "status", *fields[len(per_class) + 1 :]]
        return {name: values[name] for name in order}


def published_uris(run: RunResults) -> np.ndarray:
    """What a publication calls the images, objects ``(n_images,)``: what a person wrote for them.

    Where that is a full path on somebody's machine, or stands for several images, it is the path below the deepest
    folder that all of these have in common.
    """
    tables = run.tables
    given = np.concatenate(
        [np.empty(0, dtype=object), *(read_given(run.store, t, None, tables.changes) for t in tables)]
    )
    times = Counter(given.tolist())
    cut = np.array([bool(_FULL_PATH.match(text)) or times[text] > 1 for text in given.tolist()], dtype=bool)
    if cut.any():
        uris = np.concatenate([read_uris(run.store, table) for table in tables])
        given[cut] = below_common_folder(uris[cut])
    return given


def _by_name(counts: np.ndarray) -> dict[str, int]:
    return {f"n_{status}": int(number) for status, number in zip(STATUS_NAMES, counts, strict=True)}
