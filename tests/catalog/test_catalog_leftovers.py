"""What desktops, network file systems, synchronisers and editors leave inside a catalog harms nothing."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from zarr.storage import LocalStore, MemoryStore

import toolkit as tk
from toolkit.catalog import Catalog, CatalogError
from toolkit.catalog.store.durable import DurableLocalStore
from toolkit.catalog.store.leftovers import is_leftover
from toolkit.catalog.store.objects import put
from toolkit.testing.small_run import make_images, run, small_model

pytestmark = pytest.mark.usefixtures("quick_lives")

FILES = [
    *(".DS_Store", "._zarr.json", "._0", "._.DS_Store", "Thumbs.db", "desktop.ini", ".nfs000000000123abcd00000001"),
    *(".fuse_hidden0000001500000002", "zarr.json~", ".~lock.0#", "0.sync-conflict-20240501-120000-ABCDEFG"),
    *("~$0.docx", ".zarr.json.icloud", ".zarr.json.swp", "zarr (1).json", "zarr (conflicted copy 2024-05-01).json"),
    *("0 (1)", "Icon\r", "zarr.json.tmp", "0.tmp~", ".syncthing.0.tmp", ".00000.jsonl.kate-swp", "._000000.jsonl"),
    *("notes.txt", "0.partial", "._f3a206312b2718fe", "f3a206312b2718fe (1)", "._host-12-0123456789ab", "a\udcff.txt"),
    *("00000 - Copy", "README"),
]
FOLDERS = ["@eaDir", "lost+found", ".stfolder", ".ipynb_checkpoints", "__MACOSX", "#recycle", ".snapshot", "New Folder"]
"""Some of them have copies of what lies beside them."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def model() -> tk.Model:
    return small_model()


