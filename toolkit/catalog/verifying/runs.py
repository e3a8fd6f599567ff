"""Whether what is written about a run (its settings, claims, sessions and logs) can be read."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
from zarr.abc.store import Store

from toolkit.catalog.errors import ERROR_CODES, DamagedError
from toolkit.catalog.failures import Failure, FailureLog, list_logs, read_log
from toolkit.catalog.format.layout import (
    FAILED,
    claim_path,
    claims_path,
    generations_path,
    log_path,
    run_path,
    session_path,
)
from toolkit.catalog.format.records import RunSettings, read_record
from toolkit.catalog.format.results import GenerationArrays, SegmentShape, read_results
from toolkit.catalog.owners import NOBODY, Owner, read_owner
from toolkit.catalog.provenance import read_session
from toolkit.catalog.store.objects import exists, get, names, numbers, put, put_if_absent, remove
from toolkit.catalog.verifying.problems import Findings


def check_run(store: Store, run_id: str, segments: Sequence[SegmentShape], findings: Findings) -> RunSettings | None:
    """Check a run's record, sessions and logs; its settings, None if they cannot be known."""
    settings = _check_record(store, run_id, findings)
    for file in names(store, f"{run_path(run_id)}/sessions"):
        if file.endswith(".json"):
            name = file.removesuffix(".json")
            try:
                read_session(store, run_id, name)
            except DamagedError:
                path = session_path(run_id, name)
                findings.add("note", path, "who worked on the run cannot be read", partial(remove, store, path))
    if settings is not None:
        _check_logs(store, run_id, segments, findings)
    return settings


def _check_logs(store: Store, run_id: str, segments: Sequence[SegmentShape], findings: Findings) -> None:
    """Check that every failed image has its reason."""
    failed: dict[tuple[int, int, int], int] = {}
    for shape in segments:
        try:
            results = read_results(store, run_id, shape, 0, slice(0, shape.n_images), ["error"])
        except DamagedError:  # that is found where results are checked
            continue
        for row in np.flatnonzero(results.status == FAILED).tolist():
            failed[shape.segment, row, int(results.generation[row])] = int(results.values["error"][row])
    for path in list_logs(store, run_id):  # looked at after the results, before which they are written
        try:
            for entry in read_log(store, path):
                failed.pop((entry.segment, entry.row, entry.generation), None)
        except DamagedError:
            findings.add("note", path, "why images failed cannot be read", partial(remove, store, path))
    message = "why it failed is not known any more: the log was lost"
    unknown = [Failure(*place, ERROR_CODES[min(code, len(ERROR_CODES) - 1)], message) for place, code in failed.items()]
    if unknown:
        mend = partial(FailureLog(store, run_id, Owner()).append, unknown)
        detail = f"the log of why {len(unknown)} images failed is gone; their codes are known"
        findings.add("note", log_path(run_id), detail, mend, images=len(unknown))


def _check_record(store: Store, run_id: str, findings: Findings) -> RunSettings | None:
    path = f"{run_path(run_id)}/zarr.json"
    again = "call toolkit.segment with the settings that the run had, and it is entered anew with all its results"
    if not exists(store, path):
        findings.add("run_record", path, f"the run's settings are gone; {again}")
        return None
    try:
        settings = read_record(store, run_id).settings
        if settings.run_id == run_id:
            return settings
        detail = "the run's settings are not those that it was begun with"
    except DamagedError:
        detail = "the run's settings cannot be read"
    if findings.repair:
        remove(store, path)  # so that the run can be entered anew
    findings.add("run_record", path, f"{detail}; {'' if findings.repair else 'verify(repair=True), then '}{again}")
    return None


def check_claims(store: Store, run_id: str, segments: Sequence[SegmentShape], findings: Findings) -> None:
    """Check that every claim can be read, and that there is one for every block that has results."""
    nobody = json.dumps(asdict(NOBODY)).encode()
    for shape in segments:
        newest: dict[int, int] = {}
        for block in numbers(store, f"claims/{run_id}/{shape.segment:05d}"):
            for generation in numbers(store, claims_path(run_id, shape.segment, block)):
                newest[block] = generation
                path = claim_path(run_id, shape.segment, block, generation)
                if read_owner(store, path) == NOBODY and get(store, path) != nobody:
                    detail = "who owns the block cannot be read; it counts as nobody's"
                    findings.add("note", path, detail, partial(put, store, path, nobody))
        for generation in numbers(store, generations_path(run_id, shape.segment)):
            arrays = GenerationArrays(store, run_id, shape, generation)
            for block in arrays.written_blocks():
                path = claim_path(run_id, shape.segment, block, generation)
                if newest.get(block, -1) < generation and not exists(store, path):  # it may be quite new
                    detail = "the claim of a block that has results is gone"
                    findings.add("claim_lost", path, detail, partial(put_if_absent, store, path, nobody))
