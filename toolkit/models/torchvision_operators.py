"""Lets torchvision be imported beside a torch for which its compiled operators were not built."""

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder

import torch

# As torchvision declares them; it refuses to be imported where these two are unknown.
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_NAMES = ("nms", "qnms")


def define_missing_operators() -> None:
    """Make ``import torchvision`` work, from here on and for everybody in this process.

    The registry's torchvision is compiled for CUDA. Beside a CPU build of torch its operators cannot be loaded, and
    ``import torchvision`` (which segmentation-models-pytorch, timm and transformers do as well) ends with ``operator
    torchvision::nms does not exist``. Networks and transforms need no operator, only the declarations that are made
    here. Nothing happens where the compiled operators load, or where there is no torchvision.
    """
    if _compiled_operators_load():
        return
    for name in _NAMES:
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", _SCHEMA)


def _compiled_operators_load() -> bool:
    torchvision = importlib.util.find_spec("torchvision")
    for folder in (torchvision and torchvision.submodule_search_locations) or ():
        library = FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec("_C")
        if library is not None and library.origin is not None:
            try:
                torch.ops.load_library(library.origin)  # type: ignore[no-untyped-call]
            except OSError:
                return False
    return all(hasattr(torch.ops.torchvision, name) for name in _NAMES)
