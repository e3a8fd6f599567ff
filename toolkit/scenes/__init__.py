"""Generated street scenes with the class of every pixel, where no labelled photos can be shipped."""

from toolkit.scenes.arguments import MINIMUM_SIDE
from toolkit.scenes.scene import GENERATOR_VERSION, Scene, generate_scene
from toolkit.scenes.writing import SceneFiles, scene_seed, write_scenes

__all__ = [
    "GENERATOR_VERSION",
    "MINIMUM_SIDE",
    "Scene",
    "SceneFiles",
    "generate_scene",
    "scene_seed",
    "write_scenes",
]
