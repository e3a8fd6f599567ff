"""From a seed to a scene: draw a street and its light, and paint them at some size."""

from dataclasses import dataclass

import numpy as np

from streetscenes.arguments import check_seed, check_side
from streetscenes.camera import Camera
from streetscenes.draws import Draws
from streetscenes.labels import to_train_ids
from streetscenes.lighting import draw_light
from streetscenes.noise import Noise
from streetscenes.painting import paint
from streetscenes.shading import Studio
from streetscenes.street import draw_street, draw_view

GENERATOR_VERSION = 1
"""Raised whenever the same seed would give another scene."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A generated street scene with the class of every pixel."""

    image: np.ndarray
    """RGB, uint8 ``(height, width, 3)``."""
    labels: np.ndarray
    """Train ids of Cityscapes, 0 to 18, and 255 for what is not evaluated; uint8 ``(height, width)``."""
    label_ids: np.ndarray
    """Label ids of Cityscapes, 0 to 33; uint8 ``(height, width)``."""


def generate_scene(seed: int | np.random.SeedSequence, height: int = 512, width: int = 1024) -> Scene:
    """Generate a street scene and its labels.

    The street is drawn in metres before its size in pixels matters: the same seed shows the same scene at any size, and
    images of another shape show more or less of it. The same seed and size give the same bytes on every machine.

    Parameters
    ----------
    seed : int or numpy.random.SeedSequence
        Which scene; an int from 0.
    height, width : int
        Size of the image, pixels; at least 16 each.

    Returns
    -------
    Scene
        The image and its labels.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the seed is negative or a side is below 16 pixels.

    Examples
    --------
    >>> generate_scene(7, 128, 256).labels.shape
    (128, 256)
    """
    height, width = check_side("height", height), check_side("width", width)
    draws = Draws(check_seed(seed))
    light = draw_light(draws.part(0))
    view = draw_view(draws.part(1))
    street = draw_street(view, light, draws.part(2))
    studio = Studio(Camera.of(view, height, width), light, Noise.drawn(draws.part(3)))
    image, label_ids = paint(street, studio, draws.part(4))
    return Scene(image, to_train_ids(label_ids), label_ids)
