"""The numerics of one segmentation, as plain data."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, asdict, dataclass, fields
from numbers import Real
from typing import Any, Literal, get_args

from toolkit.arguments import choice, flag, number, whole_number
from toolkit.models.errors import closest
from toolkit.segmentation.presets import PRESETS

ScaleBase = Literal["original", "long", "short", "square"]
Rounding = Literal["half_even", "half_up", "floor"]
Resize = Literal["bilinear", "bilinear_uint8", "pil"]
Fit = Literal["pad", "stretch", "resize_again"]
Mode = Literal["slide", "whole", "slices"]
Padding = Literal["bottom_right", "center", "none"]
PadValue = Literal["mean", "zero"]
FlipMerge = Literal["tile", "image"]
Merge = Literal["probabilities", "logits"]
Blend = Literal["constant", "gaussian"]
Upsample = Literal["tile", "image"]

MAX_SCALE = 16.0
MAX_SLICES = 64

NUMERICS_VERSION = 2
"""Raised whenever the same settings would give another label map, so that results never mix under one run id."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How an image is rescaled, cut into tiles, and put together again.

    Frozen and validated: a protocol that exists is one that can be run. Each field is an axis on which published
    procedures differ; `preset` gives theirs, and `describe` says in words what one does.

    Parameters
    ----------
    overlap : float, optional
        Fraction of the crop that neighbouring tiles share, in [0, 1); another way to give ``stride``, which becomes
        ``max(int(crop_size * (1 - overlap)), 1)`` as in MONAI.

    Raises
    ------
    TypeError, ValueError
        A value is of the wrong type or outside its range; the message names the argument, the value and the remedy.

    Examples
    --------
    >>> Protocol(scales=(0.5, 0.75, 1.0, 1.25), crop_size=473, stride=316, flip=True).stride
    316
    >>> Protocol.preset("semseg", crop_size=713, base_size=2048).stride
    476
    """

    scales: tuple[float, ...] = (1.0,)
    """Factors by which the image is resized; each gives one pass, and passes are averaged. In (0, 16]."""
    scale_base: ScaleBase = "original"
    """What a scale multiplies: the image's own size; ``base_size`` as its long or its short side, keeping the aspect;
    or ``base_size`` as both sides, whatever the aspect (``"square"``)."""
    base_size: int | None = None
    """Pixels of that side at scale 1; needed unless ``scale_base`` is ``"original"``."""
    long_limit: int | None = None
    """Most pixels of the long side when ``scale_base`` is ``"short"``; the image is made smaller to keep within."""
    limit_scales: bool = True
    """Whether a scale multiplies ``long_limit`` too (mmsegmentation), or it holds for all scales (csail)."""
    rounding: Rounding = "half_even"
    """How a rescaled side becomes whole pixels; before that, ``base_size`` times the scale is rounded by
    ``"half_even"`` and cut off by the others."""
    resize: Resize = "bilinear"
    """How the image is rescaled: in float32, half-pixel centres, no antialiasing (OpenCV on floats); the same, rounded
    to whole values (OpenCV on uint8); or by Pillow on uint8, which antialiases when it makes smaller."""
    size_multiple: int = 1
    """Rescaled sides are brought up to a multiple of this, in the way that ``fit`` says (ignored by ``"pad"``)."""
    fit: Fit = "pad"
    """How a rescaled image gets a size that the network takes: by padding; by rescaling to that size at once; or by
    rescaling a second time (SegFormer)."""
    mode: Mode = "slide"
    """``"slide"``: overlapping tiles of ``crop_size``; ``"whole"``: the rescaled image as a single tile;
    ``"slices"``: a grid of ``slices`` tiles, whatever their size."""
    crop_size: int = 473
    """Side of the square tile in mode ``"slide"``, in pixels."""
    stride: int | None = None
    """Pixels between neighbouring tiles, at most ``crop_size``; two thirds of the crop, rounded up, by default."""
    overlap: InitVar[float | None] = None
    slices: tuple[int, int] = (1, 1)
    """(rows, columns) of the grid in mode ``"slices"``; fewer where the image has not as many pixels."""
    slice_overlap: float = 0.0
    """Fraction of a slice that it shares with each neighbour, in [0, 0.9]."""
    padding: Padding = "bottom_right"
    """Where an image smaller than the crop is padded; ``"none"`` gives smaller tiles instead."""
    pad_value: PadValue = "mean"
    """What padding holds: the model's mean colour (0 after normalisation), or black."""
    flip: bool = False
    """Whether everything is also seen mirrored left to right, and the two outputs averaged."""
    flip_merge: FlipMerge = "tile"
    """Where the mirrored output joins: each tile with its mirror image, in the merge space; or the mirrored image as a
    pass of its own, averaged as the scales are."""
    merge: Merge = "probabilities"
    """Space in which the tiles of one pass are averaged and resized; passes always average as probabilities."""
    blend: Blend = "constant"
    """Weight of a tile's pixels where tiles overlap; the gaussian has σ = crop / 8 and a floor of 1e-3."""
    upsample: Upsample = "tile"
    """Where the network's logits, often smaller than its input, go: to the tile's size, and from there to the image's;
    or to the image's size at once (mode ``"whole"`` with merge ``"logits"`` and a fit other than ``"pad"``)."""
    output_align_corners: bool | None = None
    """Whether logits are upsampled to the tile with corners aligned; None: as the model was trained."""
    restore_align_corners: bool | None = False
    """Whether a pass is resized to the image's size with corners aligned; None: as the model was trained."""

    def __new__(cls, *_: object, **settings: object) -> "Protocol":
        """Refuse a misspelt field with the right one, before the fields are set."""
        _check_names(settings)
        return super().__new__(cls)

    def __post_init__(self, overlap: float | None) -> None:
        object.__setattr__(self, "scales", _checked_scales(self.scales))
        for name, choices in _CHOICES.items():
            choice(name, getattr(self, name), get_args(choices))
        for name in ("flip", "limit_scales"):
            flag(name, getattr(self, name))
        for name in ("output_align_corners", "restore_align_corners"):
            if not isinstance(getattr(self, name), bool | None):
                raise TypeError(f"{name} must be True, False or None, not {getattr(self, name)!r}")
        for name in ("crop_size", "size_multiple"):
            self._check_pixels(name)
        object.__setattr__(self, "stride", self._checked_stride(overlap))
        object.__setattr__(self, "slices", _checked_slices(self.slices))
        object.__setattr__(self, "slice_overlap", number("slice_overlap", self.slice_overlap, least=0, most=0.9))
        self._check_sizes()
        self._check_upsample()

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> "Protocol":
        """One of the published procedures, with fields of your own where you give them.

        Parameters
        ----------
        name : str
            ``"semseg"``, ``"keras"``, ``"mmseg1"``, ``"mmseg0"``, ``"segformer"``, ``"monai"``, ``"csail"`` or
            ``"default"``; see `toolkit.segmentation.presets` for what each is.
        **overrides
            Any field of `Protocol`, or ``overlap``.

        Raises
        ------
        ValueError, TypeError
            No preset has that name, or an override is not a field or not allowed.

        Examples
        --------
        >>> Protocol.preset("semseg", scales=(0.5, 1.0)).padding
        'center'
        """
        if not isinstance(name, str) or name not in PRESETS:
            names = ", ".join(map(repr, PRESETS))
            raise ValueError(f"there is no preset {name!r}; there are {names}{_hint(closest(str(name), PRESETS))}")
        _check_names(overrides)
        settings = PRESETS[name] | overrides
        if not {"stride", "overlap"}.isdisjoint(overrides):
            settings = {key: value for key, value in settings.items() if key in overrides or key not in _SPACING}
        elif "crop_size" in overrides:
            settings.pop("stride", None)  # it belongs to the preset's own crop
        if overrides.get("scale_base") == "original":
            settings |= {"base_size": None, "long_limit": None} | overrides
        elif overrides.get("scale_base", "short") != "short":
            settings |= {"long_limit": None} | overrides
        return cls(**settings)

    @property
    def tile_stride(self) -> int:
        """Pixels between neighbouring tiles."""
        assert self.stride is not None  # filled in above; optional only in the call
        return self.stride

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types, for records and fingerprints; ``Protocol(**settings)`` takes them."""
        return {**asdict(self), "scales": list(self.scales), "slices": list(self.slices)}

    def describe(self) -> None:
        """Print what the protocol does, step by step; ``str(protocol)`` is the same text."""
        print(self)

    def __str__(self) -> str:
        from toolkit.segmentation.description import description

        return description(self)

    def _check_pixels(self, name: str) -> None:
        object.__setattr__(self, name, whole_number(name, getattr(self, name), least=1))

    def _checked_stride(self, overlap: object) -> int:
        if overlap is not None:
            if self.stride is not None:
                raise ValueError(f"stride={self.stride} and overlap={overlap!r} say the same thing; give one of them")
            shared = number("overlap", overlap, least=0, most=1)
            if shared == 1:
                raise ValueError(f"overlap must be a number in [0, 1), not {overlap!r}")
            return max(int(self.crop_size * (1 - shared)), 1)
        if self.stride is None:
            return math.ceil(self.crop_size * 2 / 3)
        stride = whole_number("stride", self.stride, least=1)
        if stride > self.crop_size:
            raise ValueError(
                f"stride={stride} exceeds crop_size={self.crop_size}: pixels between tiles would never be seen; "
                "choose a stride of at most the crop"
            )
        return stride

    def _check_sizes(self) -> None:
        if self.scale_base != "original":
            self._check_pixels("base_size")
        elif self.base_size is not None:
            raise ValueError(f"base_size={self.base_size} has no meaning with scale_base='original'; leave it out")
        if self.long_limit is not None:
            if self.scale_base != "short":
                raise ValueError(
                    f"long_limit={self.long_limit} has no meaning with scale_base={self.scale_base!r}; leave it out, "
                    "or choose scale_base='short'"
                )
            self._check_pixels("long_limit")

    def _check_upsample(self) -> None:
        if self.upsample == "image" and (self.mode != "whole" or self.merge != "logits" or self.fit == "pad"):
            raise ValueError(
                "upsample='image' needs mode='whole', merge='logits' and fit='stretch' or 'resize_again', not "
                f"mode={self.mode!r}, merge={self.merge!r} and fit={self.fit!r}"
            )


_SPACING = ("stride", "overlap")
_CHOICES: dict[str, Any] = {
    "scale_base": ScaleBase,
    "rounding": Rounding,
    "resize": Resize,
    "fit": Fit,
    "mode": Mode,
    "padding": Padding,
    "pad_value": PadValue,
    "flip_merge": FlipMerge,
    "merge": Merge,
    "blend": Blend,
    "upsample": Upsample,
}


_OTHER_WORDS = {
    **dict.fromkeys(("crop", "tile", "tile_size", "window", "window_size", "roi_size", "patch_size"), "crop_size"),
    **dict.fromkeys(("step", "steps"), "stride"),
    **dict.fromkeys(("mirror", "hflip", "tta"), "flip"),
    "interpolation": "resize",
}
"""What fields are called elsewhere."""
_NO_NUMERICS = ("batch_size", "compile", "precision")


def _check_names(settings: Mapping[str, object]) -> None:
    known = [field.name for field in fields(Protocol)] + ["overlap"]
    for name in sorted(set(settings) - set(known)):
        if name in _NO_NUMERICS:
            raise TypeError(f"{name!r} is not a field of a protocol; give it to segment, segment_image or Execution")
        hint = _hint(_OTHER_WORDS.get(name) or closest(name, known))
        raise TypeError(f"{name!r} is not a field of a protocol; there are {', '.join(known)}{hint}")


def _hint(meant: str) -> str:
    return f". Did you mean {meant!r}?" if meant else ""


def _checked_scales(scales: object) -> tuple[float, ...]:
    if not isinstance(scales, bool) and isinstance(scales, Real):
        scales = (scales,)
    if isinstance(scales, str) or not isinstance(scales, Iterable) or getattr(scales, "ndim", 1) != 1:
        raise TypeError(f"scales must be a number, or several such as (0.5, 1.0), not {scales!r}")
    checked: tuple[Any, ...] = tuple(map(_as_written, scales))
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


def _as_written(scale: Any) -> Any:
    """A scale of NumPy's as Python's number of the same digits: 0.1 in float32 is meant to be 0.1."""
    return float(str(scale)) if isinstance(scale, Real) and hasattr(scale, "dtype") else scale


def _checked_slices(slices: object) -> tuple[int, int]:
    if isinstance(slices, str) or not isinstance(slices, Iterable):
        raise TypeError(f"slices must be (rows, columns) such as (2, 3), not {slices!r}")
    counts = tuple(slices)
    if len(counts) != 2:
        raise ValueError(f"slices must be two numbers, (rows, columns), not {counts!r}")
    rows, columns = (whole_number("slices", count, least=1, most=MAX_SLICES) for count in counts)
    return rows, columns
