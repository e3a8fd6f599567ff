"""ipyparallel launchers for engines on this machine; profiles name them, so that ``ipcluster start`` uses them too."""

from collections import Counter
from typing import Any

from ipyparallel.cluster.launcher import LocalEngineLauncher, LocalEngineSetLauncher
from traitlets import Integer

from toolkit.engines.environment import engine_environment
from toolkit.engines.inside.devices import visible_gpus
from toolkit.processes import is_alive

_PINNED = "CUDA_VISIBLE_DEVICES"


class LocalEngines(LocalEngineSetLauncher):  # type: ignore[misc]  # ipyparallel is untyped
    """Engines as processes of this machine that share its cores; variables set in the profile win."""

    environment: dict[str, str]
    entrypoint_name = "toolkit.engines.site.LocalEngines"
    """As what ``ipcluster start`` notes it, and ``ipcluster stop`` imports it; by itself it would note a colon."""

    def start(self, n: int) -> Any:
        """Start ``n`` engines."""
        self.environment = {**engine_environment(n), **self.environment}
        return super().start(n)


class PinnedEngine(LocalEngineLauncher):  # type: ignore[misc]
    """An engine that sees one GPU of its set only."""

    environment: dict[str, str]

    def start(self) -> Any:
        """Start it on the GPU that has the fewest engines."""
        self.environment = {**self.environment, _PINNED: self.parent.free_gpu()}
        return super().start()


class GpuEngines(LocalEngines):
    """Engines of which each has a GPU of this machine for itself; a new one gets that of one that died.

    Raises
    ------
    RuntimeError
        There is no GPU here, or there are more engines than there is room for.
    """

    launcher_class = PinnedEngine
    entrypoint_name = "toolkit.engines.site.GpuEngines"
    engines_per_gpu = Integer(1, config=True, help="how many engines share a GPU")

    def start(self, n: int) -> Any:
        """Start ``n`` engines."""
        gpus = visible_gpus()
        if not gpus:
            raise RuntimeError(
                "no GPU is visible here: see what `nvidia-smi` says, and that CUDA_VISIBLE_DEVICES is not empty; "
                "without GPUs use the profile 'local'"
            )
        room = len(gpus) * self.engines_per_gpu - sum(self._engines_on_gpus().values())
        if n > room:
            raise RuntimeError(
                f"{n} engine{'s' if n > 1 else ''} to start, but room for {room} on {len(gpus)} visible "
                f"GPU{'s' if len(gpus) > 1 else ''}; start fewer, or raise ENGINES_PER_GPU in the profile"
            )
        return super().start(n)

    def free_gpu(self) -> str:
        """The GPU with the fewest engines, by its UUID."""
        engines = self._engines_on_gpus()
        return min(visible_gpus(), key=lambda gpu: engines[gpu])

    def _engines_on_gpus(self) -> Counter[str]:
        """Living engines of this cluster on each GPU."""
        sets = {id(each): each for each in [self, *getattr(self.parent, "engines", {}).values()]}
        started = [engine for engines in sets.values() for engine in engines.launchers.values() if engine.process]
        return Counter(engine.environment[_PINNED] for engine in started if is_alive(engine.process))
