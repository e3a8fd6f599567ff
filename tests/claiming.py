"""Claim blocks without asking whether anybody lives."""

from toolkit.catalog import Catalog, ImageTable, OwnedBlock, Owner


def claim_next(catalog: Catalog, run_id: str, shape: ImageTable, block: int, owner: Owner | None = None) -> OwnedBlock:
    """The generation after the newest one."""
    blocks = catalog.run_blocks(run_id)
    claim = blocks.latest_claim(shape, block)
    generation = 0 if claim is None else claim.generation + 1
    owned = blocks.claim(shape, block, owner or Owner(), generation)
    assert owned is not None
    return owned
