"""What a check of a catalog's store says."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: str
    """Left behind by a process that died: ``"partial_file"``, ``"stale_heartbeat"``, ``"uncommitted_segment"``,
    ``"generation_incomplete"``, ``"unfinished"``, ``"labels_orphaned"``. Damage: ``"unreadable"``, ``"inconsistent"``,
    ``"labels_missing"``, ``"metadata"``, ``"note"``, ``"claim_lost"``, ``"commit_lost"``, ``"run_record"``,
    ``"image_table"``."""
    path: str
    """Where in the store."""
    detail: str
    """What is wrong, in words, and what to do where nothing can be mended from here."""
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
        checked = f"{self.images_checked:,} results checked"
        if not self.problems:
            return f"clean: {checked}"
        lines = [
            f"{'mended' if problem.mended else 'found'}: {problem.kind} at {problem.path}: {problem.detail}"
            for problem in self.problems
        ]
        return "\n".join([*lines, checked])


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

    def add(
        self, kind: str, path: str, detail: str, mend: Callable[[], object] | None = None, *, images: int = 0
    ) -> None:
        """Note a problem, and mend it if that was asked for and can be done."""
        if self.repair and mend is not None:
            mend()
        self.problems.append(Problem(kind, path, detail, images, mended=self.repair and mend is not None))
