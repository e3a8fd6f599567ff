"""The format on disk: where everything lies in the store, and the type of every per-image array.

    images/<table>/                        uri(image), given_uri(image), covariates; written once, by whoever reserved
                                           its number; attribute base: the folder that its relative paths start from
    images/written/<table>/<covariate>     what was written for each image, where the values do not say it
    images/commits/<n>                     which table holds the n-th part of the images, how many, and which columns
                                           it has; written last
    images/changes/<n>                     the n-th change of covariates, or of which images are shown; written once
    images/folds/<n>                       what the changes up to the n-th come to: see `toolkit.catalog.format.changes`
    runs/<run_id>/                         attributes: the run's settings
    runs/<run_id>/<table>/<generation>/    one array per `RESULT_FIELDS`
        labels/<block>/<part>              label maps of some images, flat, one after the other
    runs/<run_id>/log/<driver>/<n>.jsonl   why images failed, in words
    runs/<run_id>/stuck/<table>/<row>      an engine got no further with this image, and ended itself
    runs/<run_id>/sessions/<driver>.json   who drove the run, when, where and with what
    claims/images/<table>                  who reserved the table's number
    claims/<run_id>/<table>/<block>/<generation>     who owns the block
    owners/<driver>                        the driver's heartbeat

Every per-image array has the block as its chunk, those per class a part of it if it is large: a whole number of chunks
belongs to one block. Whoever claims a block gets a generation of his own and writes only
there; nothing that another owner wrote is ever overwritten. Readers merge: see `toolkit.catalog.format.results`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

FORMAT_VERSION = 3
FORMAT_ATTRIBUTE = "segscape_catalog"

LARGEST_ORDINARY_BLOCK = 1024
_SMALLEST_BLOCK = 16
_MOST_BLOCKS = 4096
_BLOCKS_OF_SMALL_CATALOGS = 64

PENDING, DONE, FAILED = 0, 1, 2
STATUS_NAMES = np.array(["pending", "done", "failed"], dtype=object)
HIDDEN = 255
"""Status, never stored, of an image that was removed: it counts for nothing."""


def block_size_for(n_images: int) -> int:
    """Rows per block: a power of two, 1,024 for ordinary catalogs.

    Smaller in small catalogs, so that several drivers find work; larger from four million images on, so that the number
    of stored objects stays bounded.
    """
    wanted = max(_SMALLEST_BLOCK, min(LARGEST_ORDINARY_BLOCK, n_images // _BLOCKS_OF_SMALL_CATALOGS))
    wanted = max(wanted, -(-n_images // _MOST_BLOCKS))
    return 1 << (wanted - 1).bit_length()


@dataclass(frozen=True)
class ResultField:
    """One per-image array of a run."""

    name: str
    """Name of the array."""
    dtype: type[Any]
    """NumPy type of its elements."""
    fill_value: Any
    """What an image has that was not written yet."""
    per_class: bool = False
    """Whether the array is (image, class_name) instead of (image)."""
    optional: bool = False
    """Whether the array is only there if the run's options have its name."""
    later: bool = False
    """Whether what older versions wrote lacks the array: such images have the fill value then."""


STATUS = ResultField("status", np.uint8, PENDING)

RESULT_FIELDS: tuple[ResultField, ...] = (
    ResultField("composition", np.float32, float("nan"), per_class=True),
    ResultField("soft_composition", np.float32, float("nan"), per_class=True, optional=True),
    ResultField("confidence", np.float32, float("nan")),  # mean over the pixels of the greatest class probability
    ResultField("attempts", np.uint8, 0),
    ResultField("error", np.uint8, 0),  # position in ERROR_CODES
    ResultField("engine", str, ""),  # "host:pid"
    ResultField("started", np.int64, -1),  # milliseconds since 1970-01-01 UTC
    ResultField("seconds", np.float32, float("nan")),
    ResultField("height", np.uint32, 0),  # pixels
    ResultField("width", np.uint32, 0),  # pixels
    ResultField("label_place", np.int64, -1),  # array of labels/<block> and pixel in it, packed; -1: none was kept
    ResultField("valid_fraction", np.float32, float("nan"), later=True),  # of the picture, by its area and projection
    ResultField("blank", np.bool_, False, later=True),  # a placeholder: of one colour, or nearly
    ResultField("pixels_digest", np.uint64, 0, later=True),  # of size and pixels as decoded; 0: they were not looked at
    ResultField("perceptual_hash", np.uint64, 0, later=True),  # few bits differ where pictures look alike
    STATUS,  # the last to be written and the first to be read: whoever sees `done` finds the results
)

DERIVED = ("duplicate_of", "near_duplicate_of")
"""Names of results that are not stored: they follow from the digests of all images."""


