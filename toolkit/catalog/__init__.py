"""What is known of every image: rows, claims, runs, labels; opens in xarray."""

from toolkit.catalog.catalog import Catalog
from toolkit.catalog.claims import Claim
from toolkit.catalog.errors import ERROR_CODES, ERROR_MEANINGS, CatalogError
from toolkit.catalog.failures import Failure, FailureLog
from toolkit.catalog.format.blocks import OwnedBlock
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.format.layout import DONE, FAILED, PENDING
from toolkit.catalog.format.records import RunSettings
from toolkit.catalog.format.results import SegmentShape
from toolkit.catalog.owners import Heartbeat, Owner, Watch
from toolkit.catalog.provenance import Session

__all__ = [
    "DONE",
    "ERROR_CODES",
    "ERROR_MEANINGS",
    "FAILED",
    "PENDING",
    "Catalog",
    "CatalogError",
    "Claim",
    "Failure",
    "FailureLog",
    "Heartbeat",
    "LabelFolder",
    "LabelPlace",
    "OwnedBlock",
    "Owner",
    "RunSettings",
    "SegmentShape",
    "Session",
    "Watch",
]
