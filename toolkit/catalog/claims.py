"""Who owns a block: tokens created by put-if-absent, one generation after the other.

The protocol
------------
1. A driver keeps a heartbeat (`toolkit.catalog.owners`).
2. To work on a block, it looks at the block's newest claim, ``claims/<run>/<table>/<block>/<generation>``. Unless
   that is of a driver that ended or lapsed, the block is left alone.
3. Otherwise it creates the claim of the next generation by put-if-absent. Of several that try, one succeeds; the
   others leave the block alone.
4. The owner of a generation writes the block's results and label maps into that generation's own objects, and nowhere
   else: results first, status last.
5. Readers merge generations row by row: the newest that has it as done, else the newest that has it as failed.

Why no image is lost, and none counted twice
--------------------------------------------
*One writer per object.* A claim is created at most once, since put-if-absent is atomic, and never changed. Its creator
alone writes the block's chunks in that generation. So no two processes ever write one object, whoever believes what
about whose life: there is nothing that could overwrite.

*Fencing.* A driver that was stopped for longer than its time to live, and goes on, still writes: into its own
generation, which readers merge. What the new owner wrote stays as it is. What the late one adds is either a row that
the new owner has too (the newer one is taken) or one that it has not (a result as good as any: it follows from the
image and the run's settings). Each row is taken from exactly one generation, so it counts once.

*Nothing finished is lost.* `done` is never overruled by anything but a newer `done`. Status is written after what it
speaks of, and read before it, so `done` is never seen without its results.

*Somebody goes on.* A dead driver's number stops growing. Whoever watched it for its time to live takes over; generation
numbers are finite at any time, so the next is found by listing them.

Two drivers that both hold a block for a while (one lapsed, and alive after all) cost time, not truth. The late one
finds the newer claim at its next flush, and lets go.
"""

from dataclasses import dataclass

from zarr.abc.store import Store

from toolkit.catalog.format.layout import claim_path, claims_path
from toolkit.catalog.format.owner import Owner, read_owner
from toolkit.catalog.store.objects import get, numbers, put_if_absent


@dataclass(frozen=True)
class Claim:
    """The newest claim of a block."""

    generation: int
    """Its generation."""
    owner: Owner
    """Who made it."""


def latest_claim(store: Store, run_id: str, table: int, block: int) -> Claim | None:
    """The newest claim of a block; None if there is none."""
    for generation in reversed(numbers(store, claims_path(run_id, table, block))):
        owner = read_owner(store, claim_path(run_id, table, block, generation))
        if owner is not None:  # else it is somebody's folder: claims are never removed
            return Claim(generation, owner)
    return None


def claim_generation(store: Store, run_id: str, table: int, block: int, generation: int, owner: Owner) -> bool:
    """Create the claim of a generation; whether it is ours."""
    return put_if_absent(store, claim_path(run_id, table, block, generation), owner.to_json())


def is_overtaken(store: Store, run_id: str, table: int, block: int, generation: int) -> bool:
    """Whether somebody else has claimed a newer generation."""
    return get(store, claim_path(run_id, table, block, generation + 1)) is not None
