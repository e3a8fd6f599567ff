"""The blocks that a driver works on: which of their rows are still out, and where label maps go."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from toolkit.catalog import DONE, ERROR_CODES, FAILED, Failure, FailureLog, LabelPlace
from toolkit.runs.queue import BlockOfWork
from toolkit.runs.tasks import FoldTask, ImageOutcome, LabelMap

_MOST_LABEL_ARRAYS = 4


class OpenBlock:
    """A claimed block, and the rows of it that are still out.

    Parameters
    ----------
    work : BlockOfWork
        The claimed block.
    """

    def __init__(self, work: BlockOfWork) -> None:
        self.work = work
        self.owned = work.owned
        self.missing = set(work.rows.tolist())
        self.folding = False
        self.let_go = False
        """Whether another driver owns it by now."""
        self._attempts = work.attempts
        self._next_part = 0
        self._label_maps: dict[int, LabelMap] = {}
        self._folded: set[int] = set()

    @property
    def is_complete(self) -> bool:
        """Whether nothing of it is out any more."""
        return not self.missing and not self.folding

    def take_parts(self, n: int) -> int:
        """The first of n numbers for arrays of label maps that nobody else has."""
        first = self._next_part
        self._next_part += n
        return first

    def note(self, image: ImageOutcome, engine: str) -> None:
        """Take over an outcome."""
        results = {
            "status": FAILED if image.error else DONE,
            "attempts": min(self._attempts[image.row] + 1, np.iinfo(np.uint8).max),
            "error": ERROR_CODES.index(image.error),
            "engine": engine,
            "started": image.started,
            "seconds": image.seconds,
            "height": image.height,
            "width": image.width,
            "label_place": image.label_place,
        }
        if image.composition is not None:
            results |= {"composition": image.composition, "confidence": image.confidence}
            results["valid_fraction"] = image.valid_fraction
        if image.soft_composition is not None:
            results["soft_composition"] = image.soft_composition
        if image.looks is not None:
            results |= asdict(image.looks)
        self.owned.writer.set(image.row, **results)
        self.missing.discard(image.row)
        if image.label_place >= 0:
            self._label_maps[image.row] = LabelMap(image.row, image.label_place, image.height, image.width)

    def fold(self, driver: str) -> FoldTask | None:
        """What brings the label maps of a block that is through into a few arrays; None if they are in a few."""
        parts = {LabelPlace.unpacked(labels.place).part for labels in self._label_maps.values()}
        if self.missing or self.folding or len(parts) <= _MOST_LABEL_ARRAYS:
            return None
        self.folding = True
        label_maps = tuple(self._label_maps[row] for row in sorted(self._label_maps))
        return FoldTask(self.owned.labels, self.take_parts(1), label_maps, driver)

    def note_fold(self, label_maps: Sequence[LabelMap]) -> None:
        """Take over where the label maps are now."""
        self._folded = {LabelPlace.unpacked(labels.place).part for labels in self._label_maps.values()}
        for labels in label_maps:
            self.owned.writer.set(labels.row, label_place=labels.place)
        self.end_fold()

    def end_fold(self) -> None:
        """The fold is through, or was given up: label maps are then where they were."""
        self.folding = False
        self._label_maps.clear()

    def flush(self) -> None:
        """Write what was noted; then remove the label maps that it speaks of no more."""
        self.owned.writer.flush()
        if self._folded:
            self.owned.labels.remove(sorted(self._folded))
            self._folded = set()


class OpenBlocks:
    """All that are open, by the keys of their label folders, and why images of them failed.

    Parameters
    ----------
    log : FailureLog
        Gets the reasons.
    """

    def __init__(self, log: FailureLog) -> None:
        self._log = log
        self._failures: list[Failure] = []
        self._blocks: dict[tuple[int, int, int], OpenBlock] = {}

    def open(self, work: BlockOfWork) -> OpenBlock:
        """Begin with a claimed block."""
        opened = self._blocks[work.owned.labels.key] = OpenBlock(work)
        return opened

    def __getitem__(self, key: tuple[int, int, int]) -> OpenBlock:
        return self._blocks[key]

    def note(self, opened: OpenBlock, image: ImageOutcome, engine: str) -> None:
        """Take over an outcome."""
        opened.note(image, engine)
        if image.error:
            folder = opened.owned.labels
            self._failures.append(Failure(folder.table, image.row, folder.generation, image.error, image.message))

    def flush(self) -> list[OpenBlock]:
        """Write what was noted, why images failed first: whatever says `failed` has its message.

        Those that are complete are closed. Returns those that are let go, since somebody took us for dead and goes on
        with them; what we had of them is written.
        """
        self._log.append(self._failures)
        self._failures = []
        let_go = []
        for key, opened in list(self._blocks.items()):
            opened.flush()
            if not opened.is_complete and opened.owned.is_overtaken:
                opened.let_go = True
                let_go.append(opened)
            if opened.is_complete or opened.let_go:
                del self._blocks[key]
        return let_go
