"""What a check of a catalog's store says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

LEFT_OVER = (
    *("partial_file", "stale_heartbeat", "uncommitted_segment", "generation_incomplete", "unfinished"),
    "labels_orphaned",
)
"""Kinds of problems that are no damage, but what processes left behind when they died."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: str
    """One of `LEFT_OVER`, ``"foreign"`` for what is not the catalog's, or damage: ``"unreadable"``, ``"inconsistent"``,
    ``"labels_missing"``, ``"metadata"``, ``"note"``, ``"claim_lost"``, ``"commit_lost"``, ``"change_lost"``,
    ``"run_record"``, ``"image_table"``."""
    path: str
    """Where in the store."""
    detail: str
    """What is wrong, in words, and what to do where nothing can be mended from here."""
    images: int = 0
    """How many images it concerns."""
    mended: bool = False
    """Whether it was mended."""

    @property
    def is_left_over(self) -> bool:
        """Whether it is no damage, but what a process left behind when it died."""
        return self.kind in LEFT_OVER

    @property
    def is_foreign(self) -> bool:
        """Whether it is not the catalog's, does no harm, and is left alone."""
        return self.kind == "foreign"

    def __str__(self) -> str:
        if self.is_foreign:
            return f"{self.kind}: {self.detail}"
        state = "mended" if self.mended else "left over" if self.is_left_over else "damaged"
        return f"{state}: {self.kind} at {self.path}: {self.detail}"


class Verification(list[Problem]):
    """What `Catalog.verify` found: a list of problems, empty if there are none.

    Parameters
    ----------
    problems : iterable of Problem
        Everything that is wrong or left over.
    images_checked : int
        How many results, of all runs, were looked at.
    blocks_skipped : int
        How many blocks were left out because drivers are at work on them.
    """

    def __init__(self, problems: Iterable[Problem], images_checked: int, blocks_skipped: int = 0) -> None:
        super().__init__(problems)
        self.images_checked = images_checked
        self.blocks_skipped = blocks_skipped

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong or left over any more; what is not the catalog's does not count."""
        return all(problem.mended or problem.is_foreign for problem in self)

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged any more; what processes left behind when they died does no harm."""
        return all(problem.mended or problem.is_left_over or problem.is_foreign for problem in self)

    def __str__(self) -> str:
        state = "clean" if self.clean else "whole" if self.whole else "damaged"
        skipped = f", {self.blocks_skipped:,} blocks left out as drivers work on them" * bool(self.blocks_skipped)
        return "\n".join([*map(str, self), f"{state}: {self.images_checked:,} results checked{skipped}"])


class Findings:
    """Gathers problems, and mends them as they are found if that was asked for.

    Parameters
    ----------
    repair : bool
        Whether to mend.
    """

    def __init__(self, repair: bool) -> None:
        self.repair = repair
        self.problems: list[Problem] = []
        self.foreign: list[str] = []
        """Where the catalog writes, but somebody else wrote."""

    def add(
        self, kind: str, path: str, detail: str, mend: Callable[[], object] | None = None, *, images: int = 0
    ) -> None:
        """Note a problem, and mend it if that was asked for and can be done."""
        if self.repair and mend is not None:
            mend()
        self.problems.append(Problem(kind, path, detail, images, mended=self.repair and mend is not None))
