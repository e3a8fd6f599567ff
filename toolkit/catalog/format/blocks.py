"""A block that a driver owns: where its results and label maps go."""

from dataclasses import dataclass

from zarr.abc.store import Store

from toolkit.catalog.claims import claim_generation, is_overtaken
from toolkit.catalog.format.labels import LabelFolder
from toolkit.catalog.format.records import read_record
from toolkit.catalog.format.results import BlockWriter, GenerationArrays, SegmentShape
from toolkit.catalog.owners import Owner


@dataclass(frozen=True)
class OwnedBlock:
    """A claimed block."""

    rows: slice
    """Its rows in their segment."""
    labels: LabelFolder
    """Where engines write its label maps."""
    writer: BlockWriter
    """Where the driver writes its results."""

    @property
    def is_overtaken(self) -> bool:
        """Whether another driver took this one for dead, and owns the block now."""
        folder = self.labels
        return is_overtaken(folder.store, folder.run_id, folder.segment, folder.block, folder.generation)


def claim_block(
    store: Store, run_id: str, shape: SegmentShape, block: int, owner: Owner, generation: int
) -> OwnedBlock | None:
    """Claim a generation of a block, and make the place for its results; None if another driver was quicker.

    Parameters
    ----------
    store, run_id, shape, block
        Which block.
    owner : Owner
        Who claims it.
    generation : int
        The one after the newest claim's, whose owner has ended or lapsed; 0 if there is none.
    """
    if not claim_generation(store, run_id, shape.segment, block, generation, owner):
        return None
    settings = read_record(store, run_id).settings
    arrays = GenerationArrays(store, run_id, shape, generation)
    arrays.create(settings.class_names, settings.options)
    if arrays.is_written(block):  # the claim of whoever wrote that was lost; nothing is ever written over results
        return claim_block(store, run_id, shape, block, owner, generation + 1)
    rows = shape.rows(block)
    labels = LabelFolder(store, run_id, shape.segment, block, generation)
    return OwnedBlock(rows, labels, BlockWriter(arrays, rows, len(settings.class_names), settings.options))
