"""Creating, opening and growing a catalog, and what is refused."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog import Catalog, CatalogError, RunSettings
from toolkit.catalog.format.layout import FORMAT_ATTRIBUTE, FORMAT_VERSION, commit_path, table_path
from toolkit.catalog.store.objects import remove
from toolkit.sources import NoImagesError

URIS = [f"/photos/{number}.jpg" for number in range(5)]


def uris_of(catalog: Catalog) -> list[str]:
    return list(catalog.images().uri.values)


class TestCreateAndOpen:
    def test_images_are_rows_in_the_order_given(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[::-1])
        assert uris_of(catalog) == URIS[::-1]
        assert catalog.images().image.values.tolist() == [0, 1, 2, 3, 4]
        assert len(catalog) == 5

    def test_what_was_created_can_be_opened(self, store: Store) -> None:
        Catalog.create(store, URIS)
        assert uris_of(Catalog.open(store)) == URIS

    def test_a_path_will_do(self, tmp_path: Path) -> None:
        Catalog.create(str(tmp_path / "new" / "demo.zarr"), URIS)
        assert uris_of(Catalog.open(tmp_path / "new" / "demo.zarr")) == URIS

    def test_a_folder_of_photos_will_do(self, tmp_path: Path, small_photos: list[Path]) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", small_photos[0].parent)
        assert uris_of(catalog) == [str(photo) for photo in small_photos]

    def test_a_prefix_stands_for_the_data_catalog(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path))
        Catalog.create("data_catalog:demo.zarr", URIS)
        assert uris_of(Catalog.open(tmp_path / "demo.zarr")) == URIS

    def test_an_empty_directory_will_do(self, tmp_path: Path) -> None:
        assert len(Catalog.create(tmp_path, URIS)) == 5

    def test_an_image_given_twice_is_one_row(self, store: Store) -> None:
        assert uris_of(Catalog.create(store, [*URIS, URIS[0], "file://" + URIS[1]])) == URIS

    def test_unusual_names_survive(self, store: Store) -> None:
        names = ["/photos/a b%20.jpg", "/photos/日本 ß.jpg", "s3://bucket/ä/1.jpg", "https://host/a.jpg?x=1&y=2"]
        catalog = Catalog.create(store, names)
        assert uris_of(catalog) == names

    def test_its_text_names_place_and_counts(self, tmp_path: Path, settings: RunSettings) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", URIS)
        catalog.start_run(settings)
        assert repr(catalog) == f"<Catalog {tmp_path / 'demo.zarr'}: 5 images, 1 runs>"


class TestGrow:
    def test_new_images_follow_the_old_ones(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[:2])
        assert catalog.add(URIS[2:]) == 3
        assert uris_of(Catalog.open(store)) == URIS
        assert [shape.n_images for shape in catalog.image_tables()] == [2, 3]

    def test_known_images_are_skipped(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[:3])
        assert catalog.add([URIS[4], URIS[1], URIS[3], URIS[0]]) == 2
        assert uris_of(catalog) == [*URIS[:3], URIS[4], URIS[3]]

    def test_nothing_new_writes_nothing(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS)
        assert catalog.add(URIS) == 0
        assert len(catalog.image_tables()) == 1

    def test_exist_ok_adds_to_what_is_there(self, store: Store) -> None:
        Catalog.create(store, URIS[:3])
        assert uris_of(Catalog.create(store, URIS[2:], exist_ok=True)) == URIS

    def test_images_added_after_a_run_are_pending_in_it(self, catalog: Catalog, run_id: str) -> None:
        catalog.add(["/photos/new.jpg"])
        table = catalog.to_xarray(run_id)
        assert table.sizes["image"] == 11
        assert set(table.status.values) == {"pending"}


class TestRefusals:
    def test_a_catalog_that_exists(self, tmp_path: Path) -> None:
        Catalog.create(tmp_path / "demo.zarr", URIS)
        with pytest.raises(CatalogError, match=r"demo\.zarr holds a catalog already.*exist_ok=True"):
            Catalog.create(tmp_path / "demo.zarr", URIS)

    @pytest.mark.parametrize("exist_ok", [False, True])
    def test_a_directory_with_other_files(self, tmp_path: Path, exist_ok: bool) -> None:
        (tmp_path / "thesis.tex").write_text("precious")
        with pytest.raises(CatalogError, match=f"{tmp_path} holds something that is not a catalog"):
            Catalog.create(tmp_path, URIS, exist_ok=exist_ok)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "demo.zarr").write_text("precious")
        with pytest.raises(CatalogError, match=r"demo\.zarr' is not a directory"):
            Catalog.create(tmp_path / "demo.zarr", URIS)
        with pytest.raises(CatalogError, match=r"demo\.zarr' is not a directory"):
            Catalog.open(tmp_path / "demo.zarr")

    @pytest.mark.parametrize("exist_ok", [False, True])
    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_another_zarr_group(self, tmp_path: Path, exist_ok: bool, zarr_format: int) -> None:
        zarr.create_group(tmp_path / "other.zarr", attributes={"mine": 1}, zarr_format=zarr_format)
        with pytest.raises(CatalogError, match=r"other\.zarr holds something that is not a catalog"):
            Catalog.create(tmp_path / "other.zarr", URIS, exist_ok=exist_ok)
        assert zarr.open_group(tmp_path / "other.zarr", mode="r").attrs.asdict() == {"mine": 1}

    def test_a_zarr_array(self, tmp_path: Path) -> None:
        zarr.create_array(tmp_path / "array.zarr", data=np.arange(3))
        with pytest.raises(CatalogError, match=r"array\.zarr holds something that is not a catalog"):
            Catalog.create(tmp_path / "array.zarr", URIS)
        with pytest.raises(CatalogError, match=r"array\.zarr holds something that is not a catalog"):
            Catalog.open(tmp_path / "array.zarr")

    def test_opening_nothing_makes_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogError, match=r"there is no catalog at .*none\.zarr.*Catalog\.create"):
            Catalog.open(tmp_path / "none.zarr")
        assert not (tmp_path / "none.zarr").exists()

    def test_opening_something_else(self, tmp_path: Path) -> None:
        zarr.create_group(tmp_path)
        with pytest.raises(CatalogError, match="holds something that is not a catalog"):
            Catalog.open(tmp_path)

    def test_a_newer_format(self, tmp_path: Path) -> None:
        newer = {FORMAT_ATTRIBUTE: {"format": FORMAT_VERSION + 1}}
        zarr.create_group(tmp_path / "new.zarr", attributes=newer)
        words = rf"new\.zarr has format {FORMAT_VERSION + 1}.*use the version that wrote it"
        with pytest.raises(CatalogError, match=words):
            Catalog.open(tmp_path / "new.zarr")
        with pytest.raises(CatalogError, match=words):
            Catalog.create(tmp_path / "new.zarr", URIS, exist_ok=True)

    def test_a_remote_url(self) -> None:
        with pytest.raises(CatalogError, match=r"'ftp://host/demo\.zarr': only paths and URLs of s3, gs, az"):
            Catalog.open("ftp://host/demo.zarr")

    @pytest.mark.parametrize("location", [None, 3, b"demo.zarr"])
    def test_a_location_of_another_type(self, location: object) -> None:
        with pytest.raises(TypeError, match="catalog must be a path or a Zarr store"):
            Catalog.open(location)  # type: ignore[arg-type]

    @pytest.mark.parametrize("block_size", [0, -4, 2.0, True, "8"])
    def test_a_block_size_that_is_none(self, tmp_path: Path, block_size: object) -> None:
        with pytest.raises(ValueError, match=f"block_size must be a whole number of at least 1, not {block_size!r}"):
            Catalog.create(tmp_path / "demo.zarr", URIS, block_size=block_size)  # type: ignore[arg-type]
        assert not (tmp_path / "demo.zarr").exists()

    def test_no_images_leave_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(NoImagesError):
            Catalog.create(tmp_path / "demo.zarr", tmp_path / "none" / "*.jpg")
        assert not (tmp_path / "demo.zarr").exists()

    def test_a_run_that_is_not_there(self, catalog: Catalog, run_id: str) -> None:
        for asked in (catalog.to_xarray, catalog.errors, lambda run: catalog.labels(run, 0)):
            with pytest.raises(CatalogError, match=f"has no run 'nope'; there are {run_id}"):
                asked("nope")

    def test_results_before_any_run(self, catalog: Catalog) -> None:
        with pytest.raises(CatalogError, match=r"has no runs yet; start one with toolkit\.segment"):
            catalog.to_xarray()
        assert catalog.runs().empty


class TestKilledWhileCreating:
    def test_a_root_without_a_table_can_be_created_again(self, store: Store) -> None:
        zarr.create_group(store, attributes={FORMAT_ATTRIBUTE: {"format": FORMAT_VERSION}})
        assert uris_of(Catalog.create(store, URIS)) == URIS

    def test_a_table_that_was_not_completed_does_not_count(self, store: Store) -> None:
        Catalog.create(store, ["/photos/old.jpg"] * 3)
        remove(store, commit_path(0))
        assert uris_of(Catalog.create(store, URIS)) == URIS
        assert uris_of(Catalog.open(store)) == URIS

    def test_an_addition_that_was_not_completed_does_not_count(self, store: Store) -> None:
        catalog = Catalog.create(store, URIS[:2])
        zarr.create_group(store, path=table_path(1)).create_array("uri", shape=(2,), chunks=(2,), dtype="int8")
        assert uris_of(catalog) == URIS[:2]
        catalog.add(URIS[2:])
        assert uris_of(catalog) == URIS

    def test_a_table_whose_metadata_was_being_written_does_not_count(self, tmp_path: Path) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", URIS[:2])
        half = tmp_path / "demo.zarr" / table_path(1)
        half.mkdir()
        (half / "zarr.0123456789abcdef.partial").write_text("{")
        assert uris_of(catalog) == URIS[:2]
        catalog.add(URIS[2:])
        assert uris_of(catalog) == URIS

    def test_a_root_whose_metadata_was_being_written_can_be_created_again(self, tmp_path: Path) -> None:
        (tmp_path / "zarr.0123456789abcdef.partial").write_text("{")
        assert uris_of(Catalog.create(tmp_path, URIS)) == URIS

    def test_whatever_was_written_last(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A writer that dies after any number of writes leaves what can be created again."""
        writes = Writes(monkeypatch)
        Catalog.create(tmp_path / "undisturbed.zarr", URIS)
        assert writes.n > 4
        for allowed in range(writes.n):
            path = tmp_path / f"{allowed}.zarr"
            writes.n, writes.allowed = 0, allowed
            with pytest.raises(ConnectionError):
                Catalog.create(path, URIS)
            writes.allowed = None
            assert uris_of(Catalog.create(path, URIS)) == URIS


class Writes:
    """Counts what is written to local stores, and lets writes fail after so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        self.allowed: int | None = None
        for name in ("set", "set_if_not_exists"):
            monkeypatch.setattr(LocalStore, name, self._counted(getattr(LocalStore, name)))

    def _counted(self, write: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def counted(*arguments: object, **options: object) -> None:
            if self.n == self.allowed:
                raise ConnectionError("the writer died")
            self.n += 1
            await write(*arguments, **options)

        return counted
