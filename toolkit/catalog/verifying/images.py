"""Whether the images' tables are whole, and whether each segment is part of the catalog."""

import contextlib
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import zarr
from zarr.abc.store import Store

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.layout import COMMITS, commit_path, generations_path, reservation_path, segment_path
from toolkit.catalog.format.results import SegmentShape
from toolkit.catalog.format.segments import columns_of, commit_of, commit_segment, read_columns, read_commit, read_uris
from toolkit.catalog.owners import NOBODY, read_owner
from toolkit.catalog.store.objects import get_json, names, numbers, put, remove_all
from toolkit.catalog.verifying.problems import Findings

_ROWS_AT_ONCE = 2**20
_GROUP = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}).encode()


def check_images(store: Store, findings: Findings) -> list[SegmentShape]:
    """Check commits and tables; the segments that are part of the catalog, in their order, as far as that is known."""
    others = numbers(store, "images")  # listed before the commits, so that none is new here and unknown there
    found = numbers(store, COMMITS)
    commits: dict[int, SegmentShape] = {}
    for number in found:
        try:
            commits[number] = read_commit(store, number)
        except DamagedError:
            continue
    known = {shape.segment for shape in commits.values()}
    gaps = [number for number in range(max(found, default=-1) + 1) if number not in commits]
    _check_uncommitted(store, [segment for segment in others if segment not in known], gaps, commits, findings)
    for number, shape in commits.items():
        _check_table(store, number, shape, findings)
    return [shape for _, shape in sorted(commits.items())]


def _check_uncommitted(
    store: Store, others: list[int], gaps: list[int], commits: dict[int, SegmentShape], findings: Findings
) -> None:
    """Segments that no commit names: left by a process that died, being added just now, or robbed of their commit."""
    whole = {segment: shape for segment in others if (shape := _shape(store, segment)) is not None}
    robbed = {segment: shape for segment, shape in whole.items() if _has_runs(store, segment)}
    if len(gaps) == len(whole):  # commits have no gaps unless some were lost, and these are all that there is for them
        robbed = whole
    for segment, shape in robbed.items():
        number = gaps[0] if gaps else max(commits, default=-1) + 1
        detail = f"the commit of {segment_path(segment)} is damaged or gone, so its images are not seen"
        anew: Callable[[], object] = partial(put, store, commit_path(number), commit_of(store, shape))
        if not gaps:  # somebody may be adding images just now
            anew = partial(commit_segment, store, number, shape)
        findings.add("commit_lost", commit_path(number), detail, anew, images=shape.n_images)
        commits[number] = shape
        del gaps[:1]
    for number in gaps:
        detail = "damaged or gone, and which images it was about cannot be told; restore it from a backup"
        findings.add("commit_lost", commit_path(number), detail)
    for segment in others:
        if segment in robbed or _is_being_added(store, segment):
            continue
        path = segment_path(segment)
        new = _is_new(store, whole[segment], commits) if segment in whole else False
        if gaps or new is None:
            findings.add("uncommitted_segment", path, "it may be what lost images were about, so it is kept")
        elif new:
            number = max(commits, default=-1) + 1
            detail = "was written whole, and its writer died before it was committed"
            mend = partial(commit_segment, store, number, whole[segment])
            findings.add("uncommitted_segment", path, detail, mend, images=whole[segment].n_images)
            if findings.repair:
                commits[number] = whole[segment]
        else:
            findings.add("uncommitted_segment", path, "was never committed", partial(remove_all, store, path))


def _is_new(store: Store, shape: SegmentShape, commits: dict[int, SegmentShape]) -> bool | None:
    """Whether a segment has no image that the catalog has already; None if that cannot be known."""
    try:
        uris = set(read_uris(store, shape).tolist())
        return not any(uris & set(read_uris(store, other).tolist()) for other in commits.values())
    except DamagedError:
        return None


def _shape(store: Store, segment: int) -> SegmentShape | None:
    """What a segment's own table says of its size; None if the table is not whole."""
    try:
        with naming_damage(segment_path(segment)):
            array = zarr.open_array(store, path=f"{segment_path(segment)}/uri", mode="r", zarr_format=3)
            shape = SegmentShape(segment, array.shape[0], array.chunks[0])
            return None if _lost_chunks(store, array.path, shape) else shape
    except DamagedError:
        return None


def _has_runs(store: Store, segment: int) -> bool:
    return any(names(store, generations_path(run_id, segment)) for run_id in names(store, "runs"))


def _is_being_added(store: Store, segment: int) -> bool:
    """Whether whoever reserved a segment may yet commit it."""
    owner = read_owner(store, reservation_path(segment))
    return owner not in (None, NOBODY) and not owner.is_gone


def _check_table(store: Store, number: int, shape: SegmentShape, findings: Findings) -> None:
    """Every array of a segment: its size, that every chunk is there, and that each can be read."""
    path = segment_path(shape.segment)
    try:
        with naming_damage(path):
            if get_json(store, f"{path}/zarr.json") is None:
                raise ValueError("zarr.json is gone")
            zarr.open_group(store, path=path, mode="r", use_consolidated=False)
    except DamagedError as error:
        mend = partial(put, store, f"{path}/zarr.json", _GROUP)
        findings.add("metadata", f"{path}/zarr.json", str(error), mend, images=shape.n_images)
    columns = {"uri", *columns_of(store, shape.segment)}
    with contextlib.suppress(DamagedError):  # of the commit, which was told already
        columns |= set(read_columns(store, number))
    for column in sorted(columns):
        try:
            with naming_damage(f"{path}/{column}"):
                _read_column(store, f"{path}/{column}", shape, may_be_empty=column != "uri")
        except DamagedError as error:
            detail = f"{error.__cause__}; restore it from a backup, or make a new catalog of the images"
            findings.add("image_table", f"{path}/{column}", detail, images=shape.n_images)


def _lost_chunks(store: Store, path: str, shape: SegmentShape) -> list[int]:
    return sorted(set(range(shape.n_blocks)) - set(numbers(store, f"{path}/c")))


def _read_column(store: Store, path: str, shape: SegmentShape, *, may_be_empty: bool) -> None:
    array = zarr.open_array(store, path=path, mode="r", zarr_format=3)
    if array.shape != (shape.n_images,) or array.chunks != (shape.block_size,):
        raise ValueError(f"{array.shape} values in chunks of {array.chunks}, and not what the commit says: {shape}")
    lost = _lost_chunks(store, path, shape)
    if lost:
        raise ValueError(f"chunks {', '.join(map(str, lost[:5]))}{' …' if len(lost) > 5 else ''} are gone")
    for begin in range(0, shape.n_images, _ROWS_AT_ONCE):
        values = np.asarray(array[begin : begin + _ROWS_AT_ONCE])
        if not may_be_empty and (values == "").any():
            raise ValueError("there are images without a URI")
