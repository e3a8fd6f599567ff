"""ipyparallel launchers, by which engines are started here and elsewhere."""

from toolkit.engines.launchers.local import GpuEngines, LocalEngines

__all__ = ["GpuEngines", "LocalEngines"]  # profiles of earlier versions know them by the name of this package
