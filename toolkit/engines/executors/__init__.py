"""Where tasks run: one interface, one file per way to run them."""

from toolkit.engines.executors.in_process import InProcessExecutor
from toolkit.engines.executors.interface import Engine, EngineLostError, EngineTaskError, Executor, NoEnginesError
from toolkit.engines.executors.ipyparallel import IPyParallelExecutor

__all__ = [
    "Engine",
    "EngineLostError",
    "EngineTaskError",
    "Executor",
    "IPyParallelExecutor",
    "InProcessExecutor",
    "NoEnginesError",
]
