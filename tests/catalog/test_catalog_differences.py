"""Two runs of one catalog, compared by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from claiming import claim_next
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from toolkit.catalog import DONE, FAILED, Catalog, CatalogError, OwnedBlock, RunSettings

Note = Callable[..., None]

A = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75]], dtype=np.float32)
B = np.array([[0.25, 0.25, 0.5], [0.0, 0.0, 1.0], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25]], dtype=np.float32)
ROWS = [0, 3, 5, 9]  # in all three blocks


@pytest.fixture
def store() -> Store:
    """Where a catalog lies does not matter to what is computed of it."""
    return MemoryStore()


@pytest.fixture
def other(catalog: Catalog, settings: RunSettings) -> str:
    """Another run of the same classes."""
    return catalog.start_run(replace(settings, model="another model", numerics_version=2))


def write(catalog: Catalog, run_id: str, compositions: dict[int, np.ndarray], failed: tuple[int, ...] = ()) -> None:
    """Enter compositions by row."""
    (shape,) = catalog.image_tables()
    for block in range(shape.n_blocks):
        owned = claim_next(catalog, run_id, shape, block)
        rows = range(shape.rows(block).start, shape.rows(block).stop)
        for row in rows:
            if row in compositions:
                owned.writer.set(row, composition=compositions[row], status=DONE, attempts=1)
            elif row in failed:
                owned.writer.set(row, status=FAILED, error=1, attempts=1)
        owned.writer.flush()


@pytest.fixture
def two_runs(catalog: Catalog, run_id: str, other: str) -> tuple[str, str]:
    """Four images done in both, one in each alone, one failed in the first."""
    write(catalog, run_id, {**dict(zip(ROWS, A, strict=True)), 1: A[0]}, failed=(2, 7))
    write(catalog, other, {**dict(zip(ROWS, B, strict=True)), 2: B[0]}, failed=(7,))
    return run_id, other


class TestCompositions:
    def test_they_are_compared_image_by_image(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        compared = catalog.compare(*two_runs)
        assert compared.image.values.tolist() == ROWS
        assert compared.uri.values.tolist() == [f"/photos/{row}.jpg" for row in ROWS]
        assert compared.class_name.values.tolist() == ["sky", "tree", "road"]
        np.testing.assert_array_equal(compared.difference.transpose("image", "class_name"), B - A)
        assert compared.distance.values.tolist() == [0.25, 1.0, 0.0, 0.5]

    def test_and_class_by_class(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        compared = catalog.compare(*two_runs)
        np.testing.assert_allclose(compared.mean_difference, (B - A).mean(axis=0))
        np.testing.assert_allclose(compared.mean_absolute_difference, np.abs(B - A).mean(axis=0))
        expected = [pd.Series(A[:, index]).corr(pd.Series(B[:, index])) for index in range(3)]
        np.testing.assert_allclose(compared.correlation, expected, rtol=1e-6)

    def test_images_are_counted_by_status(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        images = catalog.compare(*two_runs).images
        counts = {
            (a, b): int(images.sel(status_a=a, status_b=b))
            for a in images.status_a.values
            for b in images.status_b.values
        }
        assert {key: n for key, n in counts.items() if n} == {
            ("done", "done"): 4,
            ("done", "pending"): 1,
            ("failed", "done"): 1,
            ("failed", "failed"): 1,
            ("pending", "pending"): 3,
        }

    def test_it_names_the_runs(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        assert catalog.compare(*two_runs).attrs == {
            "run_a": two_runs[0],
            "run_b": two_runs[1],
            "model_a": "a model",
            "model_b": "another model",
        }

    def test_turned_round_it_has_the_other_sign(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        forth, back = catalog.compare(*two_runs), catalog.compare(*reversed(two_runs))
        np.testing.assert_array_equal(forth.difference, -back.difference)
        np.testing.assert_array_equal(forth.distance, back.distance)
        np.testing.assert_array_equal(forth.images, back.images.T)

    def test_a_run_equals_itself(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        same = catalog.compare(two_runs[0], two_runs[0])
        assert same.sizes["image"] == 5
        assert not same.distance.any()
        np.testing.assert_allclose(same.correlation, 1.0)

    def test_a_class_that_never_varies_has_no_correlation(self, catalog: Catalog, run_id: str, other: str) -> None:
        constant = np.array([0.1, 0.9, 0.0], dtype=np.float32)
        write(catalog, run_id, dict.fromkeys(range(10), constant))
        write(catalog, other, dict(zip(ROWS, B, strict=True)))
        assert np.isnan(catalog.compare(run_id, other).correlation).all()

    def test_covariates_come_along(self, settings: RunSettings) -> None:
        covariates = pd.DataFrame({"lat": [1.0, 2.0]}, index=["/0.jpg", "/1.jpg"])
        catalog = Catalog.create(MemoryStore(), ["/0.jpg", "/1.jpg"], covariates=covariates)
        run_id = catalog.start_run(settings)
        write(catalog, run_id, {1: A[0]})
        assert catalog.compare(run_id, run_id).lat.values.tolist() == [2.0]


class TestClasses:
    def test_they_are_matched_by_name(self, catalog: Catalog, settings: RunSettings, run_id: str) -> None:
        other = catalog.start_run(replace(settings, class_names=("car", "tree", "sky")))
        write(catalog, run_id, {4: np.array([0.25, 0.5, 0.25], dtype=np.float32)})  # sky, tree, road
        write(catalog, other, {4: np.array([0.125, 0.25, 0.625], dtype=np.float32)})
        compared = catalog.compare(run_id, other)
        assert compared.class_name.values.tolist() == ["sky", "tree", "road", "car"]
        np.testing.assert_array_equal(compared.difference.sel(image=4), [0.375, -0.25, np.nan, np.nan])
        np.testing.assert_array_equal(compared.mean_difference, [0.375, -0.25, np.nan, np.nan])
        np.testing.assert_array_equal(compared.mean_absolute_difference, [0.375, 0.25, np.nan, np.nan])
        # What a run does not know takes no pixels there: (0.375 + 0.25 + 0.25 + 0.125) / 2.
        assert compared.distance.values.tolist() == [0.5]

    def test_without_a_common_class_the_distance_is_one(
        self, catalog: Catalog, settings: RunSettings, run_id: str
    ) -> None:
        other = catalog.start_run(replace(settings, class_names=("a", "b", "c")))
        write(catalog, run_id, {4: A[0]})
        write(catalog, other, {4: A[0]})
        compared = catalog.compare(run_id, other)
        assert compared.distance.values.tolist() == [1.0]
        assert np.isnan(compared.correlation).all()


class TestLabelMaps:
    MAPS_A = (np.array([[0, 1], [2, 2]], dtype=np.uint8), np.array([[0, 0, 0, 1]], dtype=np.uint8))
    MAPS_B = (np.array([[2, 1], [0, 2]], dtype=np.uint8), np.array([[2, 2, 2, 2]], dtype=np.uint8))

    def keep(self, owned: OwnedBlock, note_done: Note, maps: dict[int, np.ndarray], part: int = 0) -> None:
        places = owned.labels.write(part, list(maps.values()))
        for (row, labels), place in zip(maps.items(), places, strict=True):
            note_done(owned, row, height=labels.shape[0], width=labels.shape[1], label_place=place.packed())

    def test_agreement_is_of_names_not_of_numbers(
        self, catalog: Catalog, settings: RunSettings, run_id: str, note_done: Note
    ) -> None:
        other = catalog.start_run(replace(settings, class_names=("road", "tree", "sky")))
        (shape,) = catalog.image_tables()
        for run, maps in ((run_id, self.MAPS_A), (other, self.MAPS_B)):
            for block, rows in ((0, (1, 2)), (2, (8,))):
                owned = claim_next(catalog, run, shape, block)
                self.keep(owned, note_done, dict(zip(rows, maps, strict=False)))
                owned.writer.flush()
        compared = catalog.compare(run_id, other, labels=True)
        # a: sky tree / road road, sky sky sky tree; b: sky tree / road sky, sky sky sky sky
        assert compared.agreement.values.tolist() == [0.75, 0.75, 0.75]
        assert compared.image.values.tolist() == [1, 2, 8]
        assert "agreement" not in catalog.compare(run_id, other)

    def test_an_image_without_maps_of_one_size_has_none(
        self, catalog: Catalog, run_id: str, other: str, note_done: Note
    ) -> None:
        (shape,) = catalog.image_tables()
        first, second = (claim_next(catalog, run, shape, 0) for run in (run_id, other))
        self.keep(first, note_done, {0: self.MAPS_A[0], 1: self.MAPS_A[1]})
        self.keep(second, note_done, {0: self.MAPS_A[0], 1: self.MAPS_A[0]})
        for owned in (first, second):
            note_done(owned, 2)
            owned.writer.flush()
        np.testing.assert_array_equal(catalog.compare(run_id, other, labels=True).agreement, [1.0, np.nan, np.nan])

    def test_where_none_was_kept_it_says_so(self, catalog: Catalog, two_runs: tuple[str, str]) -> None:
        with pytest.raises(CatalogError, match=r"no image has label maps of one size in both.*labels=False"):
            catalog.compare(*two_runs, labels=True)


class TestRefusals:
    def test_a_run_that_is_not_there(self, catalog: Catalog, run_id: str) -> None:
        with pytest.raises(CatalogError, match=f"no run 'missing'; there are {run_id}"):
            catalog.compare(run_id, "missing")

    def test_nothing_done_in_both(self, catalog: Catalog, run_id: str, other: str) -> None:
        write(catalog, run_id, {0: A[0], 1: A[1]})
        write(catalog, other, {2: A[0]})
        with pytest.raises(CatalogError, match=f"no image is done in both runs: 2 are in {run_id}, 1 in {other}"):
            catalog.compare(run_id, other)

    def test_classes_of_one_name(self, catalog: Catalog, settings: RunSettings, run_id: str) -> None:
        twice = catalog.start_run(replace(settings, class_names=("sky", "sky", "road")))
        with pytest.raises(CatalogError, match="two classes named 'sky'"):
            catalog.compare(run_id, twice)
