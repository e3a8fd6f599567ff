"""Which pixels of a picture count: not the car's bonnet, nor a watermark, nor what lies around a fisheye's circle."""

import functools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import arguments
from toolkit.segmentation.errors import PictureError
from toolkit.segmentation.mask import Mask
from toolkit.segmentation.written import mapping_of, refuse_unknown

_WORDS = ("everything", "circle", "ellipse", "opaque")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class Circle:
    """A circle in a picture, such as a fisheye lens makes; by default the largest in its middle."""

    center: tuple[float, float] = (0.5, 0.5)
    """(x, y) in widths from the left and heights from the top."""
    radius: float = 0.5
    """In sides of the picture, the shorter one."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in a picture, such as an anamorphic lens makes of a circle; by default the largest in its middle."""

    center: tuple[float, float] = (0.5, 0.5)
    """(x, y) in widths from the left and heights from the top."""
    radii: tuple[float, float] = (0.5, 0.5)
    """(across, down) in widths and heights of the picture."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """Which pixels of a picture count: those that all the parts leave in. Whatever is left out of it is everything.

    Wherever one is asked for, a word or a mapping will do as well: see `Area.of`.

    Raises
    ------
    TypeError, ValueError
        A part is not what it must be; the message names it.

    Examples
    --------
    >>> Area(bottom=0.1)  # without the car's bonnet  # doctest: +ELLIPSIS
    Area(top=0.0, bottom=0.1, ...)
    >>> Area.of({"circle": {"center": [0.5, 0.48]}, "bottom": 0.1}) == Area(circle=Circle((0.5, 0.48)), bottom=0.1)
    True
    """

    top: float = 0.0
    """Fraction of the picture's height that is left out at its upper border."""
    bottom: float = 0.0
    """Likewise at its lower border."""
    left: float = 0.0
    """Fraction of the picture's width that is left out at its left border."""
    right: float = 0.0
    """Likewise at its right border."""
    circle: Circle | None = None
    """Only what lies in it counts."""
    ellipse: Ellipse | None = None
    """Only what lies in it counts."""
    mask: Mask | None = None
    """Only what is bright in it counts, whatever the size of a picture."""
    mask_column: str = ""
    """Name of the covariate that says where each image's own mask lies; ``""``: there are none."""
    opaque: bool = False
    """Whether transparent pixels (alpha below 128) do not count."""

    def __post_init__(self) -> None:
        for name in ("top", "bottom", "left", "right"):
            fraction = arguments.number(f"area: {name}", getattr(self, name), least=0, most=1, what="a fraction")
            object.__setattr__(self, name, fraction)
        for one, other in (("top", "bottom"), ("left", "right")):
            if getattr(self, one) + getattr(self, other) >= 1:
                raise ValueError(f"area: {one} and {other} leave nothing of the picture; together they must be below 1")
        for name, kind in (("circle", Circle), ("ellipse", Ellipse), ("mask", Mask)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"area: {name} must be a {kind.__name__}, not {value!r}; Area.of takes other words")
        for part in (self.circle, self.ellipse):
            if part is not None:
                _check_round(part)
        if not isinstance(self.mask_column, str):
            raise TypeError(f"area: mask_column must be the name of a column, not {self.mask_column!r}")
        arguments.flag("area: opaque", self.opaque)

    @classmethod
    def of(cls, value: "Area | str | Path | Mapping[str, Any] | None") -> "Area | None":
        """What was asked for in whichever words; None where that is everything.

        Parameters
        ----------
        value : Area, str, pathlib.Path, mapping or None
            ``"everything"``, ``"circle"``, ``"ellipse"``, ``"opaque"``; a mask's file; or a mapping of the parts by
            name, also written as YAML: ``{bottom: 0.1}``, ``{circle: {center: [0.5, 0.48], radius: 0.47}}``,
            ``{mask: bonnet.png, opaque: true}``, ``{mask_column: mask}``.

        Raises
        ------
        SourceError
            A mask's file cannot be read as an image.
        TypeError, ValueError
            The value is none of these; the message says what is allowed.
        """
        if value is None or isinstance(value, cls):
            area = value
        elif isinstance(value, Path) or (isinstance(value, str) and value.lower().endswith(_PICTURES)):
            area = cls(mask=Mask.read(value))
        elif isinstance(value, str) and value in _WORDS:
            area = cls(**_parts({value: True} if value != "everything" else {}))
        elif isinstance(value, Mapping):
            area = cls(**_parts(value))
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            area = cls(**_parts(mapping_of("area", value)))
        else:
            refuse_unknown("area", value, _WORDS, "the path of a mask, or a mapping such as {bottom: 0.1}")
        return None if area == cls() else area

    def to_dict(self) -> dict[str, Any]:
        """The parts that leave something out, as JSON types; of a mask what its pixels are known by."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        parts = {name: part for name, part in parts.items() if part}
        for name in {"circle", "ellipse"} & set(parts):
            parts[name] = {
                one.name: list(value) if isinstance(value := getattr(parts[name], one.name), tuple) else value
                for one in fields(parts[name])
            }
        if self.mask is not None:
            parts["mask"] = {"height": self.mask.height, "width": self.mask.width, "sha256": self.mask.digest}
        return parts

    def counted(
        self, height: int, width: int, *, opaque: np.ndarray | None = None, mask: Mask | None = None
    ) -> np.ndarray | None:
        """Which pixels of a picture count.

        Parameters
        ----------
        height, width : int
            Its size.
        opaque : numpy.ndarray, optional
            Which of its pixels are not transparent, bool ``(height, width)``; all if left out.
        mask : Mask, optional
            Its own.

        Returns
        -------
        numpy.ndarray or None
            bool ``(height, width)``, not to be written to; None if all pixels count.

        Raises
        ------
        PictureError
            None does.
        """
        found = _of_all_pictures(self, height, width)
        for further in (opaque if self.opaque else None, None if mask is None else mask.resized(height, width)):
            if further is not None:
                found = further if found is None else found & further
        if found is None or found.all():
            return None
        if not found.any():
            raise PictureError("area_empty", f"no pixel of {height} × {width} lies in the area {self.to_dict()}")
        return found


def _parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an area, made of what people write."""
    names = [one.name for one in fields(Area)]
    parts: dict[str, Any] = {}
    for name, value in given.items():
        if name not in names:
            refuse_unknown("area", name, names)
        if name in ("circle", "ellipse"):
            parts[name] = _round(name, value)
        elif name == "mask" and isinstance(value, str | os.PathLike):
            parts[name] = Mask.read(value)
        elif name == "mask" and isinstance(value, np.ndarray):
            parts[name] = Mask.of(value)
        else:
            parts[name] = value
    return parts


