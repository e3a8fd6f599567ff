"""Where tasks run: engines that ipyparallel starts and connects, or this process, behind one small interface."""

from toolkit.engines.cluster import Cluster
from toolkit.engines.executors import EngineLostError, EngineTaskError, Executor, NoEnginesError
from toolkit.engines.in_process import InProcessExecutor
from toolkit.engines.ipyparallel import IPyParallelExecutor
from toolkit.engines.opening import open_cluster

__all__ = [
    "Cluster",
    "EngineLostError",
    "EngineTaskError",
    "Executor",
    "IPyParallelExecutor",
    "InProcessExecutor",
    "NoEnginesError",
    "open_cluster",
]
