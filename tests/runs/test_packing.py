"""Label maps that travel from an engine to the driver arrive as they were."""

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from toolkit.catalog import LabelFolder, LabelPlace
from toolkit.runs.packing import pack, place
from toolkit.runs.tasks import BatchOutcome, ImageOutcome

Sizes = list[tuple[int, int]]


def label_maps(sizes: Sizes, dtype: type) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, np.iinfo(dtype).max, size, dtype=dtype) for size in sizes]


def outcome_of(maps: dict[int, np.ndarray], parts: list[list[int]], failed: tuple[int, ...] = ()) -> BatchOutcome:
    """What an engine would send of images by row, packed in these groups."""
    images = [ImageOutcome(row, 0, 0.1, height=found.shape[0], width=found.shape[1]) for row, found in maps.items()]
    images += [ImageOutcome(row, 0, 0.1, error="missing", message="it is gone") for row in failed]
    packed = tuple(pack(number, rows, [maps[row] for row in rows]) for number, rows in enumerate(parts))
    return pickle.loads(pickle.dumps(BatchOutcome("far:1", 0.5, tuple(images), packed=packed)))


def place_in(folder: LabelFolder, outcome: BatchOutcome) -> BatchOutcome:
    task: Any = SimpleNamespace(labels=folder)
    return place((task, outcome))


@pytest.fixture
def folder() -> LabelFolder:
    return LabelFolder(MemoryStore(), "run", table=0, block=0, generation=0)


def read(folder: LabelFolder, image: ImageOutcome) -> np.ndarray:
    return folder.read(LabelPlace.unpacked(image.label_place), image.height, image.width)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=6),
    st.sampled_from([np.uint8, np.uint16]),
)
def test_they_lie_in_the_catalog_as_they_were_made(sizes: Sizes, dtype: type) -> None:
    folder = LabelFolder(MemoryStore(), "run", table=0, block=0, generation=0)
    maps = dict(enumerate(label_maps(sizes, dtype), start=7))
    placed = place_in(folder, outcome_of(maps, [list(maps)]))
    assert placed.packed == ()
    for image in placed.images:
        np.testing.assert_array_equal(read(folder, image), maps[image.row])


def test_several_parts_are_several_arrays(folder: LabelFolder) -> None:
    maps = dict(enumerate(label_maps([(3, 4), (5, 2), (1, 1)], np.uint8)))
    placed = place_in(folder, outcome_of(maps, [[0], [1, 2]]))
    assert [LabelPlace.unpacked(image.label_place).part for image in placed.images] == [0, 1, 1]
    for image in placed.images:
        np.testing.assert_array_equal(read(folder, image), maps[image.row])


def test_images_that_failed_have_none_and_all_stay_in_order(folder: LabelFolder) -> None:
    maps = dict(enumerate(label_maps([(3, 4), (5, 2)], np.uint8)))
    placed = place_in(folder, outcome_of(maps, [[1, 0]], failed=(2,)))
    assert [image.row for image in placed.images] == [0, 1, 2]
    assert placed.images[2].label_place == -1
    for image in placed.images[:2]:
        np.testing.assert_array_equal(read(folder, image), maps[image.row])


def test_what_was_damaged_on_its_way_is_refused(folder: LabelFolder) -> None:
    outcome = outcome_of({0: label_maps([(30, 40)], np.uint8)[0]}, [[0]])
    content = bytearray(outcome.packed[0].content)
    content[len(content) // 2] ^= 0xFF
    object.__setattr__(outcome.packed[0], "content", bytes(content))
    with pytest.raises(RuntimeError, match="Zstd"):
        place_in(folder, outcome)
