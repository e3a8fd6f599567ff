"""Images and what is right of them, brought together and held in memory."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streetscenes import Scene
from toolkit.evaluation import EvaluationError, match_classes
from toolkit.evaluation.correspondence import ClassMapping
from toolkit.evaluation.targets import ImagesOfTargets
from toolkit.evaluation.truth import Truth
from toolkit.models import DatasetDescriptor, Model, load_dataset
from toolkit.segmentation.pixels import checked_pixels
from toolkit.sources import list_images, normalize_uri, read_image

Image = np.ndarray | str | os.PathLike[str] | Scene
"""Pixels, the path of an image, or a generated scene."""

_DATASET_OF_SCENES = "cityscapes-19"


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and what is right."""

    pixels: npt.NDArray[np.uint8]
    """RGB, uint8 ``(height, width, 3)``."""
    target: npt.NDArray[np.unsignedinteger]
    """Index of each pixel's class among those evaluated, or `LabelledImages.uncounted`; ``(height, width)``."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Some images, and how label maps are compared with their targets."""

    images: tuple[LabelledImage, ...]
    """At least one."""
    n_classes: int
    """Number of classes that are evaluated."""
    uncounted: int
    """What targets hold where nothing is counted."""
    of_prediction: npt.NDArray[np.uint16]
    """Index among the classes that are evaluated of each class of the model; ``n_classes``: none of them."""

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each image, pixels."""
        return [(image.target.shape[0], image.target.shape[1]) for image in self.images]

    @property
    def largest(self) -> LabelledImage:
        """The image of most pixels."""
        return max(self.images, key=lambda image: image.target.size)

    @property
    def one_of_each_size(self) -> list[LabelledImage]:
        """The first image of each size."""
        return list({image.target.shape: image for image in reversed(self.images)}.values())[::-1]

    def evaluated(self, labels: np.ndarray) -> npt.NDArray[np.uint16]:
        """A label map of the model in the classes that are evaluated."""
        return np.asarray(self.of_prediction[labels])


def labelled_images(
    model: Model,
    images: str | os.PathLike[str] | Iterable[Image],
    targets: Any,
    *,
    dataset: str | DatasetDescriptor | None,
    classes: ClassMapping | None,
    ignore_index: int | None,
) -> LabelledImages:
    """Read images and targets; parameters as for `study_slicing`.

    Raises
    ------
    EvaluationError
        Targets are missing, of another size than their images, or hold what stands for nothing.
    SourceError, NoImagesError
        A file cannot be read, or no image is found.
    TypeError, ValueError
        What is given is neither images nor paths, or there is nothing.
    """
    given: list[Any] = list_images(images).uris if isinstance(images, str | os.PathLike) else _listed(images)
    if targets is None:
        targets = _targets_of_scenes(given)
        dataset = _DATASET_OF_SCENES if dataset is None else dataset
    descriptor = load_dataset(dataset) if isinstance(dataset, str) else dataset
    match = match_classes(model.class_names, descriptor, classes)
    names = [normalize_uri(one) if isinstance(one, str | os.PathLike) else f"image {i}" for i, one in enumerate(given)]
    truth = Truth.of(targets, ImagesOfTargets(names), match, dataset=descriptor, ignore_index=ignore_index)
    return LabelledImages(
        images=tuple(_labelled(image, i, names[i], truth) for i, image in enumerate(given)),
        n_classes=len(match.class_names),
        uncounted=truth.decoder.uncounted,
        of_prediction=np.array(match.of_prediction, dtype=np.uint16),
    )


def _listed(images: object) -> list[Any]:
    if not isinstance(images, Iterable) or isinstance(images, bytes):
        raise TypeError(f"images must be a sequence of arrays, paths or scenes, not {type(images).__name__}")
    if isinstance(images, np.ndarray) and images.ndim != 4:
        raise ValueError(f"images must be a sequence; a single image of shape {images.shape} is given: write [image]")
    given = list(images)
    if not given:
        raise ValueError("images is empty; give at least one image")
    return given


def _targets_of_scenes(images: Sequence[Any]) -> list[np.ndarray]:
    if not all(isinstance(image, Scene) for image in images):
        raise ValueError("targets=None is for generated scenes, which know their labels; give the images' targets")
    return [image.labels for image in images]


def _labelled(image: Any, number: int, name: str, truth: Truth) -> LabelledImage:
    pixels = _pixels(image, number, name)
    target = truth.read(number, name)
    if target is None:
        raise EvaluationError(
            f"targets: {name} has no mask (looked for: {truth.finder.looked_for(name)}); add it, or leave the image out"
        )
    target.check_size(pixels.shape[:2], "the image")
    return LabelledImage(pixels, target.indices)


def _pixels(image: Any, number: int, name: str) -> npt.NDArray[np.uint8]:
    if isinstance(image, Scene):
        return image.image
    if isinstance(image, str | os.PathLike):
        return read_image(name)
    try:
        return checked_pixels(image)
    except (TypeError, ValueError) as error:
        raise type(error)(f"images[{number}]: {error}") from error
