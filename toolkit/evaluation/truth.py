"""The truth of an image: its target found, read, and translated into the classes that are evaluated."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.correspondence import Correspondence
from toolkit.evaluation.encoding import MaskDecoder, MaskEncoding
from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.masks import read_mask
from toolkit.evaluation.targets import ImagesOfTargets, TargetFinder, find_targets
from toolkit.models import DatasetDescriptor
from toolkit.sources import ReadLimits
from toolkit.sources.reading import DEFAULT_LIMITS


@dataclass(frozen=True, eq=False)
class TrueLabels:
    """What is right of one image."""

    name: str
    """What messages call it."""
    indices: npt.NDArray[np.unsignedinteger]
    """Index of each pixel's class among those evaluated, or the decoder's ``uncounted``; ``(height, width)``."""
    n_strange: int = 0
    """Pixels that are not counted because they stand for nothing, not even for what is ignored."""
    strange: str = ""
    """One of their stored values, and where; empty if there are none."""

    def check_size(self, shape: tuple[int, ...], whose: str) -> None:
        """Refuse a mask of another size than ``(height, width)``, which is that of `whose`, such as ``"the image"``."""
        if self.indices.shape != shape:
            raise EvaluationError(
                f"{self.name}: has {_size(self.indices.shape)} pixels, but {whose} has {_size(shape)}; give the mask "
                "of the image as it is segmented (masks are never resized)"
            )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} × {shape[0]}"


@dataclass(frozen=True, eq=False)
class Truth:
    """What is right, image by image; to be asked from any thread."""

    finder: TargetFinder
    """Finds the targets."""
    decoder: MaskDecoder
    """Knows what they store."""
    limits: ReadLimits = DEFAULT_LIMITS
    """Caps on a mask."""

    @classmethod
    def of(
        cls,
        targets: Any,
        images: ImagesOfTargets,
        match: Correspondence,
        *,
        dataset: DatasetDescriptor | None,
        ignore_index: int | None,
        limits: ReadLimits = DEFAULT_LIMITS,
    ) -> "Truth":
        """The truth that a person names: parameters as for `toolkit.evaluate` and `find_targets`."""
        finder = find_targets(targets, images, dataset)
        if dataset is None:
            encoding = MaskEncoding.plain(len(match.class_names), ignore_index)
        else:
            encoding = MaskEncoding.of_dataset(dataset, ignore_index)
        return cls(finder, MaskDecoder(encoding, match.of_target, len(match.class_names)), limits)

    def read(self, position: int, uri: str) -> TrueLabels | None:
        """The true labels of an image, by its place among those evaluated and its URI; None if it has no target.

        Raises
        ------
        SourceError
            Its mask cannot be read.
        EvaluationError
            Its mask holds what stands for nothing.
        """
        target = self.finder.find(position, uri)
        if target is None:
            return None
        name = f"{target if isinstance(target, str) else 'the array given'}, mask of {uri}"
        encoding = self.decoder.encoding
        if isinstance(target, str):
            target = read_mask(
                target,
                channel=encoding.channel,
                colors=encoding.colors,
                palette=encoding.palette,
                limits=self.limits,
            )
        try:
            indices, strange = self.decoder.decode_with_strange(target)
        except EvaluationError as error:
            raise EvaluationError(f"{name}: {error}") from error
        example = f"{self.decoder.as_written(int(strange[0]))} in {name}" if strange.size else ""
        return TrueLabels(name, indices, strange.size, example)