@pytest.fixture(scope="module")
def clean(images: list[Path], model: tk.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two tables with covariates, a correction, a removed image, and a run with one failure."""
    folder = tmp_path_factory.mktemp("catalog") / "demo.zarr"
    catalog = Catalog.create(folder, pd.DataFrame({"uri": images[:3], "x": [1, 2, 3]}), block_size=2)
    catalog.add(pd.DataFrame({"uri": images, "x": [1.5, 2, 3, 4, 5]}))
    run(LocalStore(folder), images, model)
    catalog.remove([1])
    return folder


def sprinkle(folder: Path, seed: int, share: float) -> int:
    """Put leftovers into every folder of a catalog; how many."""
    print("seed", seed)
    generator = random.Random(seed)
    n = 0
    for place in [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]:
        beside = sorted(place.iterdir())
        for name in FILES:
            if generator.random() < share:
                content = generator.choice([b"", b"\x00\x05\x16\x07", b'{"zarr_format": 3, "node_type": "group"}'])
                (place / name).write_bytes(content)
                n += 1
        for name in FOLDERS:
            if generator.random() < share:
                (place / name).mkdir()
                (place / name / generator.choice(FILES)).write_bytes(b"\x00")
                n += 1
                for path in beside[:2]:
                    if path.is_file():
                        shutil.copy(path, place / name)
    return n


def shown(catalog: Catalog) -> list[object]:
    """What people ask of a catalog."""
    labels = [catalog.labels(None, image).tolist() for image in (0, 2, 3)]
    tables: list[pd.DataFrame] = [catalog.runs(), catalog.sessions(), catalog.errors(), catalog.history()]
    texts = [table.to_json(default_handler=str, date_format="iso") for table in tables]
    return [*texts, catalog.as_written().to_json(), catalog.to_xarray().to_dict(), catalog.images().to_dict(), labels]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [LocalStore, DurableLocalStore])
def test_a_catalog_full_of_them_is_what_it_was(
    clean: Path, tmp_path: Path, kind: Callable[[Path], LocalStore], seed: int
) -> None:
    folder = tmp_path / "demo.zarr"
    shutil.copytree(clean, folder)
    n = sprinkle(folder, seed, share=[0.02, 0.3, 1.0][seed])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    catalog = Catalog.open(kind(folder))
    assert str(shown(catalog)) == str(shown(Catalog.open(clean)))
    for repair in (False, True):
        found = catalog.verify(repair=repair, labels=True)
        assert [problem.kind for problem in found] == ["foreign"], str(found)
        assert (found.clean, found.whole) == (True, True)
        assert "are not the catalog's, do no harm and are left alone" in str(found)
    assert n > 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_work_goes_on_among_them(clean: Path, images: list[Path], model: tk.Model, tmp_path: Path) -> None:
    folder = tmp_path / "demo.zarr"
    shutil.copytree(clean, folder)
    sprinkle(folder, 7, share=1.0)
    catalog = Catalog.open(folder)
    new = tmp_path / "new.png"
    new.write_bytes(images[0].read_bytes())
    assert catalog.add(pd.DataFrame({"uri": [images[0], new], "x": [9, 7]})) == 1
    assert catalog.restore() == 1
    tk.segment(catalog, model, tk.Protocol(crop_size=16, stride=16)).wait()
    tk.segment(catalog, model, tk.Protocol(crop_size=12, stride=12)).wait()
    table = catalog.to_xarray()
    assert table.status.values.tolist() == [*["done"] * 4, "failed", "done"]
    assert table.x.values.tolist() == [9.0, 2.0, 3.0, 4.0, 5.0, 7.0]
    assert catalog.runs().done.tolist() == [5, 5]
    catalog.publish(None, tmp_path / "run.zarr")
    assert xr.open_zarr(tmp_path / "run.zarr").sizes["image"] == 6
    assert [problem.kind for problem in catalog.verify(labels=True)] == ["foreign"]


def test_those_in_other_stores_are_left_alone_too(clean: Path) -> None:
    store = MemoryStore()
    for path in clean.rglob("*"):
        if path.is_file():
            put(store, path.relative_to(clean).as_posix(), path.read_bytes())
    for folder in ("", "images/", "runs/", "claims/", "owners/", "images/00000/", "images/commits/", "images/changes/"):
        for name in (".DS_Store", "zarr (1).json", "@eaDir/0"):
            put(store, f"{folder}{name}", b"\x00")
    catalog = Catalog.open(store)
    assert str(shown(catalog)) == str(shown(Catalog.open(clean)))
    assert [problem.kind for problem in catalog.verify(labels=True)] == ["foreign"]


def test_a_folder_of_nothing_else_is_empty(tmp_path: Path) -> None:
    for name in FILES:
        if is_leftover(name):
            (tmp_path / name).write_bytes(b"")
    (tmp_path / "@eaDir").mkdir()
    (tmp_path / "@eaDir" / "x").write_bytes(b"")
    with pytest.raises(CatalogError, match="there is no catalog at"):
        Catalog.open(tmp_path)
    assert len(Catalog.create(tmp_path, ["/a.jpg"])) == 1


@pytest.mark.parametrize("name", ["thesis.tex", "zarr.json", "photos", "0", "images", "a.jpg"])
def test_what_is_somebody_s_is_no_leftover(name: str) -> None:
    assert not is_leftover(name)


def test_files_of_other_programs_are_not_removed_as_half_written(clean: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo.zarr"
    shutil.copytree(clean, folder)
    (folder / "download.partial").write_bytes(b"half")
    os.utime(folder / "download.partial", (1, 1))
    assert [problem.kind for problem in Catalog.open(folder).verify(repair=True)] == ["foreign"]
    assert (folder / "download.partial").exists()


@pytest.mark.parametrize("name", ["00000007", "7", "00007", "²", "٣", "1"])
def test_a_file_with_a_number_as_its_name_harms_nothing_and_is_left_alone(
    clean: Path, images: list[Path], model: tk.Model, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(clean, tmp_path / "demo.zarr"))
    expected = str(shown(Catalog.open(clean)))
    places = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    theirs = [place / name for place in places if not (place / name).exists()]
    for file in theirs:
        file.write_text("mine")
    catalog = Catalog.open(folder)
    assert str(shown(catalog)) == expected
    found = catalog.verify(repair=True, labels=True)
    assert [problem.kind for problem in found] == ["foreign"], str(found)
    assert {file.read_text() for file in theirs} == {"mine"}
    assert str(shown(Catalog.open(folder))) == expected
    run(LocalStore(folder), images, model)
    assert catalog.add(["/photos/new.jpg"]) == 1


@pytest.mark.parametrize("place", ["images/commits/00002", "images/changes/00002"])
def test_a_file_in_the_place_of_the_next_object_is_named_and_left_alone(
    clean: Path, tmp_path: Path, place: str
) -> None:
    folder = Path(shutil.copytree(clean, tmp_path / "demo.zarr"))
    (folder / place).write_text("mine")
    with pytest.raises(CatalogError, match=place):
        Catalog.open(folder).images()
    found = Catalog.open(folder).verify(repair=True)
    assert not found.whole
    assert f"at {place}: " in str(found)
    assert "move that elsewhere" in str(found)
    assert (folder / place).read_text() == "mine"


def test_a_folder_in_the_place_of_a_table_keeps_what_is_somebody_s(clean: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(clean, tmp_path / "demo.zarr"))
    shutil.copytree(folder / "images" / "00001", folder / "images" / "00009")
    (folder / "images" / "00009" / "notes.txt").write_text("mine")
    found = Catalog.open(folder).verify(repair=True)
    assert {problem.kind for problem in found} == {"foreign", "uncommitted_segment"}
    assert [path.name for path in (folder / "images" / "00009").rglob("*") if path.is_file()] == ["notes.txt"]
    assert [problem.kind for problem in Catalog.open(folder).verify()] == ["foreign"]
