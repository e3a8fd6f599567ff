"""Claim blocks without asking whether anybody lives."""

from toolkit.catalog import Catalog, OwnedBlock, Owner, SegmentShape


def claim_next(
    catalog: Catalog, run_id: str, shape: SegmentShape, block: int, owner: Owner | None = None
) -> OwnedBlock:
    """The generation after the newest one."""
    claim = catalog.latest_claim(run_id, shape, block)
    generation = 0 if claim is None else claim.generation + 1
    owned = catalog.claim(run_id, shape, block, owner or Owner(), generation)
    assert owned is not None
    return owned
