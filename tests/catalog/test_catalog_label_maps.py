"""Label maps of any size come back as they were written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from claiming import claim_next
from zarr.abc.store import Store

from toolkit.catalog import Catalog, CatalogError, LabelFolder, OwnedBlock, Owner, RunSettings
from toolkit.catalog.format.labels import LabelPlace

Note = Callable[..., None]

SIZES = [(1, 1), (3, 5), (480, 640), (1, 1000), (700, 1), (1100, 1000), (2, 2)]


@pytest.fixture
def folder(store: Store) -> LabelFolder:
    return LabelFolder(store, "run", table=0, block=2, generation=1)


@pytest.fixture
def owned(catalog: Catalog, run_id: str) -> OwnedBlock:
    return claim_next(catalog, run_id, catalog.image_tables()[0], 0, Owner())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_maps_of_differing_sizes(folder: LabelFolder, dtype: type[np.unsignedinteger]) -> None:
    random = np.random.default_rng(5)
    maps = [random.integers(0, np.iinfo(dtype).max, size, dtype=dtype, endpoint=True) for size in SIZES]
    places = folder.write(3, maps)
    for labels, place in zip(maps, places, strict=True):
        found = folder.read(place, *labels.shape)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, labels)


def test_one_pixel(folder: LabelFolder) -> None:
    (place,) = folder.write(0, [np.array([[7]], dtype=np.uint8)])
    assert folder.read(place, 1, 1).tolist() == [[7]]


def test_maps_of_nothing_but_class_0(folder: LabelFolder) -> None:
    maps = [np.zeros((4, 6), dtype=np.uint8), np.zeros((1, 1), dtype=np.uint8)]
    for labels, place in zip(maps, folder.write(0, maps), strict=True):
        found = folder.read(place, *labels.shape)
        np.testing.assert_array_equal(found, labels)
        assert found.dtype == np.uint8


def test_a_part_is_at_most_two_objects(tmp_path: Path, settings: RunSettings) -> None:
    catalog = Catalog.create(tmp_path / "demo.zarr", ["/a.jpg"])
    folder = claim_next(catalog, catalog.start_run(settings), catalog.image_tables()[0], 0, Owner()).labels
    folder.write(0, [np.ones(size, dtype=np.uint8) for size in SIZES])
    (part,) = (tmp_path / "demo.zarr" / "runs").glob("*/00000/0/labels/0/0")
    assert len([path for path in part.rglob("*") if path.is_file()]) == 2


def test_what_is_gone_is_named(folder: LabelFolder) -> None:
    with pytest.raises(CatalogError, match=r"the label map at runs/run/00000/1/labels/2/9 is gone"):
        folder.read(LabelPlace(9, 0), 2, 2)


def test_what_is_cut_off_is_named(folder: LabelFolder) -> None:
    folder.write(0, [np.ones((2, 2), dtype=np.uint8)])
    with pytest.raises(CatalogError, match="is cut off: 2 of 4 pixels"):
        folder.read(LabelPlace(0, 2), 2, 2)


class TestOfACatalog:
    def test_by_row_and_by_uri(self, catalog: Catalog, run_id: str, owned: OwnedBlock, note_done: Note) -> None:
        labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
        (first, second) = owned.labels.write(4, [labels, labels + 1])
        for row, place in ((1, first), (2, second)):
            note_done(owned, row, label_place=place.packed())
        owned.writer.flush()
        np.testing.assert_array_equal(catalog.labels(run_id, 1), labels)
        np.testing.assert_array_equal(catalog.labels(None, 2), labels + 1)
        np.testing.assert_array_equal(catalog.labels(run_id, np.int64(2)), labels + 1)
        np.testing.assert_array_equal(catalog.labels(run_id, "/photos/2.jpg"), labels + 1)
        np.testing.assert_array_equal(catalog.labels(run_id, Path("/photos/x/../2.jpg")), labels + 1)

    def test_of_a_later_table(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        catalog.add(["/photos/new.jpg"])
        owned = claim_next(catalog, run_id, catalog.image_tables()[1], 0, Owner())
        (place,) = owned.labels.write(0, [np.full((2, 3), 2, dtype=np.uint8)])
        note_done(owned, 0, label_place=place.packed())
        owned.writer.flush()
        assert (catalog.labels(run_id, 10) == 2).all()
        assert (catalog.labels(run_id, "/photos/new.jpg") == 2).all()

    def test_of_the_generation_that_the_result_is_from(self, catalog: Catalog, run_id: str, note_done: Note) -> None:
        blocks = [claim_next(catalog, run_id, catalog.image_tables()[0], 0, Owner()) for _ in range(2)]
        for number, owned in enumerate(blocks):
            (place,) = owned.labels.write(0, [np.full((2, 3), number, dtype=np.uint8)])
            note_done(owned, number, label_place=place.packed())
            owned.writer.flush()
        assert (catalog.labels(run_id, 0) == 0).all()
        assert (catalog.labels(run_id, 1) == 1).all()

    def test_a_pending_image_has_none(self, catalog: Catalog, run_id: str, owned: OwnedBlock) -> None:
        with pytest.raises(KeyError, match=r"image 0 has no label map .* it is pending"):
            catalog.labels(run_id, 0)

    def test_a_failed_image_has_none(self, catalog: Catalog, run_id: str, owned: OwnedBlock, note_failed: Note) -> None:
        note_failed(owned, 0)
        owned.writer.flush()
        with pytest.raises(KeyError, match=r"image 0 has no label map .* it is failed"):
            catalog.labels(run_id, 0)

    def test_a_run_may_have_kept_none(self, catalog: Catalog, run_id: str, owned: OwnedBlock, note_done: Note) -> None:
        note_done(owned, 0)
        owned.writer.flush()
        with pytest.raises(KeyError, match="labels=False"):
            catalog.labels(run_id, 0)

    @pytest.mark.parametrize("image", [10, -11, "/photos/none.jpg"])
    def test_an_image_that_does_not_exist(self, catalog: Catalog, run_id: str, image: int | str) -> None:
        with pytest.raises(KeyError, match=f"has no image {image!r}; its 10 images are numbered from 0"):
            catalog.labels(run_id, image)
