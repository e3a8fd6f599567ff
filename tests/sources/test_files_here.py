"""Which images of a table or list have a file, and how the file system spells their names."""

import os
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from toolkit.sources import list_images

NFC, NFD = (unicodedata.normalize(form, "Zürich é.jpg") for form in ("NFC", "NFD"))


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


def table(folder: Path, *names: str) -> Path:
    pd.DataFrame({"uri": names}).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


@pytest.mark.parametrize(("there", "written"), [(NFC, NFD), (NFD, NFC)])
def test_a_name_in_another_unicode_form_is_found(
    tmp_path: Path, there: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = touch(tmp_path, there)
    listings = [
        list_images(images) for images in (table(tmp_path, written), [written], pd.DataFrame({"uri": [written]}))
    ]
    assert [listing.uris for listing in listings] == [expected] * 3
    assert [listing.given for listing in listings] == [[written]] * 3
    assert [listing.missing for listing in listings] == [[]] * 3
    assert list_images(tmp_path / written).uris == expected


def test_folders_in_another_unicode_form_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = touch(tmp_path, f"{NFD}/{NFD}/{NFC}")
    monkeypatch.chdir(tmp_path)
    assert list_images(table(tmp_path, f"{NFC}/{NFC}/{NFD}")).uris == expected
    assert list_images(f"{NFC}/{NFC}").uris == expected
    assert list_images(f"{NFC}/**/*.jpg").uris == expected


def test_the_exact_name_wins_where_both_forms_are_there(tmp_path: Path) -> None:
    expected = touch(tmp_path, NFC, NFD)
    assert list_images(table(tmp_path, NFC, NFD)).uris == expected


def test_rows_that_differ_only_in_form_are_one_image(tmp_path: Path) -> None:
    expected = touch(tmp_path, NFC)
    listing = list_images(table(tmp_path, NFD, NFC))
    assert listing.uris == expected
    assert listing.given == [NFD]


def test_white_space_around_a_name_is_passed_over_where_no_file_has_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", " b.jpg")
    listing = list_images(table(tmp_path, " a.jpg ", " b.jpg", f" {tmp_path}/a.jpg"))
    assert listing.uris == [str(tmp_path / "a.jpg"), str(tmp_path / " b.jpg")]


@pytest.mark.parametrize("n_files", [3, 1000])
def test_images_without_a_file_are_said_once_with_count_and_the_first_three(tmp_path: Path, n_files: int) -> None:
    names = [f"{number}.jpg" for number in range(n_files)]
    touch(tmp_path, *names)
    missing = [f"none/{number}.jpg" for number in range(5)]
    with pytest.warns(UserWarning, match="no file here") as caught:
        listing = list_images(table(tmp_path, *missing[:2], *names, *missing[2:], "s3://bucket/none.jpg"))
    first = ", ".join(str(tmp_path / name) for name in missing[:3])
    assert [str(one.message) for one in caught] == [
        f"images: 5 of {n_files + 6:,} images have no file here, and will count as failed: {first}, …"
    ]
    assert listing.missing == [str(tmp_path / name) for name in missing]
    assert len(listing.uris) == n_files + 6
    assert f"5 of {n_files + 6:,} images have no file here" in listing.describe()


def test_a_table_with_all_its_files_warns_of_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b/c.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listing = list_images(table(tmp_path, "a.jpg", "b/c.jpg", "https://host/d.jpg"))
    assert listing.missing == []


def test_each_folder_is_listed_once_and_no_file_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{folder}/{number}.jpg" for folder in "ab" for number in range(500)]
    touch(tmp_path, *names)
    listed: list[str] = []
    asked: list[str] = []
    scandir, exists = os.scandir, os.path.exists

    def count_listing(path: Any) -> Any:
        listed.append(str(path))
        return scandir(path)

    def count_asking(path: Any) -> bool:
        asked.append(str(path))
        return exists(path)

    path = table(tmp_path, *names, *(f"a/none{number}.jpg" for number in range(500)))
    monkeypatch.setattr(os, "scandir", count_listing)
    monkeypatch.setattr(os.path, "exists", count_asking)
    assert len(list_images(path).missing) == 500
    assert sorted(listed) == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert len(asked) < 10


def test_a_link_to_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    assert list_images(table(tmp_path, "a.jpg")).missing == [str(tmp_path / "a.jpg")]


@pytest.mark.parametrize(("there", "written"), [("a.jpg", "a.JPG"), ("A.jpg", "a.jpg"), ("sub/a.jpg", "sub\\a.jpg")])
def test_a_file_that_is_nearly_meant_is_named_and_not_taken(tmp_path: Path, there: str, written: str) -> None:
    touch(tmp_path, there)
    with pytest.warns(UserWarning, match="is there, which is not") as caught:
        listing = list_images(table(tmp_path, written))
    assert listing.missing == [str(tmp_path / written)]
    assert f"{there!r} is there, which is not {written!r}" in str(caught[0].message)


def test_names_that_no_file_can_have_are_missing(tmp_path: Path) -> None:
    assert list_images(["/nowhere/a\0.jpg", "/nowhere/" + "x" * 300 + ".jpg"]).missing == [
        "/nowhere/a\0.jpg",
        "/nowhere/" + "x" * 300 + ".jpg",
    ]
