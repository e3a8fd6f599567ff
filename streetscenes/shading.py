"""What a surface looks like at each pixel: material, texture in metres, light and haze."""

from dataclasses import dataclass

import numpy as np

from streetscenes.camera import FARTHEST, NEAREST, Camera, Point, normal_of
from streetscenes.lighting import Light
from streetscenes.noise import Floats, Noise, limited, nearest, smooth
from streetscenes.outlines import Coverage, centres
from streetscenes.parts import Blob, Color, Face, Grid, Material

_FOCAL_LENGTH_OF_DETAIL = 900.0  # pixels


@dataclass(frozen=True, eq=False)
class Surface:
    """Where the pixels of a rectangle meet a plane; all arrays broadcast to ``(rows, columns)``."""

    depth: Floats
    """Metres ahead."""
    across: Floats
    """First texture coordinate, metres in the world."""
    up: Floats
    """Second texture coordinate, metres in the world."""
    across_step: Floats
    """Metres of the first coordinate that a pixel spans."""
    up_step: Floats
    """Metres of the second coordinate that a pixel spans."""


@dataclass(frozen=True, eq=False)
class Shade:
    """How a covered rectangle of pixels is painted."""

    planes: tuple[Floats, Floats, Floats]
    """Red, green and blue, 0 to 1; each broadcasts to ``(rows, columns)``."""
    opacity: Floats | float
    """How little of what lies behind is seen through it, 0 to 1."""


@dataclass(frozen=True, eq=False)
class Studio:
    """What all shading needs: the camera, the light and the texture."""

    camera: Camera
    """Where from."""
    light: Light
    """By what light."""
    noise: Noise
    """With what texture."""

    def shade_face(self, face: Face, coverage: Coverage, *, textured: bool) -> Shade:
        """A flat face, its texture following the perspective; a small one may do without texture."""
        normal = normal_of(face.corners)
        point = face.corners[0]
        eye = (point[0], point[1] - self.camera.altitude, point[2])
        distance = normal[0] * eye[0] + normal[1] * eye[1] + normal[2] * eye[2]
        if distance > 0:  # seen from behind
            normal = (-normal[0], -normal[1], -normal[2])
        light = self.light.on(normal)
        if not textured:
            return self._plain(face.material, light, max(point[2], NEAREST))
        return self._shade(face.material, light, self._meet(normal, -abs(distance), coverage))

    def shade_blob(self, blob: Blob, coverage: Coverage) -> Shade:
        """Leaves: brighter above and on the side of the sun, for the blob stands for something round."""
        surface = self._meet((0.0, 0.0, -1.0), -blob.centre[2], coverage)
        shade = self._shade(blob.material, self.light.on((0.0, 0.6, -0.8)), surface)
        roundness = 0.15 * self.light.sun[0] / blob.radii[0] * (surface.across - blob.centre[0])
        roundness = 1.0 + roundness + 0.25 / blob.radii[1] * (surface.up - blob.centre[1])
        red, green, blue = (plane * roundness for plane in shade.planes)
        return Shade((red, green, blue), shade.opacity)

    def cover_blob(self, blob: Blob, place: tuple[slice, slice]) -> Coverage:
        """How a blob covers a rectangle of pixels: an ellipse, its rim eaten into by noise."""
        depth = blob.centre[2]
        across, upward = self.camera.rays(centres(place[0]), centres(place[1]))
        x, y = across * depth, self.camera.altitude + upward * depth
        wide, high = (x - blob.centre[0]) / blob.radii[0], (y - blob.centre[1]) / blob.radii[1]
        size = min(blob.radii) / 20
        eaten = smooth(self.noise.mottle, x / size, y / size) + 0.4 * self._texture(
            self.noise.grain, x / 0.05, y / 0.05
        )
        margin = 1.0 - (wide * wide + high * high) + (2.0 * blob.raggedness) * eaten
        # The margin falls by 2 per radius at the rim: so many pixels does it take to fall by 1.
        pixels = max(min(blob.radii) * self.camera.focal / depth / 2, 0.5)
        share = limited(margin * pixels + 0.5)
        return Coverage(place[0], place[1], share, margin >= 0.0)

    def _meet(self, normal: Point, distance: float, coverage: Coverage) -> Surface:
        """Where rays meet the plane of all points whose product with the normal is the distance (negative)."""
        camera = self.camera
        across, upward = camera.rays(centres(coverage.rows), centres(coverage.columns))
        facing: Floats = np.full((1, 1), normal[2], np.float32)
        # Planes along an axis, as most are, keep their depth in a single row or column.
        if normal[0] != 0.0:
            facing = facing + normal[0] * across
        if normal[1] != 0.0:
            facing = facing + normal[1] * upward
        depth = np.clip(distance / np.minimum(facing, -1e-6), NEAREST / 2, FARTHEST)
        straight = depth / camera.focal
        steep = straight * depth / max(-distance, 1e-3)
        slant = [abs(component) for component in normal]
        if slant[0] > slant[1] and slant[0] > slant[2]:
            return Surface(depth, depth, camera.altitude + upward * depth, steep, straight)
        if slant[1] > slant[2]:
            return Surface(depth, across * depth, depth, straight, steep)
        return Surface(depth, across * depth, camera.altitude + upward * depth, straight, straight)

    def _texture(self, table: Floats, across: Floats, along: Floats) -> Floats:
        """Noise at places in texels; in small images no texel is large enough to need interpolation."""
        look_up = smooth if self.camera.focal > _FOCAL_LENGTH_OF_DETAIL else nearest
        return look_up(table, across, along)

    def _plain(self, material: Material, light: Color, depth: float) -> Shade:
        """One colour all over."""
        share = depth / (depth + self.light.visibility)
        planes = []
        for channel in range(3):
            color = material.color[channel] * (material.glow + (1.0 - material.glow) * light[channel])
            planes.append(np.full((1, 1), color + share * (self.light.haze[channel] - color), np.float32))
        return Shade((planes[0], planes[1], planes[2]), 1.0)

    def _shade(self, material: Material, light: Color, surface: Surface) -> Shade:
        brightness: Floats | float = 1.0
        if material.mottle:
            size = material.mottle_size / 8
            patches = self._texture(self.noise.mottle, surface.across / size, surface.up / size)
            brightness = 1.0 + (2.0 * material.mottle) * patches
        if material.grain:
            size = material.grain_size
            # Specks smaller than a pixel average out.
            strength = (2.0 * material.grain) * np.minimum(4.0 * size / surface.up_step, 1.0)
            brightness = brightness + strength * self._texture(
                self.noise.grain, surface.across / size, surface.up / size
            )
        if material.rise:
            brightness = brightness * (1.0 + material.rise * surface.up)
        planes: list[Floats | float] = list(material.color)
        opacity: Floats | float = 1.0
        for grid in material.grids:
            inside, variety = _lattice(grid, surface)
            if grid.color is None:
                opacity = opacity * (1.0 - inside)
                continue
            if grid.variety:
                inside_brightness = 1.0 + grid.variety * variety
            for channel in range(3):
                target = grid.color[channel] * inside_brightness if grid.variety else grid.color[channel]
                planes[channel] = planes[channel] + inside * (target - planes[channel])
        haze = self.light.haze_at(surface.depth)
        shaded = []
        for channel in range(3):
            lit = material.glow + (1.0 - material.glow) * light[channel]
            color = planes[channel] * (brightness * lit)
            shaded.append(np.asarray(color + haze * (self.light.haze[channel] - color), np.float32))
        return Shade((shaded[0], shaded[1], shaded[2]), opacity)


