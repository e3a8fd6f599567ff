"""How a picture shows the world: panoramas that go all around are no flat pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from toolkit import arguments
from toolkit.segmentation.errors import PictureError
from toolkit.segmentation.written import mapping_of, refuse_unknown

_NAME = "equirectangular"
_TOLERANCE = 0.01
"""Fraction by which the sides of a panorama may be others than its angles say."""


@dataclass(frozen=True)
class Projection:
    """An equirectangular panorama: columns are longitudes, all 360° of them; rows are latitudes.

    Pixels count by the solid angle that they cover, and the picture goes on over its left and right borders.

    Raises
    ------
    TypeError, ValueError
        An angle is not what it must be; the message names it.
    """

    top: float = 90.0
    """Latitude of the upper border, degrees: 90 is the zenith."""
    bottom: float = -90.0
    """Latitude of the lower border, degrees: -90 is the nadir."""

    def __post_init__(self) -> None:
        for one in fields(self):
            angle = arguments.number(f"projection: {one.name}", getattr(self, one.name), least=-90, most=90)
            object.__setattr__(self, one.name, angle)
        if self.bottom >= self.top:
            raise ValueError(f"projection: bottom must be below top={self.top:g}, not {self.bottom:g}")

    @classmethod
    def of(cls, value: "Projection | str | Mapping[str, Any] | None") -> "Projection | None":
        """What was asked for in whichever words; None for flat pictures.

        Parameters
        ----------
        value : Projection, str, mapping or None
            ``"equirectangular"``: panoramas of the whole sphere, twice as wide as high. For others the latitudes of
            their borders, in a mapping that may be written as YAML: ``{equirectangular: {bottom: -45}}``.

        Raises
        ------
        TypeError, ValueError
            The value is none of these.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = mapping_of("projection", value)
        if value == _NAME:
            return cls()
        if not isinstance(value, Mapping) or list(value) != [_NAME]:
            given = next(iter(value), "") if isinstance(value, Mapping) else value
            refuse_unknown("projection", given, [_NAME], "a mapping such as {equirectangular: {bottom: -45}}")
        angles = value[_NAME] or {}
        if not isinstance(angles, Mapping):
            raise TypeError(f"projection: {_NAME} must be a mapping such as {{bottom: -45}}, not {angles!r}")
        for name in angles:
            if name not in ("top", "bottom"):
                refuse_unknown(f"projection: {_NAME}", name, ["top", "bottom"])
        return cls(**angles)

    def to_json(self) -> str | dict[str, Any]:
        """The same in words, as JSON types."""
        usual = Projection()
        angles = {
            one.name: angle for one in fields(self) if (angle := getattr(self, one.name)) != getattr(usual, one.name)
        }
        return {_NAME: angles} if angles else _NAME

    def check(self, height: int, width: int) -> None:
        """Refuse a picture whose sides are not those of such a panorama.

        Raises
        ------
        PictureError
            They differ by more than 1 %.
        """
        ratio = 360 / (self.top - self.bottom)
        if abs(width / height / ratio - 1) > _TOLERANCE:
            raise PictureError(
                "not_a_panorama",
                f"{width} × {height} pixels are no panorama of 360° × {self.top - self.bottom:g}°, which is "
                f"{ratio:.4g} times as wide as high; if it does not show the whole sphere, say from where to where: "
                "projection={'equirectangular': {'top': …, 'bottom': …}}",
            )

    def row_weights(self, height: int) -> np.ndarray:
        """Solid angle of a pixel of each row, float64 ``(height,)``, in parts of the whole picture's times its width.

        That is the integral of the cosine of the latitude over the row: the difference of the sines at its borders.
        """
        borders = np.sin(np.radians(np.linspace(self.top, self.bottom, height + 1)))
        weights: np.ndarray = (borders[:-1] - borders[1:]) / (borders[0] - borders[-1])
        return weights