def _round(name: str, value: object) -> Circle | Ellipse | None:
    kind: type[Circle | Ellipse] = Circle if name == "circle" else Ellipse
    if isinstance(value, bool) or value is None:
        return kind() if value else None
    if isinstance(value, Circle | Ellipse):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"area: {name} must be true, or a mapping such as {{center: [0.5, 0.5]}}, not {value!r}")
    names = [one.name for one in fields(kind)]
    for part in value:
        if part not in names:
            refuse_unknown(f"area: {name}", part, names)
    parts: dict[str, Any] = {
        part: tuple(number) if isinstance(number, list) else number for part, number in value.items()
    }
    return kind(**parts)


def _check_round(part: Circle | Ellipse) -> None:
    name = type(part).__name__.lower()
    pairs = {"center": part.center} | ({"radii": part.radii} if isinstance(part, Ellipse) else {})
    for which, pair in pairs.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(f"area: {which} of the {name} must be two numbers, not {pair!r}")
        least = 0 if which == "center" else 1e-6
        checked = tuple(arguments.number(f"area: {which} of the {name}", one, least=least, most=2) for one in pair)
        object.__setattr__(part, which, checked)
    if isinstance(part, Circle):
        radius = arguments.number("area: radius of the circle", part.radius, least=1e-6, most=2)
        object.__setattr__(part, "radius", radius)


@functools.lru_cache(maxsize=4)  # those of one picture are those of the next of its size
def _of_all_pictures(area: Area, height: int, width: int) -> np.ndarray | None:
    """Which pixels count in any picture of a size; None: all. A pixel lies where its centre does."""
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    found = None
    if area.top or area.bottom or area.left or area.right:
        found = _between(area.top, area.bottom, height)[:, None] & _between(area.left, area.right, width)
    for part in (area.circle, area.ellipse):
        if part is None:
            continue
        if isinstance(part, Circle):
            across = down = part.radius * min(height, width)
        else:
            across, down = part.radii[0] * width, part.radii[1] * height
        down_part = ((rows - part.center[1] * height) / down) ** 2
        inside = down_part[:, None] + ((columns - part.center[0] * width) / across) ** 2 <= 1
        found = inside if found is None else found & inside
    if area.mask is not None:
        inside = area.mask.resized(height, width)
        found = inside if found is None else found & inside
    if found is not None:
        found.flags.writeable = False
    return found


def _between(first: float, last: float, n: int) -> np.ndarray:
    """Which of ``n`` pixels have their centre inside of what two fractions leave out; on the very edge it is outside.

    Fractions are taken as they are written: floats would decide about a centre on the edge by their rounding.
    """
    start, stop = Fraction(str(first)) * n, n - Fraction(str(last)) * n
    half = Fraction(1, 2)
    pixels = np.arange(n)
    inside: np.ndarray = (pixels > math.floor(start - half)) & (pixels < math.ceil(stop - half))
    return inside
