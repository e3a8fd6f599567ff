"""What a generated scene promises: the same bytes for a seed, valid labels, a street that is neither noise nor easy."""

import hashlib

import numpy as np
import pytest

from streetscenes import MINIMUM_SIDE, Scene, generate_scene
from streetscenes.labels import EVALUATED, Label, to_colors
from toolkit.models import load_dataset

CLASS_NAMES = load_dataset("cityscapes-19").class_names
ROAD, SKY = CLASS_NAMES.index("road"), CLASS_NAMES.index("sky")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Scenes 0 to 23, small."""
    return [generate_scene(seed, 128, 256) for seed in range(24)]


def fractions(scene: Scene) -> np.ndarray:
    """The share of each train id in the image; the last is what is not evaluated."""
    counts = np.bincount(np.minimum(scene.labels, len(CLASS_NAMES)).ravel(), minlength=len(CLASS_NAMES) + 1)
    return counts / scene.labels.size


# If one of these changes, the generator makes other scenes than before: raise GENERATOR_VERSION.
@pytest.mark.parametrize(
    ("seed", "height", "width", "image", "label_ids"),
    [
        (0, 128, 256, "6c7f2a36f319dcfe", "1a058f427b6e47af"),
        (1, 97, 151, "3fd9f0cd07663006", "c748cf0aaffe2bdc"),
        (2, 160, 90, "73b6d54e1d718d26", "efcfaaa40e918d71"),
    ],
)
def test_a_seed_and_a_size_give_these_bytes(seed: int, height: int, width: int, image: str, label_ids: str) -> None:
    scene = generate_scene(seed, height, width)
    digests = [hashlib.sha256(pixels.tobytes()).hexdigest()[:16] for pixels in (scene.image, scene.label_ids)]
    assert digests == [image, label_ids]


def test_seeds_show_different_scenes() -> None:
    assert (generate_scene(0, 32, 64).labels != generate_scene(1, 32, 64).labels).mean() > 0.1


def test_a_seed_sequence_serves_as_a_seed() -> None:
    sequence = np.random.SeedSequence(3)
    first, second = generate_scene(3, 32, 64), generate_scene(sequence, 32, 64)
    np.testing.assert_array_equal(first.image, second.image)


@pytest.mark.parametrize("size", [(MINIMUM_SIDE, MINIMUM_SIDE), (17, 201), (300, 41), (16, 900)])
def test_any_size_and_shape_can_be_had(size: tuple[int, int]) -> None:
    scene = generate_scene(4, *size)
    assert (scene.image.shape, scene.image.dtype) == ((*size, 3), np.uint8)
    assert (scene.labels.shape, scene.labels.dtype) == (size, np.uint8)
    assert len(np.unique(scene.labels)) > 2


@pytest.mark.parametrize("seed", range(2))
def test_a_seed_shows_the_same_scene_at_another_size(seed: int) -> None:
    small, large = generate_scene(seed, 128, 256), generate_scene(seed, 384, 768)
    np.testing.assert_allclose(fractions(small), fractions(large), atol=0.01)
    # Where a pixel of the small image lies, the large one mostly has the same class.
    assert (large.labels[1::3, 1::3] == small.labels).mean() > 0.97


def test_labels_are_train_ids_of_cityscapes_and_agree_with_the_label_ids(scenes: list[Scene]) -> None:
    mapping = load_dataset("cityscapes-35").mapping["cityscapes-19"]
    for scene in scenes:
        np.testing.assert_array_equal(scene.labels, np.array(mapping, np.uint8)[scene.label_ids])


def test_label_names_are_those_of_the_descriptors() -> None:
    names = load_dataset("cityscapes-35").class_names
    assert [names[label] for label in Label] == [label.name.lower().replace("_", " ") for label in Label]
    assert tuple(names[label] for label in EVALUATED) == CLASS_NAMES


def test_colours_are_those_of_the_descriptors() -> None:
    palette = load_dataset("cityscapes-35").palette
    assert [tuple(color) for color in to_colors(np.array(Label)).tolist()] == [palette[label] for label in Label]


def test_every_class_occurs_and_most_occur_often(scenes: list[Scene]) -> None:
    occurs = np.array([fractions(scene)[: len(CLASS_NAMES)] > 0.0002 for scene in scenes])
    assert occurs.any(axis=0).all(), [
        name for name, seen in zip(CLASS_NAMES, occurs.any(axis=0), strict=True) if not seen
    ]
    assert (occurs.mean(axis=0) > 0.5).sum() >= 12


def test_what_is_not_evaluated_is_little(scenes: list[Scene]) -> None:
    assert np.mean([fractions(scene)[-1] for scene in scenes]) < 0.05


def test_the_sky_is_above_and_the_road_below(scenes: list[Scene]) -> None:
    for scene in scenes:
        rows = np.arange(128)[:, None] * np.ones(256)
        assert rows[scene.labels == SKY].mean() < 60 < 70 < rows[scene.labels == ROAD].mean()


def test_colour_alone_does_not_tell_the_classes_apart(scenes: list[Scene]) -> None:
    pixels = np.concatenate([scene.image.reshape(-1, 3) for scene in scenes[:8]]).astype(float)
    labels = np.concatenate([scene.labels.ravel() for scene in scenes[:8]])
    present = np.unique(labels[labels < len(CLASS_NAMES)])
    means = np.stack([pixels[labels == label].mean(axis=0) for label in present])
    nearest = present[((pixels[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]
    recalls = [(nearest[labels == label] == label).mean() for label in present]
    assert np.mean(recalls) < 0.35


def test_classes_do_not_look_alike_everywhere(scenes: list[Scene]) -> None:
    """Texture and shade: no class is one flat colour."""
    for label, name in enumerate(CLASS_NAMES):
        pixels = np.concatenate([scene.image[scene.labels == label] for scene in scenes]).astype(float)
        assert pixels.std(axis=0).min() > 8, name


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed is -1, but it must be at least 0"),
        ({"seed": 1.5}, TypeError, "seed is 1.5, but it must be an int"),
        ({"seed": True}, TypeError, "seed is True"),
        ({"seed": 0, "height": 15}, ValueError, "height is 15, but it must be at least 16"),
        ({"seed": 0, "width": "wide"}, TypeError, "width is 'wide', but it must be an int"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        generate_scene(**arguments)
