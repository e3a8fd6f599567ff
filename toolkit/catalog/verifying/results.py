"""Whether the results of a run are whole, and are what their status says."""

import functools
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.codes import ERROR_CODES
from toolkit.catalog.format.generations import GenerationArrays, fields_of, rows_per_chunk
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.format.layout import (
    DONE,
    FAILED,
    PENDING,
    RESULT_FIELDS,
    STATUS,
    claim_path,
    generation_path,
    generations_path,
    is_ours,
    label_path,
)
from toolkit.catalog.format.owner import Owner, read_owner
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.format.tables import ImageTable
from toolkit.catalog.owners import Life, Watch
from toolkit.catalog.store.objects import exists, get, is_empty_or_gone, keys, numbers, put
from toolkit.catalog.verifying.foreign import holds_ours, remove_ours
from toolkit.catalog.verifying.problems import Findings

_LATER = [field for field in RESULT_FIELDS if field.later]


@dataclass(frozen=True)
class HeldBlock:
    """A block that may be written just now, for all that is known."""

    owner: Owner
    """Who may be writing it."""
    check: Callable[[Life], int]
    """Checks it, once it is known that its owner does not live; answers the number of results in it."""


def check_results(run: RunResults, watch: Watch, findings: Findings, *, labels: bool) -> tuple[int, list[HeldBlock]]:
    """Check all generations of a run over all tables of images.

    Returns
    -------
    int
        How many results were looked at.
    list of HeldBlock
        The blocks that were left out because their owners may live.
    """
    n_checked = 0
    held = []
    generations = [
        (table, generation)
        for table in run.tables
        for generation in numbers(run.store, generations_path(run.run_id, table.number))
        if holds_ours(run.store, generation_path(run.run_id, table.number, generation))
    ]
    for table, generation in generations:
        check = _GenerationCheck(run, table, generation, findings, labels=labels)
        for block in check.blocks() if check.metadata() else []:
            owner = read_owner(run.store, claim_path(run.run_id, table.number, block, generation))
            life = "ended" if owner is None else watch.life(owner)
            if owner is None or life in ("ended", "silent"):
                n_checked += check.block(block, life)
            else:
                held.append(HeldBlock(owner, partial(check.block, block)))
    return n_checked, held


