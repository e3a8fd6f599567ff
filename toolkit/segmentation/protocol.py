"""The numerics of one segmentation, as plain data."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args

ScaleBase = Literal["original", "long", "short"]
Mode = Literal["slide", "whole"]
Padding = Literal["bottom_right", "center", "none"]
PadValue = Literal["mean", "zero"]
Merge = Literal["probabilities", "logits"]
Blend = Literal["constant", "gaussian"]
Resize = Literal["bilinear", "pil"]

MAX_SCALE = 16.0

NUMERICS_VERSION = 1
"""Raised whenever the same settings would give another label map, so that results never mix under one run id."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How an image is rescaled, cut into tiles, and put together again.

    Frozen and validated: a protocol that exists is one that can be run. Each field is an axis on which published
    procedures differ.

    Raises
    ------
    TypeError, ValueError
        A value is of the wrong type or outside its range; the message names the argument, the value and the remedy.

    Examples
    --------
    >>> Protocol(scales=(0.5, 0.75, 1.0, 1.25), crop_size=473, stride=316, flip=True).stride
    316
    """

    scales: tuple[float, ...] = (1.0,)
    """Factors by which the image is resized; each gives one pass, and passes are averaged. In (0, 16]."""
    scale_base: ScaleBase = "original"
    """What a scale multiplies: the image's own size, or ``base_size`` as its long or its short side."""
    base_size: int | None = None
    """Pixels of the long or short side at scale 1; needed unless ``scale_base`` is ``"original"``."""
    mode: Mode = "slide"
    """``"slide"``: overlapping tiles of ``crop_size``; ``"whole"``: the rescaled image as a single tile."""
    crop_size: int = 473
    """Side of the square tile, in pixels."""
    stride: int | None = None
    """Pixels between neighbouring tiles, at most ``crop_size``; two thirds of the crop, rounded up, by default."""
    padding: Padding = "bottom_right"
    """Where an image smaller than the crop is padded; ``"none"`` gives smaller tiles instead."""
    pad_value: PadValue = "mean"
    """What padding holds: the model's mean colour (0 after normalisation), or black."""
    flip: bool = False
    """Whether each tile is also seen mirrored left to right, and the two outputs averaged."""
    merge: Merge = "probabilities"
    """Space in which the tiles and flips of one scale are averaged and resized; scales average as probabilities."""
    blend: Blend = "constant"
    """Weight of a tile's pixels where tiles overlap; the gaussian has σ = crop / 8 and a floor of 1e-3."""
    resize: Resize = "bilinear"
    """How the image is rescaled: float32, half-pixel centres, no antialiasing (as OpenCV); or Pillow on uint8."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", _checked_scales(self.scales))
        _check_choice("scale_base", self.scale_base, ScaleBase)
        _check_choice("mode", self.mode, Mode)
        _check_choice("padding", self.padding, Padding)
        _check_choice("pad_value", self.pad_value, PadValue)
        _check_choice("merge", self.merge, Merge)
        _check_choice("blend", self.blend, Blend)
        _check_choice("resize", self.resize, Resize)
        object.__setattr__(self, "crop_size", _checked_pixels("crop_size", self.crop_size))
        stride = math.ceil(self.crop_size * 2 / 3) if self.stride is None else self.stride
        object.__setattr__(self, "stride", _checked_pixels("stride", stride))
        if self.tile_stride > self.crop_size:
            raise ValueError(
                f"stride={self.stride} exceeds crop_size={self.crop_size}: pixels between tiles would never be seen; "
                "choose a stride of at most the crop"
            )
        if self.scale_base == "original" and self.base_size is not None:
            raise ValueError(f"base_size={self.base_size} has no meaning with scale_base='original'; leave it out")
        if self.scale_base != "original":
            object.__setattr__(self, "base_size", _checked_pixels("base_size", self.base_size))
        if not isinstance(self.flip, bool):
            raise TypeError(f"flip must be True or False, not {self.flip!r}")

    @property
    def tile_stride(self) -> int:
        """Pixels between neighbouring tiles."""
        assert self.stride is not None  # filled in above; optional only in the call
        return self.stride

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types, for records and fingerprints; ``Protocol(**settings)`` takes them."""
        return {**asdict(self), "scales": list(self.scales)}


def _checked_scales(scales: object) -> tuple[float, ...]:
    if isinstance(scales, str) or not isinstance(scales, Iterable):
        raise TypeError(f"scales must be a sequence of numbers such as (0.5, 1.0), not {scales!r}")
    checked: tuple[Any, ...] = tuple(scales)
    for scale in checked:
        if isinstance(scale, bool) or not isinstance(scale, Real):
            raise TypeError(f"scales must be numbers, but scales={checked!r} holds {scale!r}")
        if not 0 < scale <= MAX_SCALE:  # type: ignore[operator]  # also refuses NaN
            raise ValueError(f"scales must lie in (0, {MAX_SCALE:g}], but scales={checked!r} holds {scale!r}")
    if not checked:
        raise ValueError("scales must hold at least one number, but it is empty")
    if len(set(checked)) < len(checked):
        raise ValueError(f"scales={checked!r} holds a scale twice; weights other than 1 are not supported")
    return tuple(float(scale) for scale in checked)


def _check_choice(name: str, value: object, choices: Any) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, get_args(choices)))}")


def _checked_pixels(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number of pixels, not {value!r}")
    if value < 1:
        raise ValueError(f"{name}={value} must be at least 1 pixel")
    return int(value)
