"""Generated street scenes with the class of every pixel, where no labelled photos can be shipped.

    from streetscenes import generate_scene, write_scenes

    scene = generate_scene(7, height=256, width=512)
    scene.image       # uint8 (256, 512, 3), RGB
    scene.labels      # uint8 (256, 512), train ids of Cityscapes: 0 to 18, and 255 where nothing is evaluated
    scene.label_ids   # uint8 (256, 512), label ids of Cityscapes: 0 to 33

    write_scenes("scenes", 100, split={"train": 80, "val": 20}, workers=2)  # PNGs in the layout of Cityscapes

A seed gives the same bytes on every machine: a street is drawn in metres (`street`, `layout`, `frontage`, `traffic` and
what stands and moves there), lit (`lighting`, `shadows`) and painted at some size (`camera`, `painting`, `shading`).
`GENERATOR_VERSION` is raised whenever a seed would give another scene.

The package needs NumPy and Pillow, and nothing else.
"""

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
