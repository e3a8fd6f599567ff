"""What is wrong in a catalog's store, found piece by piece; and what of it can be mended.

Nothing here is needed for a catalog to be right while processes die: claims, and results before status, see to that.
It finds what disks, power cuts and people do: chunks that cannot be read, results that are not what their status says,
label maps that are gone; and what processes that died left behind: files half-written, label maps that nothing refers
to, segments that were never committed.

What is mended is made to be done again: an image whose result is damaged becomes pending, and the next call of
`toolkit.segment` works on it. Nothing that is whole is touched. What a living driver may be writing is left alone.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog.claims import latest_claim
from toolkit.catalog.errors import ERROR_CODES
from toolkit.catalog.labels import LabelFolder, LabelPlace
from toolkit.catalog.layout import (
    DONE,
    FAILED,
    PENDING,
    STATUS,
    generation_path,
    generations_path,
    label_path,
    owner_path,
    reservation_path,
    segment_path,
)
from toolkit.catalog.objects import get, names, remove_all
from toolkit.catalog.owners import Owner, Watch, end_for, read_beats
from toolkit.catalog.records import list_runs, read_record
from toolkit.catalog.results import GenerationArrays, SegmentShape

_SECONDS_OF_A_WRITE = 60.0
_CHECKED_FIELDS = ("composition", "confidence", "error", "height", "width", "label_place")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: str
    """``"stale_claims"``, ``"partial_file"``, ``"uncommitted_segment"``, ``"generation_incomplete"``,
    ``"unreadable"``, ``"inconsistent"``, ``"labels_missing"`` or ``"labels_orphaned"``."""
    path: str
    """Where in the store."""
    detail: str
    """What is wrong, in words."""
    images: int = 0
    """How many images it concerns."""
    mended: bool = False
    """Whether it was mended."""


@dataclass(frozen=True)
class Verification:
    """What `Catalog.verify` found."""

    problems: tuple[Problem, ...]
    """Everything that is wrong or left over."""
    images_checked: int
    """How many results, of all runs, were looked at."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(problem.mended for problem in self.problems)

    def __str__(self) -> str:
        if not self.problems:
            return f"clean: {self.images_checked:,} results checked"
        lines = [
            f"{'mended' if problem.mended else 'found'}: {problem.kind} at {problem.path}: {problem.detail}"
            for problem in self.problems
        ]
        return "\n".join([*lines, f"{self.images_checked:,} results checked"])


def verify_store(store: Store, segments: Sequence[SegmentShape], *, repair: bool, labels: bool) -> Verification:
    """Look at everything that lies in a catalog's store; see `toolkit.Catalog.verify`."""
    watch = Watch(store)
    problems = [*_leftovers(store, segments, repair)]
    n_checked = 0
    for run_id in list_runs(store):
        settings = read_record(store, run_id).settings
        for shape in segments:
            generations = [
                int(name) for name in names(store, generations_path(run_id, shape.segment)) if name.isdigit()
            ]
            for generation in sorted(generations):
                arrays = GenerationArrays(store, run_id, shape, generation)
                if not arrays.exists():
                    path = generation_path(run_id, shape.segment, generation)
                    if repair:
                        arrays.create(settings.class_names, settings.options)
                    problems.append(Problem("generation_incomplete", path, "was being created", mended=repair))
                    continue
                check = _GenerationCheck(store, run_id, shape, generation, arrays, labels=labels)
                for block in check.blocks():
                    if not _may_be_written(store, run_id, shape.segment, block, generation, watch):
                        problems += check.block(block, repair=repair)
                        n_checked += check.n_checked
    return Verification(tuple(problems), n_checked)


def _may_be_written(store: Store, run_id: str, segment: int, block: int, generation: int, watch: Watch) -> bool:
    claim = latest_claim(store, run_id, segment, block)
    return claim is not None and claim.generation == generation and watch.is_alive(claim.owner)


def _leftovers(store: Store, segments: Sequence[SegmentShape], repair: bool) -> Iterator[Problem]:
    """Files that were being written when their writer died, and segments that were never committed."""
    gone = [beat for beat in read_beats(store) if not beat.ended and beat.owner.is_gone]
    for beat in gone:
        if repair:
            end_for(store, beat)
        detail = "the driver ended without a word; what it held can be taken over"
        yield Problem("stale_claims", owner_path(beat.owner.name), detail, mended=repair)
    quiet = all(beat.ended for beat in read_beats(store) if beat not in gone)
    if isinstance(store, LocalStore):
        for path in sorted(Path(store.root).rglob("*.partial")):
            if not quiet and _age(path) < _SECONDS_OF_A_WRITE:
                continue  # a living driver may be writing it
            if repair:
                path.unlink(missing_ok=True)
            relative = str(path.relative_to(store.root))
            yield Problem("partial_file", relative, "was being written", mended=repair)
    committed = {shape.segment for shape in segments}
    for name in names(store, "images"):
        if name.isdigit() and int(name) not in committed and not _is_being_added(store, int(name)):
            if repair:
                remove_all(store, segment_path(int(name)))
            yield Problem("uncommitted_segment", segment_path(int(name)), "was never committed", mended=repair)