class _GenerationCheck:
    """The results of one generation of a run over a table of images, a block at a time."""

    def __init__(
        self, run: RunResults, table: ImageTable, generation: int, findings: Findings, *, labels: bool
    ) -> None:
        self._store = run.store
        self._settings = run.settings
        self._table = table
        self._findings = findings
        self._labels = labels
        self._path = generation_path(run.run_id, table.number, generation)
        self._folders = partial(LabelFolder, run.store, run.run_id, table.number, generation=generation)
        self._label_path = partial(label_path, run.run_id, table.number, generation)
        self._arrays_in = partial(GenerationArrays, run_id=run.run_id, table=table, generation=generation)
        self._arrays = self._arrays_in(run.store)
        self._fields = fields_of(run.settings.options)
        self._may_remove = False

    def metadata(self) -> bool:
        """Check what describes the arrays, which follows from the run's settings and the table's size; whether the
        results can be looked at now."""
        complete = self._arrays.exists()  # before the rest is looked at: it may be created just now
        wanted, damaged = self._damaged_metadata(in_whole_blocks=False)
        if rows_per_chunk(self._table) < self._table.block_size and any("/composition" in node for node in damaged):
            former = self._damaged_metadata(in_whole_blocks=True)
            if len(former[1]) < len(damaged) or (len(former[1]) == len(damaged) and not self._has_parts()):
                wanted, damaged = former
        if not complete:
            mend = partial(_copy, wanted, self._store, damaged)
            self._findings.add("generation_incomplete", self._path, "is being created, or was", mend)
        else:
            for node in damaged:
                mend = partial(_copy, wanted, self._store, [node])
                detail = "damaged or gone, so that no results can be read; it follows from the run's settings"
                self._findings.add("metadata", node, detail, mend)
        self._arrays = self._arrays_in(self._store)
        return self._findings.repair or not damaged

    def _damaged_metadata(self, *, in_whole_blocks: bool) -> tuple[MemoryStore, list[str]]:
        """What should be there, and which groups and arrays are something else."""
        wanted = MemoryStore()
        self._arrays_in(wanted).create(
            self._settings.class_names, self._settings.options, in_whole_blocks=in_whole_blocks
        )
        nodes = sorted(key.removesuffix("/zarr.json") for key in keys(wanted, self._path) if key.endswith("/zarr.json"))
        if not any(exists(self._store, f"{node}/zarr.json") for node in self._later(nodes)):  # an older version's
            nodes = [node for node in nodes if node not in self._later(nodes)]
        return wanted, [node for node in nodes if not _are_alike(self._store, wanted, node)]

    def _later(self, nodes: Collection[str]) -> list[str]:
        """The arrays among them that older versions did not write."""
        return [node for node in nodes if any(node == f"{self._path}/{field.name}" for field in _LATER)]

    def _has_parts(self) -> bool:
        """Whether the chunks of compositions are parts of blocks, told by those of the last block."""
        parts = self._table.block_size // rows_per_chunk(self._table)
        written = self._arrays.written_blocks()
        last = (written[-1] + 1) * parts - 1 if written else 0
        last = min(last, -(-self._table.n_images // rows_per_chunk(self._table)) - 1)
        return not written or exists(self._store, f"{self._path}/composition/c/{last}/0")

    def blocks(self) -> list[int]:
        """The blocks of which anything lies there."""
        with_chunks = [self._arrays.blocks_of(field) for field in self._fields]
        with_labels = numbers(self._store, f"{self._path}/labels")
        return sorted({block for block in with_labels if block < self._table.n_blocks}.union(*with_chunks))

    def block(self, block: int, life: Life) -> int:
        """Find what is wrong with a block whose owner has ended, or is silent; the number of results in it."""
        rows = self._table.rows(block)
        path = f"{self._path} block {block}"
        # A silent owner may wake up and refer to what it wrote before: what looks left over is not removed then.
        self._may_remove = life == "ended"
        if not self._arrays.is_written(block):
            if any(self._arrays.has_chunks(field, block, any) for field in self._fields):
                detail = "has results without a status: their writer died before that, or it was lost; they are pending"
                mend = partial(self._arrays.remove_block, block)
                self._findings.add("unfinished", path, detail, mend if self._may_remove else None)
            self._find_orphans(block, set())
            return 0
        try:
            gone = [field.name for field in self._fields if not self._arrays.has_chunks(field, block, all)]
            if all(field.name in gone for field in _LATER):  # an older version wrote the block
                gone = [name for name in gone if name not in {field.name for field in _LATER}]
            if gone:
                raise DamagedError(f"{', '.join(gone)}: gone")
            values = self._read(rows)
        except DamagedError as error:
            detail = f"cannot be read; once that is mended, its images are pending: {error.__cause__ or error}"
            mend = partial(self._arrays.remove_block, block)
            self._findings.add("unreadable", path, detail, mend, images=rows.stop - rows.start)
            if self._findings.repair:  # nothing refers to its label maps any more
                self._find_orphans(block, set())
            return 0
        status = values[STATUS.name]
        wrong = _inconsistent(status, values)
        lost = self._lost_labels(block, values) & ~wrong
        mended = np.where(wrong | lost, PENDING, status).astype(status.dtype)
        mend = partial(self._arrays.write, STATUS, rows, mended)
        for kind, found, what in (
            ("inconsistent", wrong, "have results that are not what their status says"),
            ("labels_missing", lost, "are done, but their label maps cannot be read"),
        ):
            if found.any():
                some = ", ".join(map(str, (np.flatnonzero(found)[:5] + rows.start).tolist()))
                detail = f"{found.sum()} images (rows {some}{', …' if found.sum() > 5 else ''}) {what}"
                self._findings.add(kind, path, detail, mend, images=int(found.sum()))
        kept = _has_labels(mended if self._findings.repair else status, values)
        self._find_orphans(block, {LabelPlace.unpacked(place).part for place in values["label_place"][kept].tolist()})
        return int((status != PENDING).sum())

    def _read(self, rows: slice) -> dict[str, np.ndarray]:
        try:
            return {field.name: self._arrays.read(field, rows) for field in self._fields}
        except DamagedError:  # a network file system may have had a bad moment
            return {field.name: self._arrays.read(field, rows) for field in self._fields}

    def _lost_labels(self, block: int, values: dict[str, np.ndarray]) -> np.ndarray:
        """Which images' label maps are gone or, if asked for, cannot be read."""
        folder = self._folders(block=block)
        objects = self._label_objects(block)
        empty = functools.cache(partial(is_empty_or_gone, self._store))
        lost = np.zeros(values[STATUS.name].shape, dtype=bool)
        for index in np.flatnonzero(_has_labels(values[STATUS.name], values)).tolist():
            place = LabelPlace.unpacked(int(values["label_place"][index]))
            height, width = int(values["height"][index]), int(values["width"][index])
            try:
                if "zarr.json" not in objects[place.part]:
                    raise DamagedError("gone")
                for name in folder.objects_of(place, height * width):
                    if name not in objects[place.part] or empty(f"{folder.path}/{place.part}/{name}"):
                        raise DamagedError("gone")
                if self._labels:
                    folder.read(place, height, width)
            except DamagedError:
                lost[index] = True
        return lost

    def _label_objects(self, block: int) -> dict[int, set[str]]:
        """What lies there of each array of label maps."""
        prefix = f"{self._folders(block=block).path}/"
        objects: dict[int, set[str]] = defaultdict(set)
        for key in keys(self._store, prefix):
            part, _, name = key.removeprefix(prefix).partition("/")
            if part.isdigit() and is_ours(key, {}):
                objects[int(part)].add(name)
        return objects

    def _find_orphans(self, block: int, parts: set[int]) -> None:
        for part in sorted(self._label_objects(block)):
            if part not in parts:
                path = self._label_path(block, part)
                mend = partial(remove_ours, self._store, path) if self._may_remove else None
                detail = "no image refers to it" + ("" if mend else "; its driver may not have ended, so it is kept")
                self._findings.add("labels_orphaned", path, detail, mend)


def _are_alike(store: Store, wanted: Store, path: str) -> bool:
    """Whether a group or array is what it should be; versions of Zarr may word that differently."""
    try:
        with naming_damage(path):
            found, meant = (_open(one, path) for one in (store, wanted))
            if _metadata(found) != _metadata(meant):
                return False
            return not path.endswith("/class_name") or np.array_equal(found[:], meant[:])
    except DamagedError:
        return False


def _open(store: Store, path: str) -> Any:
    return zarr.open(store, path=path, mode="r", zarr_format=3)


def _metadata(node: Any) -> dict[str, bytes]:
    written = node.metadata.to_buffer_dict(default_buffer_prototype())
    return {name: buffer.to_bytes() for name, buffer in written.items()}


def _copy(source: Store, target: Store, paths: Collection[str]) -> None:
    """Copy the metadata of groups and arrays, and the chunks that an array was created with."""
    for path in paths:
        for key in keys(source, f"{path}/"):
            if key == f"{path}/zarr.json" or key.startswith(f"{path}/c/"):
                content = get(source, key)
                assert content is not None
                put(target, key, content)


def _has_labels(status: np.ndarray, values: dict[str, np.ndarray]) -> np.ndarray:
    """Which rows refer to a label map."""
    refer: np.ndarray = (status == DONE) & (values["label_place"] >= 0)
    return refer


def _inconsistent(status: np.ndarray, values: dict[str, np.ndarray]) -> np.ndarray:
    """Which rows have results that do not go with their status."""
    done, failed = status == DONE, status == FAILED
    sums = values["composition"].sum(axis=1)
    whole = (np.abs(sums - 1) <= 1e-3) & (values["height"] > 0) & (values["width"] > 0)
    known = (values["error"] > 0) & (values["error"] < len(ERROR_CODES))
    wrong: np.ndarray = (done & ~whole) | (failed & ~known) | (status > FAILED)
    return wrong
