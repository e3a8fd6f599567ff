"""Generated street scenes with the class of every pixel, where no labelled photos can be shipped."""

from streetscenes.arguments import MINIMUM_SIDE
from streetscenes.scene import GENERATOR_VERSION, Scene, generate_scene
from streetscenes.writing import SceneFiles, scene_seed, write_scenes

__all__ = [
    "GENERATOR_VERSION",
    "MINIMUM_SIDE",
    "Scene",
    "SceneFiles",
    "generate_scene",
    "scene_seed",
    "write_scenes",
]
