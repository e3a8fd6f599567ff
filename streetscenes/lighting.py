"""Light: where the sun stands, how bright and tinted it is, how far one sees, and what the lens and sensor add."""

import math
from dataclasses import dataclass

import numpy as np

from streetscenes.camera import Camera, Point
from streetscenes.draws import Draws
from streetscenes.noise import Floats
from streetscenes.outlines import centres
from streetscenes.parts import Color

_SPREAD_OF_TWO_OCTETS = 104.5  # standard deviation of the sum


@dataclass(frozen=True)
class Light:
    """The light of a scene."""

    sun: Point
    """Unit vector toward the sun."""
    sunshine: Color
    """What the sun adds to a surface that faces it, as a factor for red, green and blue."""
    skylight: Color
    """What every surface gets from the sky, as such a factor."""
    zenith: Color
    """Colour of the sky overhead."""
    haze: Color
    """Colour of the sky at the horizon, and of what is far."""
    visibility: float
    """Metres after which half of a surface's colour is that of the haze."""
    clouds: float
    """Share of the sky that is cloudy, 0 to 1."""
    cloud_color: Color
    """Colour of the clouds."""
    shadow: float
    """Strength of the shadows that the sun throws, 0 to 1."""
    vignette: float
    """Share of the brightness that is lost in the corners."""
    sensor_noise: float
    """Spread of the sensor's noise, 0 to 1 being the range of a pixel."""

    def on(self, normal: Point) -> Color:
        """Factors for red, green and blue of a surface that faces along a unit vector."""
        facing = normal[0] * self.sun[0] + normal[1] * self.sun[1] + normal[2] * self.sun[2]
        facing = max(facing, 0.0)
        # The sky is brighter overhead than at the sides.
        open_sky = 0.8 + 0.2 * normal[1]
        red, green, blue = (
            sky * open_sky + sun * facing for sky, sun in zip(self.skylight, self.sunshine, strict=True)
        )
        return (red, green, blue)

    def haze_at(self, depth: Floats) -> Floats:
        """Share of the haze in what is seen at a depth in metres."""
        return depth / (depth + self.visibility)


def draw_light(draws: Draws) -> Light:
    """A clear day, an overcast one, or dusk."""
    weather = draws.choice(("clear", "clear", "clear", "overcast", "overcast", "dusk"))
    sun = _direction(draws, low=weather == "dusk")
    warmth = draws.uniform(-0.05, 0.08)
    strength = draws.uniform(0.85, 1.1)
    vignette = draws.uniform(0.0, 0.25)
    if weather == "overcast":
        grey = draws.uniform(0.62, 0.9)
        return Light(
            sun=sun,
            sunshine=_tinted(0.12 * strength, warmth),
            skylight=_tinted(0.8 * strength, warmth - 0.03),
            zenith=_tinted(grey * 0.92, -0.03),
            haze=_tinted(grey, 0.0),
            visibility=draws.uniform(160, 500),
            clouds=draws.uniform(0.6, 1.0),
            cloud_color=_tinted(grey * draws.uniform(0.8, 1.05), 0.0),
            shadow=0.0,
            vignette=vignette,
            sensor_noise=draws.uniform(0.008, 0.022),
        )
    if weather == "dusk":
        glow = draws.uniform(0.55, 0.8)
        return Light(
            sun=sun,
            sunshine=_tinted(0.50 * strength, 0.14),
            skylight=_tinted(0.54 * strength, -0.08),
            zenith=(0.30 * glow, 0.36 * glow, 0.56 * glow),
            haze=(1.0 * glow, 0.80 * glow, 0.66 * glow),
            visibility=draws.uniform(200, 600),
            clouds=draws.uniform(0.0, 0.8),
            cloud_color=(0.85 * glow, 0.66 * glow, 0.62 * glow),
            shadow=draws.uniform(0.25, 0.4),
            vignette=vignette,
            sensor_noise=draws.uniform(0.015, 0.03),
        )
    return Light(
        sun=sun,
        sunshine=_tinted(0.62 * strength, 0.05 + warmth),
        skylight=_tinted(0.58 * strength, -0.05 + warmth),
        zenith=(draws.uniform(0.22, 0.45), draws.uniform(0.45, 0.6), draws.uniform(0.75, 0.9)),
        haze=_tinted(draws.uniform(0.78, 0.95), -0.04),
        visibility=draws.uniform(300, 1500),
        clouds=draws.uniform(0.0, 0.7),
        cloud_color=_tinted(draws.uniform(0.88, 1.0), 0.0),
        shadow=draws.uniform(0.35, 0.52),
        vignette=vignette,
        sensor_noise=draws.uniform(0.004, 0.014),
    )


def develop(image: Floats, rows: slice, camera: Camera, light: Light, draws: Draws) -> np.ndarray:
    """What the camera makes of a strip of the image: lens, sensor, eight bits.

    Parameters
    ----------
    image : numpy.ndarray
        Brightness, 0 to 1, float32 ``(3, rows, width)``; it is overwritten.
    rows : slice
        The rows of the image that the strip holds.
    camera : Camera
        The size of the image.
    light : Light
        Vignette and noise.
    draws : Draws
        The sensor's noise; a row's noise depends on its number and the width only.

    Returns
    -------
    numpy.ndarray
        uint8 ``(rows, width, 3)``.
    """
    _, count, width = image.shape
    down = ((centres(rows) / camera.height - 0.5) * 2).astype(np.float32)[:, None]
    across = ((centres(slice(0, width)) / width - 0.5) * 2).astype(np.float32)
    image *= 1.0 - light.vignette / 2 * (down * down + across * across)
    # Two octets for each value: their sum is spread like a triangle. Rows are padded to whole raw numbers.
    padded = -(-width // 4) * 4
    octets = draws.octets(6 * padded * count, 6 * padded * rows.start).reshape(count, 3, 2, padded)[..., :width]
    noise = (octets[:, :, 0].astype(np.float32) + octets[:, :, 1] - 255.0) * (
        light.sensor_noise / _SPREAD_OF_TWO_OCTETS
    )
    image += noise.transpose(1, 0, 2)
    image *= 255.0
    image += 0.5
    return np.clip(image, 0.0, 255.0, out=image).astype(np.uint8).transpose(1, 2, 0)


def _tinted(brightness: float, warmth: float) -> Color:
    """A grey that is a little red, or blue if the warmth is negative."""
    return (brightness * (1 + warmth), brightness, brightness * (1 - warmth))


def _direction(draws: Draws, low: bool) -> Point:
    """Toward the sun: anywhere around, 15 to 30 degrees above the horizon or 30 to 65."""
    turn = draws.uniform(-1.0, 1.0)
    ahead = 1.0 if draws.chance(0.5) else -1.0
    rise = draws.uniform(0.27, 0.58) if low else draws.uniform(0.58, 2.1)
    x, z = 2 * turn / (1 + turn * turn), ahead * (1 - turn * turn) / (1 + turn * turn)
    length = math.sqrt(1 + rise * rise)
    return (x / length, rise / length, z / length)
