"""Where tasks run: engines that ipyparallel starts and connects, or this process, behind one small interface."""

from toolkit.engines.cluster import Cluster
from toolkit.engines.cluster_by_name import open_cluster
from toolkit.engines.executors import (
    Engine,
    EngineLostError,
    EngineTaskError,
    Executor,
    InProcessExecutor,
    IPyParallelExecutor,
    NoEnginesError,
)
from toolkit.engines.ranks import start_together

__all__ = [
    "Cluster",
    "Engine",
    "EngineLostError",
    "EngineTaskError",
    "Executor",
    "IPyParallelExecutor",
    "InProcessExecutor",
    "NoEnginesError",
    "open_cluster",
    "start_together",
]
