"""Label maps of differing sizes, laid flat one after the other in a few arrays per block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog.errors import DamagedError, naming_damage
from toolkit.catalog.format.layout import claim_path, label_path
from toolkit.catalog.format.owner import read_owner
from toolkit.catalog.store.objects import CHECKED_COMPRESSION, WRITE_ALL, is_empty_or_gone, remove_all

_CHUNK_PIXELS = 2**20
_FOLDED_SHARD_PIXELS = 2**26
_MOST_PIXELS = 2**40  # of an array of label maps


@dataclass(frozen=True)
class LabelPlace:
    """Where a label map lies."""

    part: int
    """Which array of its block."""
    offset: int
    """First pixel in that array."""

    def packed(self) -> int:
        """Both as one number, so that they are always written and read together."""
        return self.part * _MOST_PIXELS + self.offset

    @classmethod
    def unpacked(cls, number: int) -> "LabelPlace":
        """The place that a number stands for."""
        return cls(*divmod(number, _MOST_PIXELS))


@dataclass(frozen=True)
class LabelFolder:
    """Where one owner of a block keeps label maps. Small and picklable: engines get it and write themselves."""

    store: Store
    """The catalog's store."""
    run_id: str
    """The run."""
    table: int
    """Number of the block's table of images."""
    block: int
    """The block."""
    generation: int
    """Generation that the owner claimed."""

    @property
    def key(self) -> tuple[int, int, int]:
        """What tells it from others of its run: table, block and generation."""
        return self.table, self.block, self.generation

    def is_in_reach(self, owner: str) -> bool:
        """Whether this process sees the catalog that a driver of this name works on, and not a copy or another one."""
        if isinstance(self.store, LocalStore) and not self.store.root.is_dir():
            return False  # and it must not come to be
        path = claim_path(self.run_id, self.table, self.block, self.generation)
        try:
            found = read_owner(self.store, path)
        except Exception:  # noqa: BLE001  no keys for it, no way to it, nothing that can be read: no
            return False
        return found is not None and found.name == owner

    def write(self, part: int, label_maps: Sequence[np.ndarray]) -> list[LabelPlace]:
        """Write label maps ``(height, width)`` as one array (two objects), and say where each lies."""
        flat = np.concatenate([labels.ravel() for labels in label_maps])
        self._create(part, flat.size, flat.dtype, shard=flat.size)[:] = flat
        offsets = np.cumsum([0, *(labels.size for labels in label_maps)])
        return [LabelPlace(part, int(offset)) for offset in offsets[:-1]]

    def fold(self, part: int, label_maps: Sequence[tuple[LabelPlace, int]]) -> list[LabelPlace]:
        """Copy label maps, each with its number of pixels, into one new array of few objects, and say where each lies.

        Holds one object's pixels in memory at a time. Nothing refers to the copy yet, and the originals stay.
        """
        sizes = [n_pixels for _, n_pixels in label_maps]
        offsets = np.cumsum([0, *sizes])
        arrays = {place.part: self._open(place.part) for place, _ in label_maps}
        dtype = next(iter(arrays.values())).dtype
        folded = self._create(part, int(offsets[-1]), dtype, shard=min(_FOLDED_SHARD_PIXELS, int(offsets[-1])))
        (shard,) = folded.shards or folded.chunks
        for begin in range(0, int(offsets[-1]), shard):
            end = min(begin + shard, int(offsets[-1]))
            pixels = np.empty(end - begin, dtype=dtype)
            first = int(np.searchsorted(offsets, begin, side="right")) - 1
            for index in range(first, len(sizes)):
                start, stop = max(int(offsets[index]), begin), min(int(offsets[index + 1]), end)
                if start >= stop:
                    break
                place = label_maps[index][0]
                shift = place.offset - int(offsets[index])
                with naming_damage(self._path(place.part)):
                    piece = np.asarray(arrays[place.part][start + shift : stop + shift])
                self._check_not_lost(arrays[place.part], LabelPlace(place.part, start + shift), piece)
                pixels[start - begin : stop - begin] = piece
            folded[begin:end] = pixels
        return [LabelPlace(part, int(offset)) for offset in offsets[:-1]]

    def remove(self, parts: Sequence[int]) -> None:
        """Remove arrays that nothing refers to any more."""
        for part in parts:
            remove_all(self.store, self._path(part))

    def read(self, place: LabelPlace, height: int, width: int) -> np.ndarray:
        """The label map ``(height, width)`` at a place.

        Raises
        ------
        DamagedError
            Nothing, or less than the image, lies there, or what cannot be read.
        """
        flat = self._open(place.part)
        end = place.offset + height * width
        with naming_damage(self._path(place.part)):
            pixels = np.asarray(flat[place.offset : end])
        if pixels.size != height * width:
            path = self._path(place.part)
            raise DamagedError(f"the label map at {path} is cut off: {pixels.size} of {height * width} pixels")
        self._check_not_lost(flat, place, pixels)
        return pixels.reshape(height, width)

    def objects_of(self, place: LabelPlace, n_pixels: int) -> list[str]:
        """Names, within its array, of the objects that hold a label map.

        Raises
        ------
        DamagedError
            The array cannot be opened.
        """
        return [f"c/{number}" for number in _shards(self._open(place.part), place, n_pixels)]

    def _check_not_lost(self, flat: "zarr.Array[Any]", place: LabelPlace, pixels: np.ndarray) -> None:
        """Zarr reads zeros where an object is empty or gone; so where there is nothing else, look at the object."""
        (shard,) = flat.shards or flat.chunks
        for number in _shards(flat, place, pixels.size):
            begin, end = number * shard - place.offset, (number + 1) * shard - place.offset
            path = f"{self._path(place.part)}/c/{number}"
            if not pixels[max(begin, 0) : end].any() and is_empty_or_gone(self.store, path):
                raise DamagedError(f"the label map at {path} is gone, though the catalog says it was written")

    def _create(self, part: int, n_pixels: int, dtype: np.dtype[Any], shard: int) -> "zarr.Array[Any]":
        """An array of shards of at least so many pixels: single objects, from which one image can still be read."""
        chunk = min(_CHUNK_PIXELS, n_pixels)
        return zarr.create_array(
            self.store,
            name=self._path(part),
            zarr_format=3,
            shape=(n_pixels,),
            dtype=dtype,
            chunks=(chunk,),
            shards=(-(-shard // chunk) * chunk,),
            compressors=CHECKED_COMPRESSION,
            dimension_names=("pixel",),
            config=WRITE_ALL,
        )

    def _open(self, part: int) -> "zarr.Array[Any]":
        with naming_damage(self._path(part)):
            try:
                return zarr.open_array(self.store, path=self._path(part), mode="r").with_config(WRITE_ALL)
            except FileNotFoundError as error:
                raise DamagedError(
                    f"the label map at {self._path(part)} is gone, though the catalog says it was written"
                ) from error

    @property
    def path(self) -> str:
        """Where in the store its arrays lie."""
        return self._path("").rstrip("/")

    def _path(self, part: int | str) -> str:
        return label_path(self.run_id, self.table, self.generation, self.block, part)


def _shards(flat: "zarr.Array[Any]", place: LabelPlace, n_pixels: int) -> range:
    """Numbers of the objects of an array that a label map lies in."""
    (shard,) = flat.shards or flat.chunks
    return range(place.offset // shard, (place.offset + n_pixels - 1) // shard + 1)
