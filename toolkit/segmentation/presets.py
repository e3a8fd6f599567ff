"""Published procedures as data: the fields of a `Protocol` in which each differs from the defaults.

* ``default``: what ``Protocol()`` is.
* ``semseg``: hszhao/semseg, ``tool/test.py``, the PyTorch PSPNet. ADE20K and VOC; for Cityscapes ``base_size=2048,
  crop_size=713``. Its multiscale set is ``(0.5, 0.75, 1.0, 1.25, 1.5, 1.75)``.
* ``keras``: Vladkryvoruchko/PSPNet-Keras-tensorflow, ``pspnet.py``, with sliding windows; probabilities go to the
  image's size by scipy's ``ndimage.zoom``, which aligns corners. Scale sets of the paper on
  scaling: ``(1.0,)``, ``(0.5, 1.0)``, ``(0.75, 1.0, 1.25)``, ``(0.5, 0.75, 1.0, 1.25)``. Without sliding windows the
  image is squashed: ``mode="whole", scale_base="square", base_size=473``.
* ``mmseg1``: mmsegmentation 1.x, mode slide; test-time augmentation multiplies the image's own size.
* ``mmseg0``: mmsegmentation 0.x; scales multiply (2048, 512). The published numbers are mostly ``mode="whole"``.
* ``segformer``: NVlabs/SegFormer on ADE20K; multiscale ``(0.75, 0.875, 1.0, 1.125, 1.25), flip=True``. Cityscapes:
  ``mode="slide", crop_size=1024, stride=768, base_size=1024``.
* ``monai``: MONAI's ``SlidingWindowInferer``, overlap 0.25.
* ``csail``: CSAILVision/semantic-segmentation-pytorch; short sides 300 … 600, long side at most 1000.
"""

from typing import Any

_MMSEG = {
    "rounding": "half_up",
    "resize": "bilinear_uint8",
    "crop_size": 512,
    "stride": 341,
    "padding": "none",
    "flip_merge": "image",
    "merge": "logits",
    "restore_align_corners": None,
}

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "semseg": {
        "scale_base": "long",
        "base_size": 512,
        "rounding": "half_even",
        "resize": "bilinear",
        "crop_size": 473,
        "padding": "center",
        "pad_value": "mean",
        "flip": True,
        "flip_merge": "tile",
        "merge": "probabilities",
        "output_align_corners": True,
    },
    "keras": {
        "scale_base": "original",
        "rounding": "floor",
        "resize": "pil",
        "crop_size": 473,
        "padding": "bottom_right",
        "pad_value": "zero",
        "flip": True,
        "flip_merge": "tile",
        "merge": "probabilities",
        "output_align_corners": True,
        "restore_align_corners": True,
    },
    "mmseg1": {**_MMSEG, "scale_base": "original"},
    "mmseg0": {**_MMSEG, "scale_base": "short", "base_size": 512, "long_limit": 2048},
    "segformer": {
        "scale_base": "short",
        "base_size": 512,
        "long_limit": 2048,
        "rounding": "half_up",
        "resize": "bilinear_uint8",
        "size_multiple": 32,
        "fit": "resize_again",
        "mode": "whole",
        "padding": "none",
        "flip_merge": "image",
        "merge": "logits",
        "output_align_corners": False,
    },
    "monai": {
        "scale_base": "original",
        "crop_size": 512,
        "overlap": 0.25,
        "padding": "center",
        "pad_value": "mean",
        "merge": "logits",
    },
    "csail": {
        "scales": (0.5, 0.625, 0.75, 0.875, 1.0),
        "scale_base": "short",
        "base_size": 600,
        "long_limit": 1000,
        "limit_scales": False,
        "rounding": "floor",
        "resize": "pil",
        "size_multiple": 8,
        "fit": "stretch",
        "mode": "whole",
        "merge": "logits",
        "upsample": "image",
        "output_align_corners": False,
    },
}
