"""Label maps that travel compressed from engines which do not see the catalog to the driver, which writes them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numcodecs import Zstd

from toolkit.runs.tasks import BatchOutcome, PackedLabels, Task

_COMPRESSION = Zstd(level=1, checksum=True)


def pack(part: int, rows: Sequence[int], label_maps: Sequence[np.ndarray]) -> PackedLabels:
    """Pack label maps ``(height, width)``."""
    flat = np.concatenate([labels.ravel() for labels in label_maps])
    return PackedLabels(part, tuple(rows), flat.dtype.name, bytes(_COMPRESSION.encode(flat)))


def place(arrived: tuple[Task, BatchOutcome]) -> BatchOutcome:
    """Write what a batch brought along, and note where each label map lies.

    Raises
    ------
    OSError
        The catalog cannot be written.
    """
    task, outcome = arrived
    images = {image.row: image for image in outcome.images}
    for packed in outcome.packed:
        flat = np.frombuffer(_COMPRESSION.decode(packed.content), dtype=packed.dtype)
        sizes = [(images[row].height, images[row].width) for row in packed.rows]
        ends = np.cumsum([height * width for height, width in sizes])
        maps = [piece.reshape(size) for piece, size in zip(np.split(flat, ends[:-1]), sizes, strict=True)]
        for row, where in zip(packed.rows, task.labels.write(packed.part, maps), strict=True):
            images[row] = replace(images[row], label_place=where.packed())
    return replace(outcome, images=tuple(images.values()), packed=())
