"""Generated street scenes, which are a package of their own, under the toolkit's name."""

from streetscenes import generate_scene, write_scenes

__all__ = ["generate_scene", "write_scenes"]
