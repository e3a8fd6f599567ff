"""Images and their targets, brought together and held in memory."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streetscenes import Scene
from toolkit.evaluation import EvaluationError, MaskEncoding, match_classes, read_mask
from toolkit.evaluation.correspondence import ClassMapping
from toolkit.evaluation.encoding import MaskDecoder
from toolkit.evaluation.targets import TargetFinder, find_targets
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
    """Index of the class that each pixel has among those evaluated, or `LabelledImages.uncounted`; ``(height,
    width)``."""


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
        indices: npt.NDArray[np.uint16] = self.of_prediction[labels]
        return indices


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
    if descriptor is None:
        encoding = MaskEncoding.plain(len(match.class_names), ignore_index)
    else:
        encoding = MaskEncoding.of_dataset(descriptor, ignore_index)
    decoder = MaskDecoder(encoding, match.of_target, len(match.class_names))
    names = [_name(image, number) for number, image in enumerate(given)]
    finder = find_targets(targets, names, {}, descriptor)
    return LabelledImages(
        images=tuple(
            _labelled(image, number, name, finder, decoder)
            for number, (image, name) in enumerate(zip(given, names, strict=True))
        ),
        n_classes=len(match.class_names),
        uncounted=decoder.uncounted,
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
        raise ValueError(
            "targets=None is for generated scenes, which know their labels; give the targets of the images"
        )
    return [image.labels for image in images]


def _name(image: Any, number: int) -> str:
    return normalize_uri(image) if isinstance(image, str | os.PathLike) else f"image {number}"


def _labelled(image: Any, number: int, name: str, finder: TargetFinder, decoder: MaskDecoder) -> LabelledImage:
    pixels = _pixels(image, number, name)
    target = finder.find(number, name)
    if target is None:
        raise EvaluationError(
            f"targets: {name} has no mask (looked for: {finder.place}); add it, or leave the image out"
        )
    if isinstance(target, str):
        target = read_mask(target, channel=decoder.encoding.channel, colors=decoder.encoding.colors)
    try:
        indices = decoder.decode(target)
    except EvaluationError as error:
        raise EvaluationError(f"targets: {name}: {error}") from error
    if indices.shape != pixels.shape[:2]:
        raise EvaluationError(
            f"targets: {name} has {pixels.shape[1]} × {pixels.shape[0]} pixels, but its target "
            f"{indices.shape[1]} × {indices.shape[0]}; give targets of the images' size (they are never resized)"
        )
    return LabelledImage(pixels, indices)


def _pixels(image: Any, number: int, name: str) -> npt.NDArray[np.uint8]:
    if isinstance(image, Scene):
        return image.image
    if isinstance(image, str | Path | os.PathLike):
        return read_image(name)
    try:
        return checked_pixels(image)
    except (TypeError, ValueError) as error:
        raise type(error)(f"images[{number}]: {error}") from error