def _is_being_added(store: Store, segment: int) -> bool:
    """Whether whoever reserved a segment may yet commit it."""
    content = get(store, reservation_path(segment))
    return content is not None and not Owner(**json.loads(content)).is_gone


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # it got its name meanwhile
        return 0.0


class _GenerationCheck:
    """The results of one generation of a run's segment, a block at a time."""

    def __init__(
        self, store: Store, run_id: str, shape: SegmentShape, generation: int, arrays: GenerationArrays, *, labels: bool
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._shape = shape
        self._generation = generation
        self._arrays = arrays
        self._labels = labels
        self._path = generation_path(run_id, shape.segment, generation)
        self.n_checked = 0

    def blocks(self) -> list[int]:
        """The blocks of which anything lies there."""
        with_labels = names(self._store, f"{self._path}/labels")
        return sorted({*self._arrays.written_blocks(), *(int(name) for name in with_labels if name.isdigit())})

    def block(self, block: int, *, repair: bool) -> Iterator[Problem]:
        """What is wrong with a block."""
        rows = self._shape.rows(block)
        self.n_checked = 0
        try:
            status = self._arrays.read(STATUS, rows)
            values = {field.name: self._arrays.read(field, rows) for field in self._arrays.fields(_CHECKED_FIELDS)}
        except Exception as error:  # noqa: BLE001 - whatever a codec makes of damaged bytes
            if repair:
                self._arrays.remove_block(block)
            detail = f"cannot be read, so its images count as pending: {type(error).__name__}: {error}"
            yield Problem("unreadable", f"{self._path} block {block}", detail, rows.stop - rows.start, repair)
            return
        self.n_checked = int((status != PENDING).sum())
        wrong = _inconsistent(status, values)
        gone, parts = self._missing_labels(block, status, values)
        for kind, found, detail in (
            ("inconsistent", wrong, "have results that are not what their status says"),
            ("labels_missing", gone & ~wrong, "are done, but their label maps cannot be read"),
        ):
            if found.any():
                which = ", ".join(map(str, (np.flatnonzero(found) + rows.start)[:5].tolist()))
                detail = f"{int(found.sum())} images ({which}{' …' * (found.sum() > 5)}) {detail}"
                yield Problem(kind, f"{self._path} block {block}", detail, int(found.sum()), repair)
        if repair and (wrong | gone).any():
            self._arrays.write(STATUS, rows, np.where(wrong | gone, PENDING, status).astype(status.dtype))
        yield from self._orphans(block, parts, repair)

    def _missing_labels(
        self, block: int, status: np.ndarray, values: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, set[int]]:
        """Which images' label maps are gone or, if asked for, cannot be read; and the arrays that are referred to."""
        folder = LabelFolder(self._store, self._run_id, self._shape.segment, block, self._generation)
        there = {int(name) for name in names(self._store, folder.path) if name.isdigit()}
        gone = np.zeros(status.shape, dtype=bool)
        parts = set()
        for index in np.flatnonzero((status == DONE) & (values["label_place"] >= 0)).tolist():
            place = LabelPlace.unpacked(int(values["label_place"][index]))
            parts.add(place.part)
            gone[index] = place.part not in there
            if self._labels and not gone[index]:
                try:
                    folder.read(place, int(values["height"][index]), int(values["width"][index]))
                except Exception:  # noqa: BLE001 - whatever a codec makes of damaged bytes
                    gone[index] = True
        return gone, parts

    def _orphans(self, block: int, parts: set[int], repair: bool) -> Iterator[Problem]:
        folder = LabelFolder(self._store, self._run_id, self._shape.segment, block, self._generation)
        for name in names(self._store, folder.path):
            if name.isdigit() and int(name) not in parts:
                if repair:
                    folder.remove([int(name)])
                path = label_path(self._run_id, self._shape.segment, self._generation, block, int(name))
                yield Problem("labels_orphaned", path, "no image refers to it", mended=repair)


def _inconsistent(status: np.ndarray, values: dict[str, np.ndarray]) -> np.ndarray:
    """Which rows have results that do not go with their status."""
    done, failed = status == DONE, status == FAILED
    sums = values["composition"].sum(axis=1)
    whole = (np.abs(sums - 1) <= 1e-3) & (values["height"] > 0) & (values["width"] > 0)
    known = (values["error"] > 0) & (values["error"] < len(ERROR_CODES))
    wrong: np.ndarray = (done & ~whole) | (failed & ~known) | (status > FAILED)
    return wrong
