"""What is wrong in a catalog's store, found piece by piece; and what of it can be mended.

Nothing here is needed for a catalog to be right while processes die: claims, and results before status, see to that.
It finds what disks, power cuts and people do: objects that cannot be read or are gone, results that are not what their
status says; and what processes that died left behind: files half-written, label maps that nothing refers to, tables
of images that were never committed.

What follows from other things in the store is written anew: the metadata of arrays, commits, claims. An image whose
result is damaged becomes pending, and the next call of `toolkit.segment` works on it. Nothing that is whole is touched,
and what a living driver may be writing is left alone. What only the outside knows (the images' URIs and covariates, a
run's settings) cannot be mended; then the problem says what to do.
"""

import time
from functools import partial
from pathlib import Path

from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog.format.layout import is_being_written, owner_path
from toolkit.catalog.format.records import run_folders
from toolkit.catalog.owners import Watch, end_for, list_owners, read_beat
from toolkit.catalog.store.objects import remove
from toolkit.catalog.verifying.foreign import find_foreign
from toolkit.catalog.verifying.images import check_images
from toolkit.catalog.verifying.problems import Findings, Verification
from toolkit.catalog.verifying.results import HeldBlock, check_results
from toolkit.catalog.verifying.runs import check_claims, check_run

_SECONDS_OF_A_WRITE = 60.0
_POLL_SECONDS = 0.2


def verify_store(store: Store, *, repair: bool, labels: bool) -> Verification:
    """Look at everything that lies in a catalog's store; see `toolkit.Catalog.verify`."""
    findings = Findings(repair)
    watch = Watch(store)
    _check_owners(store, findings, watch)
    tables = check_images(store, findings)
    n_checked = n_skipped = 0
    held: list[HeldBlock] = []
    for run_id in run_folders(store):
        check_claims(store, run_id, tables, findings)
        run = check_run(store, run_id, tables, findings)
        if run is not None:
            checked, left_out = check_results(run, watch, findings, labels=labels)
            n_checked += checked
            held += left_out
    for block in held:
        while (life := watch.life(block.owner)) == "unknown":  # it beats within seconds, if it lives
            time.sleep(_POLL_SECONDS)
        if life == "alive":
            n_skipped += 1
        else:
            n_checked += block.check(life)
    find_foreign(store, tables, findings)
    return Verification(findings.problems, n_checked, n_skipped)


def _check_owners(store: Store, findings: Findings, watch: Watch) -> None:
    """Heartbeats of drivers that died without a word, and files that were being written then."""
    for name in list_owners(store):
        path = owner_path(name)
        beat = read_beat(store, name)
        if beat is None:
            detail = "the heartbeat cannot be read; a driver that lives writes another"
            findings.add("note", path, detail, partial(remove, store, path))
        elif not beat.ended and watch.life(beat.owner) == "ended":
            detail = "the driver ended without a word; what it held can be taken over"
            findings.add("stale_heartbeat", path, detail, partial(end_for, store, beat))
    if isinstance(store, LocalStore):
        for file in sorted(Path(store.root).rglob("*.partial")):
            if is_being_written(file.name) and _age(file) > _SECONDS_OF_A_WRITE:  # else somebody may be writing it
                mend = partial(file.unlink, missing_ok=True)
                findings.add("partial_file", str(file.relative_to(store.root)), "was being written", mend)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # it got its name meanwhile
        return 0.0
