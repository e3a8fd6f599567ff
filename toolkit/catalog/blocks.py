"""A block that a driver owns: where its results and label maps go."""

from dataclasses import dataclass

from zarr.abc.store import Store

from toolkit.catalog.claims import Owner, claim_next_generation
from toolkit.catalog.labels import LabelFolder
from toolkit.catalog.records import read_record
from toolkit.catalog.results import BlockWriter, GenerationArrays, SegmentShape


@dataclass(frozen=True)
class OwnedBlock:
    """A claimed block."""

    rows: slice
    """Its rows in their segment."""
    labels: LabelFolder
    """Where engines write its label maps."""
    writer: BlockWriter
    """Where the driver writes its results."""


def claim_block(store: Store, run_id: str, shape: SegmentShape, block: int, owner: Owner) -> OwnedBlock:
    """Claim the next generation of a block, and make the place for its results."""
    settings = read_record(store, run_id).settings
    generation = claim_next_generation(store, run_id, shape.segment, block, owner)
    arrays = GenerationArrays(store, run_id, shape, generation)
    arrays.create(settings.class_names, settings.options)
    rows = shape.rows(block)
    labels = LabelFolder(store, run_id, shape.segment, block, generation)
    return OwnedBlock(rows, labels, BlockWriter(arrays, rows, len(settings.class_names), settings.options))
