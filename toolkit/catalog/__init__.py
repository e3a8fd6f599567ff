"""What is known of every image: rows, claims, runs, labels; opens in xarray."""

from toolkit.catalog.blocks import OwnedBlock
from toolkit.catalog.catalog import Catalog
from toolkit.catalog.claims import Claim
from toolkit.catalog.errors import ERROR_CODES, ERROR_MEANINGS, CatalogError
from toolkit.catalog.failures import Failure, FailureLog
from toolkit.catalog.labels import LabelFolder, LabelPlace
from toolkit.catalog.layout import DONE, FAILED, PENDING
from toolkit.catalog.owners import Heartbeat, Owner, Watch
from toolkit.catalog.provenance import Session
from toolkit.catalog.records import RunSettings
from toolkit.catalog.results import SegmentShape

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
