"""Segment hundreds of thousands of images on engines, and explore what the pictures are made of.

Public names (`__init__.pyi` lists them) are imported when they are first used, so that ``import toolkit`` stays quick
and never imports torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return sorted(__all__)