def _lattice(grid: Grid, surface: Surface) -> tuple[Floats, Floats]:
    """How far each pixel lies in a rectangle of the grid, 0 to 1, and that rectangle's own number, −1 to 1."""
    rows = (surface.up - grid.origin[1]) / grid.pitch[1]
    row = np.floor(rows)
    cells = (surface.across - grid.origin[0]) / grid.pitch[0]
    if grid.shift:
        cells = cells + grid.shift * (row - 2.0 * np.floor(row / 2.0))
    cell = np.floor(cells)
    left, right, lower, upper = grid.filled
    inside = _between(cells - cell, left, right, surface.across_step / grid.pitch[0]) * _between(
        rows - row, lower, upper, surface.up_step / grid.pitch[1]
    )
    if not grid.variety:
        return inside, inside
    # A number for each rectangle: multiples of two irrational-looking steps, wrapped.
    mixed = cell * 0.7548777 + row * 0.5698403
    mixed = (mixed - np.floor(mixed)) * 37.0
    return inside, (mixed - np.floor(mixed)) * 2.0 - 1.0


def _between(place: Floats, low: float, high: float, step: Floats) -> Floats:
    """Share of a pixel that lies between two ends; ``step`` is the pixel's own extent."""
    sharpness = 1.0 / np.maximum(step, 1e-3)
    rising = limited((place - low) * sharpness + 0.5)
    falling = limited((high - place) * sharpness + 0.5)
    both: Floats = np.maximum(rising + falling - 1.0, 0.0)
    return both


def shade_sky(studio: Studio, coverage_rows: slice, width: int) -> tuple[Floats, Floats, Floats]:
    """The sky in a strip of the image: paler toward the horizon, with clouds in perspective."""
    camera, light = studio.camera, studio.light
    across, upward = camera.rays(centres(coverage_rows), centres(slice(0, width)))
    height = limited(upward * 1.4)
    paleness = (1.0 - height) * (1.0 - height)
    ceiling = 1.0 / np.maximum(upward, 0.03)
    spread = smooth(studio.noise.mottle, across * ceiling * 6.0, ceiling * 9.0)
    detail = smooth(studio.noise.mottle, across * ceiling * 23.0 + 71.0, ceiling * 31.0)
    cover = limited((spread + 0.35 * detail) * 2.2 + (light.clouds * 2.0 - 1.0))
    cover = cover * np.minimum(np.maximum(upward, 0.0) * 9.0, 1.0)
    relief = 1.0 - 0.10 * np.clip(spread * 2.0, -0.5, 1.0)
    planes = []
    for channel in range(3):
        clear = light.zenith[channel] + paleness * (light.haze[channel] - light.zenith[channel])
        planes.append(clear + cover * (light.cloud_color[channel] * relief - clear))
    return (planes[0], planes[1], planes[2])
