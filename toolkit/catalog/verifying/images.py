"""Whether the tables of images are whole, and whether each is part of the catalog."""

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import zarr
from zarr.abc.store import Store

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.changes import change_numbers, read_change, read_fold, write_empty_change
from toolkit.catalog.format.layout import (
    CHANGE_BEGINS,
    CHANGES,
    COMMIT_BEGINS,
    COMMITS,
    DIGITS,
    FOLDS,
    change_path,
    commit_path,
    fold_path,
    generations_path,
    reservation_path,
    table_path,
    written_path,
)
from toolkit.catalog.format.owner import NOBODY, read_owner
from toolkit.catalog.format.records import run_folders
from toolkit.catalog.format.tables import (
    GIVEN_URI,
    URI,
    ImageTable,
    ImageTables,
    arrays_below,
    commit_of,
    commit_table,
    covariates_of,
    list_commits,
    read_commit,
    read_uris,
)
from toolkit.catalog.store.objects import get, get_json, is_foreign, names, numbers, put, remove
from toolkit.catalog.verifying.foreign import holds_ours, remove_ours
from toolkit.catalog.verifying.problems import Findings

_ROWS_AT_ONCE = 2**20
_OCCUPIED = "what has its name is not the catalog's: move that elsewhere, then verify(repair=True) once more"


def check_images(store: Store, findings: Findings) -> ImageTables:
    """Check commits and tables; those that are part of the catalog, in their order, as far as that is known."""
    # Listed before the commits, so that none is new here and unknown there.
    others = [number for number in numbers(store, "images", DIGITS) if holds_ours(store, table_path(number))]
    found = list_commits(store)
    findings.foreign += [commit_path(place) for place in numbers(store, COMMITS, DIGITS) if place not in found]
    commits: dict[int, ImageTable] = {}
    for place in found:
        try:
            commits[place] = read_commit(store, place)
        except DamagedError:
            continue
    known = {table.number for table in commits.values()}
    gaps = [place for place in range(max(found, default=-1) + 1) if place not in commits]
    _check_uncommitted(store, [number for number in others if number not in known], gaps, commits, findings)
    for table in commits.values():
        _check_table(store, table, findings)
    _check_changes(store, findings)
    return ImageTables(table for _, table in sorted(commits.items()))


def _check_uncommitted(
    store: Store, others: list[int], gaps: list[int], commits: dict[int, ImageTable], findings: Findings
) -> None:
    """Tables that no commit names: left by a process that died, being added just now, or robbed of their commit."""
    whole = {number: table for number in others if (table := _table(store, number)) is not None}
    robbed = {number: table for number, table in whole.items() if _has_runs(store, number)}
    if len(gaps) == len(whole):  # commits have no gaps unless some were lost, and these are all that there is for them
        robbed = whole
    for number, table in robbed.items():
        place = gaps[0] if gaps else max(commits, default=-1) + 1
        detail = f"the commit of {table_path(number)} is damaged or gone, so its images are not seen"
        anew: Callable[[], object] = partial(put, store, commit_path(place), commit_of(store, table))
        if not gaps:  # somebody may be adding images just now
            anew = partial(commit_table, store, place, table)
        if gaps and place > max(commits, default=-1) and _is_occupied(store, commit_path(place), COMMIT_BEGINS):
            findings.add("commit_lost", commit_path(place), f"{detail}; {_OCCUPIED}", images=table.n_images)
        else:
            findings.add("commit_lost", commit_path(place), detail, anew, images=table.n_images)
        commits[place] = table
        del gaps[:1]
    for place in gaps:
        detail = "damaged or gone, and which images it was about cannot be told; restore it from a backup"
        if _is_occupied(store, commit_path(place), COMMIT_BEGINS):
            detail = f"no commit can be read; {_OCCUPIED}"
        findings.add("commit_lost", commit_path(place), detail)
    for number in others:
        if number in robbed or _is_being_added(store, number):
            continue
        path = table_path(number)
        new = _is_new(store, whole[number], commits) if number in whole else False
        if gaps or new is None:
            findings.add("uncommitted_segment", path, "it may be what lost images were about, so it is kept")
        elif new:
            place = max(commits, default=-1) + 1
            detail = "was written whole, and its writer died before it was committed"
            mend = partial(commit_table, store, place, whole[number])
            findings.add("uncommitted_segment", path, detail, mend, images=whole[number].n_images)
            if findings.repair:
                commits[place] = whole[number]
        else:
            detail = "was never committed"
            findings.add("uncommitted_segment", path, detail, partial(_remove_table, store, number))


def _is_new(store: Store, table: ImageTable, commits: dict[int, ImageTable]) -> bool | None:
    """Whether a table has no image that the catalog has already; None if that cannot be known."""
    try:
        uris = set(read_uris(store, table).tolist())
        return not any(uris & set(read_uris(store, other).tolist()) for other in commits.values())
    except DamagedError:
        return None


