"""An ipyparallel launcher for engines on this machine; a profile names it, so that ``ipcluster start`` uses it too."""

from typing import Any

from ipyparallel.cluster.launcher import LocalEngineSetLauncher

from toolkit.engines.environment import engine_environment


class LocalEngines(LocalEngineSetLauncher):  # type: ignore[misc]  # ipyparallel is untyped
    """Engines as processes of this machine that share its cores; variables set in the profile win."""

    environment: dict[str, str]

    def start(self, n: int) -> Any:
        """Start ``n`` engines."""
        self.environment = {**engine_environment(n), **self.environment}
        return super().start(n)
