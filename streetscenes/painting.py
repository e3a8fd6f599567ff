"""From a street as data to pixels and labels: strip by strip, and from far to near within each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streetscenes.camera import Camera, Pixel, in_front, normal_of
from streetscenes.draws import Draws
from streetscenes.labels import Label
from streetscenes.lighting import develop
from streetscenes.noise import Floats
from streetscenes.outlines import Coverage, centres, cover, window
from streetscenes.parts import Blob, Face, Part, Shadow
from streetscenes.shading import Shade, Studio, shade_sky
from streetscenes.street import Street

_PIXELS_PER_STRIP = 1 << 17
_TOO_SMALL_FOR_TEXTURE = 80.0  # pixels


def paint(
    street: Street, studio: Studio, sensor: Draws, *, pixels_per_strip: int = _PIXELS_PER_STRIP
) -> tuple[np.ndarray, np.ndarray]:
    """Paint a street.

    Parameters
    ----------
    street : Street
        What there is to see.
    studio : Studio
        The camera, with the size of the image; light and texture.
    sensor : Draws
        Noise of the sensor.
    pixels_per_strip : int
        How much is painted at a time: bounds the memory and changes nothing in the result.

    Returns
    -------
    image : numpy.ndarray
        uint8 ``(height, width, 3)``.
    label_ids : numpy.ndarray
        Label ids of Cityscapes, uint8 ``(height, width)``.
    """
    camera = studio.camera
    image = np.empty((camera.height, camera.width, 3), np.uint8)
    label_ids = np.empty((camera.height, camera.width), np.uint8)
    ground = list(_projected(street.ground, camera))
    shadows = list(_projected_shadows(street.shadows, camera))
    things = [outline for thing in street.things for outline in _projected(thing.parts, camera)]
    step = max(1, pixels_per_strip // camera.width)
    for start in range(0, camera.height, step):
        rows = slice(start, min(start + step, camera.height))
        strip = _Strip(rows, np.zeros((3, rows.stop - start, camera.width), np.float32), label_ids[rows])
        strip.paint_sky(studio)
        strip.paint(ground, studio)
        strip.darken(shadows, camera)
        strip.paint(things, studio)
        image[rows] = develop(strip.planes, rows, camera, studio.light, sensor)
    return image, label_ids


@dataclass(frozen=True, eq=False)
class _Outline:
    """A part in the picture plane."""

    part: Part
    polygon: list[Pixel]
    upper: float
    lower: float
    textured: bool
    hole: list[Pixel]


@dataclass(frozen=True, eq=False)
class _SoftOutline:
    """A shadow in the picture plane."""

    polygon: list[Pixel]
    upper: float
    lower: float
    strength: float
    softness: float


def _projected(parts: tuple[Part, ...], camera: Camera) -> Iterator[_Outline]:
    """Those parts that may be seen, in their order."""
    for part in parts:
        corners = _corners(part, camera)
        if len(corners) < 3:
            continue
        polygon = [camera.project(corner) for corner in corners]
        rows = [corner[1] for corner in polygon]
        columns = [corner[0] for corner in polygon]
        if max(columns) < -1 or min(columns) > camera.width + 1 or max(rows) < -1 or min(rows) > camera.height + 1:
            continue
        # Decided by the whole outline, not by what a strip shows of it: strips must not show.
        area = (max(rows) - min(rows)) * (max(columns) - min(columns))
        textured = part.material.is_textured and area > _TOO_SMALL_FOR_TEXTURE
        hole = in_front(part.hole) if isinstance(part, Face) else []
        yield _Outline(
            part, polygon, min(rows) - 1, max(rows) + 1, textured, [camera.project(corner) for corner in hole]
        )


def _corners(part: Part, camera: Camera) -> list[tuple[float, float, float]]:
    """What of a part lies ahead of the camera and faces it; for a blob, the rectangle that it may reach to."""
    if isinstance(part, Blob):
        x, y, z = part.centre
        reach = 1.0 + part.raggedness
        wide, high = part.radii[0] * reach, part.radii[1] * reach
        sides = ((x - wide, y + high, z), (x + wide, y + high, z), (x + wide, y - high, z), (x - wide, y - high, z))
        return in_front(sides)
    if part.one_sided:
        normal, corner = normal_of(part.corners), part.corners[0]
        if normal[0] * corner[0] + normal[1] * (corner[1] - camera.altitude) + normal[2] * corner[2] >= 0:
            return []
    return in_front(part.corners)


def _projected_shadows(shadows: tuple[Shadow, ...], camera: Camera) -> Iterator[_SoftOutline]:
    for shadow in shadows:
        corners = in_front(tuple((x, 0.0, z) for x, z in shadow.outline))
        if len(corners) >= 3:
            polygon = [camera.project(corner) for corner in corners]
            upper, lower = min(corner[1] for corner in polygon), max(corner[1] for corner in polygon)
            yield _SoftOutline(polygon, upper, lower, shadow.strength, shadow.softness / camera.altitude)


@dataclass(frozen=True, eq=False)
class _Strip:
    """Some rows of the image while they are painted."""

    rows: slice
    planes: Floats
    label_ids: np.ndarray

    @property
    def width(self) -> int:
        return int(self.planes.shape[2])

    def paint_sky(self, studio: Studio) -> None:
        """Cover everything with sky, whatever hides it later."""
        self.label_ids[:] = Label.SKY
        stop = min(self.rows.stop, int(studio.camera.horizon) + 1)
        if stop > self.rows.start:
            for plane, color in zip(
                self.planes, shade_sky(studio, slice(self.rows.start, stop), self.width), strict=True
            ):
                plane[: stop - self.rows.start] = color

    def paint(self, outlines: list[_Outline], studio: Studio) -> None:
        """Lay parts over what is there, one after the other."""
        for outline in outlines:
            if outline.lower < self.rows.start or outline.upper > self.rows.stop:
                continue
            part = outline.part
            coverage: Coverage | None
            if isinstance(part, Face):
                coverage = cover(outline.polygon, self.rows, self.width)
                if coverage is None:
                    continue
                shade = studio.shade_face(part, coverage, textured=outline.textured)
                if outline.hole:
                    coverage = coverage.without(cover(outline.hole, self.rows, self.width))
                self._lay(coverage, shade, part.label)
            else:
                place = window(outline.polygon, self.rows, self.width)
                if place is not None:
                    coverage = studio.cover_blob(part, place)
                    self._lay(coverage, studio.shade_blob(part, coverage), part.label)

    def darken(self, shadows: list[_SoftOutline], camera: Camera) -> None:
        """Throw the shadows on what is there; where several overlap, the deepest counts."""
        darkness = np.zeros(self.label_ids.shape, np.float32)
        # A metre on the ground is so many pixels wide as its row lies below the horizon, over the camera's altitude.
        below = np.maximum(centres(self.rows) - camera.horizon, 0.0)
        for shadow in shadows:
            rim = 1.0 + shadow.softness * float(below[-1])
            if shadow.lower + rim < self.rows.start or shadow.upper - rim > self.rows.stop:
                continue
            coverage = cover(shadow.polygon, self.rows, self.width, 1.0 + shadow.softness * below)
            if coverage is not None:
                there = darkness[self._place(coverage)]
                np.maximum(there, coverage.share * shadow.strength, out=there)
        np.multiply(self.planes, 1.0 - darkness, out=self.planes)

    def _lay(self, coverage: Coverage, shade: Shade, label: Label) -> None:
        place = self._place(coverage)
        share: Floats | float = coverage.share * shade.opacity
        if isinstance(share, np.ndarray) and share.shape == (1, 1) and share[0, 0] == 1.0:
            share = 1.0
        for plane, color in zip(self.planes, shade.planes, strict=True):
            there = plane[place]
            if isinstance(share, float):
                there[:] = color
            else:
                there += share * (color - there)
        np.copyto(self.label_ids[place], np.uint8(label), where=coverage.inside)

    def _place(self, coverage: Coverage) -> tuple[slice, slice]:
        return slice(coverage.rows.start - self.rows.start, coverage.rows.stop - self.rows.start), coverage.columns
