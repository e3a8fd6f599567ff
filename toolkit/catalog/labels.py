"""Label maps of differing sizes, laid flat one after the other in a few arrays per block."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zarr
from zarr.abc.store import Store

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.layout import label_path

_CHUNK_PIXELS = 2**20


@dataclass(frozen=True)
class LabelPlace:
    """Where a label map lies."""

    part: int
    """Which array of its block."""
    offset: int
    """First pixel in that array."""


@dataclass(frozen=True)
class LabelFolder:
    """Where one owner of a block keeps label maps. Small and picklable: engines get it and write themselves."""

    store: Store
    """The catalog's store."""
    run_id: str
    """The run."""
    segment: int
    """Segment of the block."""
    block: int
    """The block."""
    generation: int
    """Generation that the owner claimed."""

    def write(self, part: int, label_maps: Sequence[np.ndarray]) -> list[LabelPlace]:
        """Write label maps ``(height, width)`` as one array (two objects), and say where each lies."""
        flat = np.concatenate([labels.ravel() for labels in label_maps])
        chunk = min(_CHUNK_PIXELS, flat.size)
        # One shard of small chunks: a single object, from which one image can still be read without the rest.
        zarr.create_array(
            self.store,
            name=label_path(self.run_id, self.segment, self.generation, self.block, part),
            data=flat,
            chunks=(chunk,),
            shards=(-(-flat.size // chunk) * chunk,),
            dimension_names=("pixel",),
        )
        offsets = np.cumsum([0, *(labels.size for labels in label_maps)])
        return [LabelPlace(part, int(offset)) for offset in offsets[:-1]]

    def read(self, place: LabelPlace, height: int, width: int) -> np.ndarray:
        """The label map ``(height, width)`` at a place.

        Raises
        ------
        CatalogError
            Nothing, or less than the image, lies there.
        """
        path = label_path(self.run_id, self.segment, self.generation, self.block, place.part)
        try:
            flat = zarr.open_array(self.store, path=path, mode="r")
        except FileNotFoundError as error:
            raise CatalogError(f"the label map at {path} is gone, though the catalog says it was written") from error
        pixels = np.asarray(flat[place.offset : place.offset + height * width])
        if pixels.size != height * width:
            raise CatalogError(f"the label map at {path} is cut off: {pixels.size} of {height * width} pixels")
        return pixels.reshape(height, width)
