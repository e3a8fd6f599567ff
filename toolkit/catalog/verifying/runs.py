"""Whether what is written about a run (its settings, claims, sessions and logs) can be read."""

from functools import partial

import numpy as np
from zarr.abc.store import Store

from toolkit.catalog.errors import DamagedError
from toolkit.catalog.failures import Failure, FailureLog, list_logs, read_log
from toolkit.catalog.format.codes import ERROR_CODES
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.layout import (
    FAILED,
    OWNER_BEGINS,
    claim_path,
    claims_path,
    generations_path,
    is_being_written,
    is_ours,
    log_path,
    run_path,
    session_path,
)
from toolkit.catalog.format.owner import NOBODY, Owner, read_owner
from toolkit.catalog.format.records import list_sessions, read_record, read_session
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTables
from toolkit.catalog.store.objects import exists, get, is_foreign, keys, numbers, put, put_if_absent, remove
from toolkit.catalog.verifying.problems import Findings


def check_run(store: Store, run_id: str, tables: ImageTables, findings: Findings) -> RunResults | None:
    """Check a run's record, sessions and logs; its results, None if its settings cannot be known."""
    run = _check_record(store, run_id, tables, findings)
    for name in list_sessions(store, run_id):
        try:
            read_session(store, run_id, name)
        except DamagedError:
            path = session_path(run_id, name)
            findings.add("note", path, "who worked on the run cannot be read", partial(remove, store, path))
    if run is not None:
        _check_logs(run, findings)
    return run


def _check_logs(run: RunResults, findings: Findings) -> None:
    """Check that every failed image has its reason."""
    store, run_id = run.store, run.run_id
    failed: dict[tuple[int, int, int], int] = {}
    for table in run.tables:
        try:
            results = run.read(table, fields=["error"])
        except DamagedError:  # that is found where results are checked
            continue
        for row in np.flatnonzero(results.status == FAILED).tolist():
            failed[table.number, row, int(results.generation[row])] = int(results.values["error"][row])
    for path in list_logs(store, run_id):  # looked at after the results, before which they are written
        try:
            for entry in read_log(store, path):
                failed.pop((entry.table, entry.row, entry.generation), None)
        except DamagedError:
            findings.add("note", path, "why images failed cannot be read", partial(remove, store, path))
    message = "why it failed is not known any more: the log was lost"
    unknown = [Failure(*place, ERROR_CODES[min(code, len(ERROR_CODES) - 1)], message) for place, code in failed.items()]
    if unknown:
        mend = partial(FailureLog(store, run_id, Owner()).append, unknown)
        detail = f"the log of why {len(unknown)} images failed is gone; their codes are known"
        findings.add("note", log_path(run_id), detail, mend, images=len(unknown))


def _check_record(store: Store, run_id: str, tables: ImageTables, findings: Findings) -> RunResults | None:
    path = f"{run_path(run_id)}/zarr.json"
    again = "call toolkit.segment with the settings that the run had, and it is entered anew with all its results"
    if not exists(store, path):
        if not any(is_ours(key, {}) and not is_being_written(key) for key in keys(store, run_path(run_id) + "/")):
            return None  # whoever was entering it was killed
        findings.add("run_record", path, f"the run's settings are gone; {again}")
        return None
    try:
        record = read_record(store, run_id)
        if record.settings.run_id == run_id:
            return RunResults(store, run_id, record, tables)
        detail = "the run's settings are not those that it was begun with"
    except DamagedError:
        detail = "the run's settings cannot be read"
    if findings.repair:
        remove(store, path)  # so that the run can be entered anew
    findings.add("run_record", path, f"{detail}; {'' if findings.repair else 'verify(repair=True), then '}{again}")
    return None


def check_claims(store: Store, run_id: str, tables: ImageTables, findings: Findings) -> None:
    """Check that every claim can be read, and that there is one for every block that has results."""
    nobody = NOBODY.to_json()
    for table in tables:
        newest: dict[int, int] = {}
        for block in numbers(store, f"claims/{run_id}/{table.number:05d}"):
            for generation in numbers(store, claims_path(run_id, table.number, block)):
                newest[block] = generation
                path = claim_path(run_id, table.number, block, generation)
                content = get(store, path)
                if is_foreign(content, OWNER_BEGINS):
                    findings.foreign += [] if content is None else [path]
                elif read_owner(store, path) == NOBODY and content != nobody:
                    detail = "who owns the block cannot be read; it counts as nobody's"
                    findings.add("note", path, detail, partial(put, store, path, nobody))
        for generation in numbers(store, generations_path(run_id, table.number)):
            arrays = GenerationArrays(store, run_id, table, generation)
            for block in arrays.written_blocks():
                path = claim_path(run_id, table.number, block, generation)
                if newest.get(block, -1) < generation and not exists(store, path):  # it may be quite new
                    detail = "the claim of a block that has results is gone"
                    findings.add("claim_lost", path, detail, partial(put_if_absent, store, path, nobody))
