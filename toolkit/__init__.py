"""Segment hundreds of thousands of images on engines, and explore what the pictures are made of.

Public names are imported when they are first used, so that ``import toolkit`` stays quick and never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PACKAGE_OF = {
    "Catalog": "toolkit.catalog",
    "Cluster": "toolkit.engines",
    "Estimate": "toolkit.runs",
    "Model": "toolkit.models",
    "Normalization": "toolkit.models",
    "Progress": "toolkit.runs",
    "Protocol": "toolkit.segmentation",
    "ReadLimits": "toolkit.sources",
    "Run": "toolkit.runs",
    "estimate": "toolkit.runs",
    "evaluate": "toolkit.evaluation",
    "generate_scene": "toolkit.scenes",
    "load_dataset": "toolkit.models",
    "load_model": "toolkit.models",
    "open_cluster": "toolkit.engines",
    "plan": "toolkit.segmentation",
    "segment": "toolkit.runs",
    "segment_image": "toolkit.segmentation",
    "write_scenes": "toolkit.scenes",
}

__all__ = [
    "Catalog",
    "Cluster",
    "Estimate",
    "Model",
    "Normalization",
    "Progress",
    "Protocol",
    "ReadLimits",
    "Run",
    "__version__",
    "estimate",
    "evaluate",
    "generate_scene",
    "load_dataset",
    "load_model",
    "open_cluster",
    "plan",
    "segment",
    "segment_image",
    "write_scenes",
]

if TYPE_CHECKING:
    from toolkit.catalog import Catalog
    from toolkit.engines import Cluster, open_cluster
    from toolkit.evaluation import evaluate
    from toolkit.models import Model, Normalization, load_dataset, load_model
    from toolkit.runs import Estimate, Progress, Run, estimate, segment
    from toolkit.scenes import generate_scene, write_scenes
    from toolkit.segmentation import Protocol, plan, segment_image
    from toolkit.sources import ReadLimits


def __getattr__(name: str) -> Any:
    if name not in _PACKAGE_OF:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    value = getattr(import_module(_PACKAGE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
