"""How much work an engine gets at a time, among engines of which some are many times faster than others."""

import math
from collections import OrderedDict
from dataclasses import dataclass

TASKS_PER_ENGINE = 2
"""One that runs, and one that waits for whichever engine is free first."""

_LARGEST_BATCH = 256
_ENGINES_KEPT = 1024


@dataclass(frozen=True)
class Share:
    """The size of one task, whichever engine will get it."""

    n_images: int
    """So many images at most."""
    seconds: float
    """After so long the engine begins no further image, and hands back the others."""


class Speeds:
    """What each engine takes for an image, as measured; and task sizes that follow from it.

    Nobody knows, when a task is made, which engine will be the next to be free. So a task has as many images as the
    fastest engine can do in the time it is given, and slower ones hand back what they had no time for. Towards the end
    of a run that time shrinks with the work that is left, so that no engine is still at work for long when the others
    have nothing to do.
    """

    def __init__(self) -> None:
        self._seconds: OrderedDict[str, float] = OrderedDict()

    def note(self, engine: str, seconds_per_image: float) -> None:
        """An engine took so long for an image, in its last task."""
        before = self._seconds.pop(engine, seconds_per_image)
        self._seconds[engine] = max(0.5 * (before + seconds_per_image), 1e-6)
        while len(self._seconds) > _ENGINES_KEPT:  # the longest unheard of
            self._seconds.popitem(last=False)

    def share(self, seconds: float, n_left: int, n_engines: int) -> Share:
        """The next task.

        Parameters
        ----------
        seconds : float
            A task may take so long.
        n_left : int
            Images that are not done, of the whole run.
        n_engines : int
            Engines at hand.
        """
        if not self._seconds:
            return Share(1, seconds)
        lately = list(self._seconds.values())[-n_engines:]
        images_per_second = n_engines * sum(1 / each for each in lately) / len(lately)
        seconds = min(seconds, n_left / images_per_second / TASKS_PER_ENGINE)
        return Share(max(1, min(_LARGEST_BATCH, math.floor(seconds / min(lately)))), seconds)