COMMITS = "images/commits"


_DRIVER = r"[A-Za-z0-9_][^/]*-\d+-[0-9a-f]{12}"
_RUN_ID = r"[0-9a-f]{16}"
_N = r"(0|[1-9]\d*)"
_N5 = r"(\d{5}|[1-9]\d{5,})"
_NODE = rf"(zarr\.json|c/{_N}(/{_N})?)"

_OURS = re.compile(
    rf"""
    zarr\.json
    | (images|runs)(/[a-z]+)? /zarr\.json
    | images/(commits|changes|folds)/{_N5}
    | images/(written/)?(?P<table>{_N5})/(zarr\.json|(?P<column>[^/]+)/{_NODE})
    | runs/{_RUN_ID}(/{_N5}(/{_N})?)?/zarr\.json
    | runs/{_RUN_ID}/{_N5}/{_N}/\w+/{_NODE}
    | runs/{_RUN_ID}/{_N5}/{_N}/labels(/{_N})?/zarr\.json
    | runs/{_RUN_ID}/{_N5}/{_N}/labels/{_N}/{_N}/{_NODE}
    | runs/{_RUN_ID}/log/{_DRIVER}/(\d{{6}}|[1-9]\d{{6,}})\.jsonl
    | runs/{_RUN_ID}/sessions/{_DRIVER}\.json
    | runs/{_RUN_ID}/stuck/{_N5}/{_N}
    | claims/(images/{_N5}|{_RUN_ID}/{_N5}/{_N}/{_N})
    | owners/{_DRIVER}
    """,
    re.VERBOSE | re.ASCII,
)
_BEING_WRITTEN = re.compile(r".*\.[0-9a-f]{32}\.partial")


DIGITS = 5
"""Tables, commits, changes and folds have at least so many in their names; blocks and generations one."""
COMMIT_BEGINS, CHANGE_BEGINS, OWNER_BEGINS = b'{"segment"', b"\x1f\x8b", b'{"host"'
"""How what a catalog writes begins: commits, changes and folds, claims. What begins otherwise is somebody else's."""


def is_run_id(name: str) -> bool:
    """Whether a run may be called so; not what desktops and synchronisers put beside runs."""
    return re.fullmatch(_RUN_ID, name) is not None


def is_driver(name: str) -> bool:
    """Whether a driver may be called so."""
    return re.fullmatch(_DRIVER, name) is not None


def is_being_written(path: str) -> bool:
    """Whether this is how a file of a catalog is called until it is whole."""
    return _BEING_WRITTEN.fullmatch(path) is not None


def is_ours(path: str, columns: Mapping[int, Collection[str]]) -> bool:
    """Whether a catalog writes objects to such a path; ``columns`` are those of its tables, by their numbers."""
    found = _OURS.fullmatch(path)
    if found is None or found["column"] is None:
        return found is not None or is_being_written(path)
    return int(found["table"]) not in columns or found["column"] in columns[int(found["table"])]


def table_path(table: int) -> str:
    return f"images/{table:05d}"


def commit_path(number: int) -> str:
    return f"{COMMITS}/{number:05d}"


def written_path(table: int) -> str:
    return f"images/written/{table:05d}"


CHANGES = "images/changes"
FOLDS = "images/folds"


def change_path(number: int) -> str:
    return f"{CHANGES}/{number:05d}"


def fold_path(number: int) -> str:
    return f"{FOLDS}/{number:05d}"


def reservation_path(table: int) -> str:
    return f"claims/images/{table:05d}"


OWNERS = "owners"


def owner_path(name: str) -> str:
    return f"{OWNERS}/{name}"


def session_path(run_id: str, name: str) -> str:
    return f"{run_path(run_id)}/sessions/{name}.json"


def run_path(run_id: str) -> str:
    return f"runs/{run_id}"


def generations_path(run_id: str, table: int) -> str:
    return f"{run_path(run_id)}/{table:05d}"


def generation_path(run_id: str, table: int, generation: int) -> str:
    return f"{generations_path(run_id, table)}/{generation}"


def label_path(run_id: str, table: int, generation: int, block: int, part: int | str) -> str:
    return f"{generation_path(run_id, table, generation)}/labels/{block}/{part}"


def stuck_path(run_id: str, table: int, row: int) -> str:
    return f"{run_path(run_id)}/stuck/{table:05d}/{row}"


def log_path(run_id: str) -> str:
    return f"{run_path(run_id)}/log"


def claims_path(run_id: str, table: int, block: int) -> str:
    return f"claims/{run_id}/{table:05d}/{block}"


def claim_path(run_id: str, table: int, block: int, generation: int) -> str:
    return f"{claims_path(run_id, table, block)}/{generation}"
