"""Placeholders, copies and near copies: noticed while segmenting, found when results are read."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import toolkit as tk
from toolkit.catalog.reading.duplicates import MOST_BITS, first_near, first_with_same
from toolkit.testing.small_run import PROTOCOL, small_model


def flipped(hashes: np.ndarray, n_bits: int, generator: np.random.Generator) -> np.ndarray:
    """Each hash with so many of its bits turned."""
    turned = hashes.copy()
    for index in range(len(hashes)):
        for bit in generator.choice(64, n_bits, replace=False):
            turned[index] ^= np.uint64(1) << np.uint64(bit)
    return turned


class TestExactCopies:
    def test_each_is_one_of_the_first(self) -> None:
        digests = np.array([7, 5, 7, 9, 5, 7], np.uint64)
        assert first_with_same(digests).tolist() == [-1, -1, 0, -1, 1, 0]

    def test_what_is_not_known_is_nobodys_copy(self) -> None:
        assert first_with_same(np.array([0, 0, 3, 0, 3], np.uint64)).tolist() == [-1, -1, -1, -1, 2]

    def test_of_no_images(self) -> None:
        assert first_with_same(np.empty(0, np.uint64)).tolist() == []


class TestNearCopies:
    @pytest.fixture
    def hashes(self) -> np.ndarray:
        return np.random.default_rng(3).integers(0, 2**64, 3000, dtype=np.uint64)

    @pytest.mark.parametrize("n_bits", range(MOST_BITS + 1))
    def test_all_within_the_tolerance_are_found(self, hashes: np.ndarray, n_bits: int) -> None:
        copies = flipped(hashes[:500], n_bits, np.random.default_rng(n_bits))
        found = first_near(np.concatenate([hashes, copies]), np.ones(3500, bool))
        assert found[3000:].tolist() == list(range(500))
        assert (found[:3000] == -1).all()

    @pytest.mark.parametrize("n_bits", [MOST_BITS + 1, 12])
    def test_none_beyond_it_is(self, hashes: np.ndarray, n_bits: int) -> None:
        copies = flipped(hashes[:500], n_bits, np.random.default_rng(n_bits))
        assert (first_near(np.concatenate([hashes, copies]), np.ones(3500, bool)) == -1).all()

    def test_it_is_what_comparing_all_with_all_finds(self) -> None:
        generator = np.random.default_rng(4)
        hashes = np.repeat(generator.integers(0, 2**64, 60, dtype=np.uint64), 5)
        for _ in range(3):
            hashes = np.where(generator.random(300) < 0.5, flipped(hashes, 1, generator), hashes)
        counted = generator.random(300) < 0.9
        bits = np.array([[(int(one) ^ int(other)).bit_count() for other in hashes] for one in hashes])
        near = (bits <= MOST_BITS) & counted & counted[:, None] & np.tri(300, k=-1, dtype=bool)
        expected = np.where(near.any(1), near.argmax(1), -1)
        np.testing.assert_array_equal(first_near(hashes, counted), expected)

    def test_many_that_look_alike_are_all_found(self) -> None:
        generator = np.random.default_rng(5)
        hashes = flipped(np.zeros(2000, np.uint64), 2, generator)
        found = first_near(hashes, np.ones(2000, bool))
        assert (found[1:] >= 0).all()
        assert (found < np.arange(2000)).all()

    @pytest.mark.parametrize("of", [np.uint64(0), None])
    def test_of_300_000_images_in_a_moment(self, of: Any) -> None:
        generator = np.random.default_rng(6)
        hashes = generator.integers(0, 2**64, 300_000, dtype=np.uint64) if of is None else np.full(300_000, of)
        hashes[-1000:] = hashes[:1000]
        begin = time.perf_counter()
        found = first_near(hashes, np.ones(300_000, bool))
        print(f"{time.perf_counter() - begin:.2f} s")
        np.testing.assert_array_equal(found[-1000:], np.arange(1000) if of is None else np.zeros(1000))


@pytest.fixture
def folder(tmp_path: Path, make_photos: Any) -> Path:
    """a: a photo; b: the same saved as PNG; c: the same as JPEG, smaller; d: another; e: black; f: a card; g: e again;
    h: no picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    samples = sorted((tk.paths.data_catalog() / "samples").glob("*.jpg"))
    with Image.open(samples[0]) as image:
        photo = image.convert("RGB")
    photo.save(folder / "a.bmp")
    photo.save(folder / "b.png")
    photo.resize((photo.width // 2, photo.height // 2)).save(folder / "c.jpg", quality=70)
    with Image.open(samples[1]) as image:
        image.convert("RGB").save(folder / "d.png")
    Image.new("RGB", (60, 40)).save(folder / "e.png")
    card = Image.new("RGB", (320, 240), (228, 226, 222))
    ImageDraw.Draw(card).text((80, 110), "Sorry, we have no imagery here.", fill=(120, 120, 120))
    card.save(folder / "f.jpg")
    Image.new("RGB", (60, 40)).save(folder / "g.png")
    (folder / "h.png").write_text("no picture")
    return folder


@pytest.fixture
def catalog(folder: Path, tmp_path: Path) -> tk.Catalog:
    catalog = tk.Catalog.create(tmp_path / "flags.zarr", sorted(folder.iterdir()), block_size=4)
    tk.segment(catalog, small_model(), PROTOCOL).wait()
    return catalog


@pytest.mark.parametrize("lazy", [False, True])
def test_the_table_of_a_run_says_what_was_noticed(catalog: tk.Catalog, lazy: bool) -> None:
    table = catalog.to_xarray(lazy=lazy).compute()
    assert table.blank.values.tolist() == [False, False, False, False, True, True, True, False]
    assert table.duplicate_of.values.tolist() == [-1, 0, -1, -1, -1, -1, 4, -1]
    assert table.near_duplicate_of.values.tolist() == [-1, 0, 0, -1, -1, -1, 4, -1]
    np.testing.assert_array_equal(table.valid_fraction, [1, 1, 1, 1, 1, 1, 1, np.nan])
    assert table.status.values.tolist() == ["done"] * 7 + ["failed"]  # nothing is left out


def test_of_very_many_images_copies_are_found_when_they_are_computed(
    catalog: tk.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.catalog.reading.views._MOST_COMPARED_AT_ONCE", 4)
    table = catalog.to_xarray()
    assert table.near_duplicate_of.chunks is not None
    assert table.near_duplicate_of.values.tolist() == [-1, 0, 0, -1, -1, -1, 4, -1]


def test_flags_lists_them(catalog: tk.Catalog) -> None:
    flags = catalog.flags()
    assert flags.index.tolist() == [1, 2, 4, 5, 6]
    assert [Path(uri).name for uri in flags.uri] == ["b.png", "c.jpg", "e.png", "f.jpg", "g.png"]
    assert flags.blank.tolist() == [False, False, True, True, True]
    assert flags.duplicate_of.tolist() == [0, -1, -1, -1, 4]
    assert flags.near_duplicate_of.tolist() == [0, 0, -1, -1, 4]
    assert flags.attrs == {"not_looked_at": 0}


def test_images_that_come_later_are_copies_of_the_earlier(catalog: tk.Catalog, folder: Path) -> None:
    with Image.open(folder / "d.png") as image:
        image.save(folder / "z.bmp")
    catalog.add([folder / "z.bmp"])
    tk.segment(catalog, small_model(), PROTOCOL).wait()
    assert catalog.to_xarray().duplicate_of.values[-1] == 3


def test_a_copy_of_an_image_that_was_removed_is_none(catalog: tk.Catalog, folder: Path) -> None:
    catalog.remove([str(folder / "e.png")])
    flags = catalog.flags()
    assert "e.png" not in [Path(uri).name for uri in flags.uri]
    assert flags.duplicate_of[6] == -1
    assert catalog.to_xarray().duplicate_of.sel(image=6) == -1


def test_a_covariate_that_an_older_catalog_has_under_such_a_name_is_shown_beside(
    catalog: tk.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    import pandas as pd

    table = pd.DataFrame({"uri": [str(folder / "a.bmp"), str(folder / "d.png")], "blank": ["no", "yes"]})
    with pytest.raises(ValueError, match="covariates may not be called blank"):
        tk.Catalog.create(tmp_path / "new.zarr", table)
    monkeypatch.setattr("toolkit.catalog.reading.covariates._RESERVED", {"uri"})
    old = tk.Catalog.create(tmp_path / "old.zarr", table)
    monkeypatch.undo()
    tk.segment(old, small_model(), PROTOCOL).wait()
    for lazy in (False, True):
        found = old.to_xarray(lazy=lazy)
        assert found["blank (covariate)"].values.tolist() == ["no", "yes"]
        assert found.blank.values.tolist() == [False, False]
    assert old.verify() == []


class TestVerification:
    def test_what_an_older_version_wrote_lacks_nothing(self, catalog: tk.Catalog, tmp_path: Path) -> None:
        import shutil

        for name in ("valid_fraction", "blank", "pixels_digest", "perceptual_hash"):
            (array,) = (tmp_path / "flags.zarr").glob(f"runs/*/00000/0/{name}")
            shutil.rmtree(array)
        old = tk.Catalog.open(tmp_path / "flags.zarr")
        assert old.verify() == []
        table = old.to_xarray()
        assert not table.blank.any()
        assert (table.duplicate_of == -1).all()
        assert old.flags().empty
        assert old.flags().attrs == {"not_looked_at": 7}

    def test_one_array_that_is_gone_is_damage(self, catalog: tk.Catalog, tmp_path: Path) -> None:
        (chunk,) = (tmp_path / "flags.zarr").glob("runs/*/00000/0/blank/c/0")
        chunk.unlink()
        found = tk.Catalog.open(tmp_path / "flags.zarr").verify()
        assert [problem.kind for problem in found] == ["unreadable"]
        assert "blank: gone" in str(found)