def _table(store: Store, number: int) -> ImageTable | None:
    """What a table itself says of its size; None if it is not whole."""
    try:
        with naming_damage(table_path(number)):
            array = zarr.open_array(store, path=f"{table_path(number)}/uri", mode="r", zarr_format=3)
            attributes = (get_json(store, f"{table_path(number)}/zarr.json") or {}).get("attributes", {})
            origin = attributes if "is_table" in attributes else None
            written = tuple(arrays_below(store, written_path(number)))
            table = ImageTable(number, array.shape[0], array.chunks[0], None, written, origin)
            return None if _lost_chunks(store, array.path, table) else table
    except DamagedError:
        return None


def _has_runs(store: Store, number: int) -> bool:
    return any(names(store, generations_path(run_id, number)) for run_id in run_folders(store))


def _is_being_added(store: Store, number: int) -> bool:
    """Whether whoever reserved a table may yet commit it."""
    owner = read_owner(store, reservation_path(number))
    return owner not in (None, NOBODY) and not owner.is_gone


def _check_table(store: Store, table: ImageTable, findings: Findings) -> None:
    """Every array of a table: its size, that every chunk is there, and that each can be read."""
    path = table_path(table.number)
    try:
        with naming_damage(path):
            if get_json(store, f"{path}/zarr.json") is None:
                raise ValueError("zarr.json is gone")
            zarr.open_group(store, path=path, mode="r", use_consolidated=False)
    except DamagedError as error:
        group = {"zarr_format": 3, "node_type": "group", "attributes": dict(table.origin or {})}
        mend = partial(put, store, f"{path}/zarr.json", json.dumps(group).encode())
        findings.add("metadata", f"{path}/zarr.json", str(error), mend, images=table.n_images)
    columns = [URI, *([GIVEN_URI] if table.has_given else []), *covariates_of(store, table)]
    arrays = [f"{path}/{column}" for column in columns]
    arrays += [f"{written_path(table.number)}/{column}" for column in table.written]
    for array in sorted(arrays):
        try:
            with naming_damage(array):
                _read_column(store, array, table, may_be_empty=array != f"{path}/{URI}")
        except DamagedError as error:
            detail = f"{error.__cause__}; restore it from a backup, or make a new catalog of the images"
            findings.add("image_table", array, detail, images=table.n_images)


def _lost_chunks(store: Store, path: str, table: ImageTable) -> list[int]:
    return sorted(set(range(table.n_blocks)) - set(numbers(store, f"{path}/c")))


def _read_column(store: Store, path: str, table: ImageTable, *, may_be_empty: bool) -> None:
    array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
    if array.shape != (table.n_images,) or array.chunks != (table.block_size,):
        raise ValueError(f"{array.shape} values in chunks of {array.chunks}, and not what the commit says: {table}")
    lost = _lost_chunks(store, path, table)
    if lost:
        raise ValueError(f"chunks {', '.join(map(str, lost[:5]))}{' …' if len(lost) > 5 else ''} are gone")
    for rows in table.parts(_ROWS_AT_ONCE):
        values = np.asarray(array[rows])
        if not may_be_empty and (values == "").any():
            raise ValueError("there are images without a URI")


def _remove_table(store: Store, number: int) -> None:
    remove_ours(store, written_path(number))
    remove_ours(store, table_path(number))


def _is_occupied(store: Store, path: str, begins: bytes) -> bool:
    """Whether somebody else put something where the catalog would write next. (Where it has written, something else is
    damage.)"""
    content = get(store, path)
    return content is not None and is_foreign(content, begins)


def _check_changes(store: Store, findings: Findings) -> None:
    """What became known of images later: that no change is gone, and that each can be read."""
    folds = []
    changes = change_numbers(store)
    for number in numbers(store, FOLDS, DIGITS):
        if number not in changes and _is_occupied(store, fold_path(number), CHANGE_BEGINS):
            findings.foreign.append(fold_path(number))
            continue
        try:
            read_fold(store, number)
            folds.append(number)
        except DamagedError as error:
            path = fold_path(number)
            findings.add(
                "metadata", path, f"{error.__cause__}; it follows from the changes", partial(remove, store, path)
            )
    findings.foreign += [change_path(number) for number in numbers(store, CHANGES, DIGITS) if number not in changes]
    last = max([*changes, *folds], default=-1)
    for number in range(last + 1):
        try:
            read_change(store, number)
        except DamagedError as error:
            detail = f"{error.__cause__}; what it changed is shown as it was before: give the corrected table again"
            if any(fold >= number for fold in folds):
                detail = f"{error.__cause__}; what it changed is known, but not when, and what it was before"
            if number == last and _is_occupied(store, change_path(number), CHANGE_BEGINS):
                findings.add("change_lost", change_path(number), f"no change can be read; {_OCCUPIED}")
            else:
                findings.add("change_lost", change_path(number), detail, partial(write_empty_change, store, number))
