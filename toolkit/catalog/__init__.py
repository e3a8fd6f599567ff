"""What is known of every image: rows, claims, runs, labels; opens in xarray."""

from toolkit.catalog.blocks import OwnedBlock, RunBlocks
from toolkit.catalog.catalog import Catalog
from toolkit.catalog.claims import Claim
from toolkit.catalog.errors import CatalogError
from toolkit.catalog.failures import Failure, FailureLog
from toolkit.catalog.format.codes import ERROR_CODES, ERROR_MEANINGS
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.format.layout import DONE, FAILED, PENDING
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.records import RunSettings
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTable, ImageTables
from toolkit.catalog.owners import Heartbeat, Watch
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
    "ImageTable",
    "ImageTables",
    "LabelFolder",
    "LabelPlace",
    "OwnedBlock",
    "Owner",
    "RunBlocks",
    "RunResults",
    "RunSettings",
    "Session",
    "Watch",
]
