"""What a person may say to name images, and the list of URIs that comes of it."""

import os
import re
import socket
import warnings
from pathlib import Path

import pandas as pd
import pytest

import toolkit
from toolkit.sources import NoImagesError, list_images, normalize_uri


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


# Directories


def test_a_directory_gives_its_images_sorted_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "b/c/2.png", "b/1.jpg", "a.JPEG", "c.TiF", "d.tiff", "e.webp", "f.bmp")
    names = ["a.JPEG", "b/1.jpg", "b/c/2.png", "c.TiF", "d.tiff", "e.webp", "f.bmp"]
    assert list_images(tmp_path).uris == [str(tmp_path / name) for name in names]


def test_a_directory_given_as_text_is_the_same(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    assert list_images(str(tmp_path) + "/").uris == list_images(tmp_path).uris


def test_other_files_of_a_directory_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "notes.txt", "b.gif", "jpg", "c.jpg.part")
    assert list_images(tmp_path).uris == [str(tmp_path / "a.jpg")]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", ".b.jpg", ".thumbnails/c.jpg")
    assert list_images(tmp_path).uris == [str(tmp_path / "a.jpg")]


def test_a_hidden_directory_that_is_named_is_listed(tmp_path: Path) -> None:
    expected = touch(tmp_path, ".photos/a.jpg")
    assert list_images(tmp_path / ".photos").uris == expected


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "disk/a.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "2024").symlink_to(tmp_path / "disk")
    assert list_images(tmp_path / "photos").uris == [str(tmp_path / "photos/2024/a.jpg")]


def test_a_folder_linked_into_itself_is_listed_once(tmp_path: Path) -> None:
    expected = touch(tmp_path, "photos/a.jpg")
    (tmp_path / "photos" / "again").symlink_to(tmp_path / "photos")
    assert list_images(tmp_path / "photos").uris == expected


def test_a_folder_that_cannot_be_read_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg")
    scandir = os.scandir

    def deny(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.warns(UserWarning, match="locked' cannot be read"):
        assert list_images(tmp_path).uris == [str(tmp_path / "a.jpg")]


def test_a_directory_without_images_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(
        NoImagesError, match=r"images: .*\.jpg \.jpeg .*\.png .* in this folder \(1 file was left out: 1 \.txt\)"
    ):
        list_images(tmp_path)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPE", ".jif", ".dib", ".mpo"])
def test_rarer_suffixes_of_formats_that_are_read_are_listed(tmp_path: Path, suffix: str) -> None:
    expected = touch(tmp_path, f"a{suffix}")
    assert list_images(tmp_path).uris == expected


FOREIGN = [
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    ".thumbnails/normal/a.png",
    ".@__thumb/default_a.jpg",
    "#recycle/a.jpg",
    "@Recycle/a.jpg",
    "$RECYCLE.BIN/S-1-5/$RABC.jpg",
    ".Trash-1000/files/a.jpg",
    ".Trashes/501/a.jpg",
    "#snapshot/2024/photos/a.jpg",
    ".snapshot/hourly/a.jpg",
    "~snapshot/hourly/a.jpg",
    ".zfs/snapshot/x/a.jpg",
    "@Recently-Snapshot/x/a.jpg",
    "System Volume Information/a.jpg",
    "__MACOSX/photos/._a.jpg",
    "lost+found/#123.jpg",
    ".dropbox.cache/a.jpg",
    ".stversions/a~2024.jpg",
    ".sync/Archive/a.jpg",
    ".AppleDouble/a.jpg",
    "2024/@eaDir/a.jpg/x.jpg",
    "2024/@EADIR/x.jpg",
    "._a.jpg",
    "2024/.a.jpg.icloud",
]


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.filterwarnings("ignore:images. 1 file was left out")
@pytest.mark.parametrize("images", ["photos", "photos/**", "photos/**/*.jpg"])
def test_what_no_camera_made_is_left_out(
    tmp_path: Path, foreign: str, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (expected,) = touch(tmp_path, "photos/2024/a.jpg")
    touch(tmp_path, f"photos/{foreign}")
    assert list_images(images).uris == [expected]


@pytest.mark.parametrize("foreign", ["@eaDir", "#recycle", "__MACOSX", ".snapshot", "lost+found"])
def test_a_foreign_folder_that_is_named_is_listed(tmp_path: Path, foreign: str) -> None:
    expected = touch(tmp_path, f"{foreign}/below/a.jpg")
    assert list_images(tmp_path / foreign).uris == expected
    assert list_images(f"{tmp_path}/{foreign}/**/*.jpg").uris == expected


@pytest.mark.parametrize(
    "name",
    ["thumbs/a.jpg", "a (conflicted copy 2024-01-01).jpg", "a.sync-conflict-1.jpg", "a (1).jpg", "recycling/a.jpg"],
)
def test_what_a_person_may_have_made_is_listed(tmp_path: Path, name: str) -> None:
    expected = touch(tmp_path, name)
    assert list_images(tmp_path).uris == expected


def test_what_was_left_out_is_said_once_by_reason_and_count(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", *(f"@eaDir/{n}.jpg" for n in range(20)), *(f"{n}.MP4" for n in range(4)), "notes", ".x")
    with pytest.warns(UserWarning, match=r"images: 26 files were left out") as caught:
        listing = list_images(tmp_path)
    assert len(caught) == 1
    assert "26 files were left out: 20 thumbnails in @eaDir, 4 .mp4, 1 " in str(caught[0].message)
    assert {reason: len(files) for reason, files in listing.left_out.items()} == {
        "thumbnails in @eaDir": 20,
        ".mp4": 4,
        "without a suffix": 1,
        "hidden": 1,
    }
    assert str(tmp_path / "0.MP4") in listing.left_out[".mp4"]
    assert "26 files were left out" in listing.describe()


def test_rare_kinds_of_what_was_left_out_are_counted_together(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", *(f"{n}.kind{n}" for n in range(9)))
    with pytest.warns(UserWarning, match=r"9 files were left out: 1 \.kind0, .* 1 \.kind5, 3 of other kinds;"):
        assert len(list_images(tmp_path).left_out) == 9


def test_hidden_files_and_those_of_desktops_alone_are_no_news(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "._a.jpg", ".hidden/b.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listing = list_images(tmp_path)
    assert {reason: len(files) for reason, files in listing.left_out.items()} == {"files of desktops": 4, "hidden": 1}


def test_what_a_folder_without_images_holds_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.heic", "c.heic")
    with pytest.raises(NoImagesError, match=r"3 files were left out: 2 \.heic, 1 \.mp4"):
        list_images(tmp_path)


# What was given


def test_paths_of_a_directory_are_given_below_it(tmp_path: Path) -> None:
    touch(tmp_path, "b/c/2.png", "a.jpg")
    listing = list_images(tmp_path)
    assert listing.given == ["a.jpg", "b/c/2.png"]
    assert listing.base is None


def test_paths_of_a_pattern_are_given_below_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "photos/2023/a.jpg", "photos/2024/a.jpg")
    monkeypatch.chdir(tmp_path)
    for pattern in ("photos/**/*.jpg", "photos/20*/a.jpg", f"{tmp_path}/photos/2[0-9]*/*"):
        assert list_images(pattern).given == ["2023/a.jpg", "2024/a.jpg"]
    assert list_images("*/2023/a.jpg").given == ["photos/2023/a.jpg"]


def test_elements_and_cells_are_given_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = ["./a.jpg", "sub/../b.jpg", "s3://bucket/c.jpg", "a.jpg"]
    assert list_images([*written, Path("d.jpg")]).given == [*written[:3], "d.jpg"]
    assert list_images(pd.DataFrame({"uri": written})).given == written[:3]
    assert list_images(pd.DataFrame({"uri": written})).base == str(tmp_path)


def test_a_listing_is_given_back(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    listing = list_images(tmp_path)
    assert list_images(listing) is listing


def test_listing_is_public() -> None:
    assert toolkit.list_images is list_images


# Patterns and single files


def test_a_pattern_matches_at_any_depth_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = touch(tmp_path, "photos/1.jpg", "photos/a/b/2.jpg")
    touch(tmp_path, "photos/a/3.png")
    monkeypatch.chdir(tmp_path)
    assert list_images("photos/**/*.jpg").uris == expected


def test_a_pattern_matches_files_of_any_suffix_and_no_folders(tmp_path: Path) -> None:
    expected = touch(tmp_path, "a.photo")
    (tmp_path / "folder.photo").mkdir()
    assert list_images(f"{tmp_path}/*.photo").uris == expected


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = touch(tmp_path, "photos/a.jpg")
    assert list_images("~/photos/*.jpg").uris == expected
    assert list_images("~/photos").uris == expected


def test_the_data_catalog_prefix_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path))
    expected = touch(tmp_path, "samples/a.jpg")
    assert list_images("data_catalog:samples").uris == expected
    assert list_images("data_catalog:samples/*.jpg").uris == expected
    assert list_images(["data_catalog:samples/a.jpg"]).uris == expected


def test_a_pattern_without_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoImagesError, match=r"images: '.*\*\.jpg': no files match"):
        list_images(f"{tmp_path}/*.jpg")


def test_an_existing_file_wins_over_the_pattern_it_could_be(tmp_path: Path) -> None:
    bracketed, _ = touch(tmp_path, "a[1].jpg", "a1.jpg")
    assert list_images(bracketed).uris == [bracketed]


def test_an_existing_directory_wins_over_the_pattern_it_could_be(tmp_path: Path) -> None:
    expected = touch(tmp_path, "photos [old]/a.jpg")
    assert list_images(tmp_path / "photos [old]").uris == expected


def test_one_image_file_is_a_list_of_one(tmp_path: Path) -> None:
    expected = touch(tmp_path, "a.jpg")
    listing = list_images(expected[0])
    assert listing.uris == expected
    assert listing.covariates is None


def test_one_file_uri_is_a_list_of_one(tmp_path: Path) -> None:
    expected = touch(tmp_path, "a b.jpg")
    assert list_images(Path(expected[0]).as_uri()).uris == expected


@pytest.mark.parametrize("images", ["nowhere/at/all", "nowhere.jpg", "nowhere.csv", ""])
def test_a_path_that_does_not_exist_is_an_error(images: str) -> None:
    with pytest.raises(NoImagesError, match=f"images: '{images}'.*give a directory, a glob pattern"):
        list_images(images)


def test_a_folder_on_another_machine_is_an_error_with_the_remedy() -> None:
    with pytest.raises(NoImagesError, match=r"ftp://host/photos.*give the list of its images"):
        list_images("ftp://host/photos")


# Lists


def test_a_list_is_taken_verbatim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a1.jpg", "b.jpg")
    images = ["b.jpg", Path("none.jpg"), "a*.jpg", "s3://bucket/c.jpg"]
    expected = [str(tmp_path / "b.jpg"), str(tmp_path / "none.jpg"), str(tmp_path / "a*.jpg"), "s3://bucket/c.jpg"]
    assert list_images(images).uris == expected


@pytest.mark.parametrize("wrap", [tuple, iter, pd.Series, lambda uris: (uri for uri in uris)])
def test_any_iterable_will_do(wrap: type) -> None:
    assert list_images(wrap(["/b.jpg", "/a.jpg"])).uris == ["/b.jpg", "/a.jpg"]


def test_the_first_of_duplicates_is_kept() -> None:
    assert list_images(["/b.jpg", "/a.jpg", "/x/../b.jpg", "file:///a.jpg"]).uris == ["/b.jpg", "/a.jpg"]


def test_an_empty_list_is_an_error() -> None:
    with pytest.raises(NoImagesError, match="images: the list is empty"):
        list_images([])


@pytest.mark.parametrize("images", [None, 3, b"photos", {"uri": "a.jpg"}])
def test_another_type_is_an_error(images: object) -> None:
    with pytest.raises(TypeError, match=r"images: .* is a .*; give a directory"):
        list_images(images)  # type: ignore[arg-type]


def test_an_element_of_another_type_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match=r"images: element 1 .*None"):
        list_images(["a.jpg", None])  # type: ignore[list-item]


@pytest.mark.parametrize("name", ["photos.csv", "photos.xlsx", "list.txt", "photos"])
def test_a_list_of_nothing_but_a_table_or_folder_is_an_error(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "photos/a.jpg")
    with pytest.raises(NoImagesError, match=f"nothing but '.*{name}', which is no image; give it by itself"):
        list_images([tmp_path / name])


def test_an_empty_element_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"images: element 1 .*empty"):
        list_images(["a.jpg", ""])


# Tables


def save(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".CSV"])
def test_the_other_columns_of_a_table_are_covariates(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"lat": [1.5, None], "uri": ["/b.jpg", "/a.jpg"], "street": ["High", "Low"]})
    listing = list_images(save(frame, tmp_path / f"photos{suffix}"))
    assert listing.uris == ["/b.jpg", "/a.jpg"]
    assert listing.covariates is not None
    pd.testing.assert_frame_equal(listing.covariates, frame[["lat", "street"]])


def test_uris_of_a_table_start_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    table = save(pd.DataFrame({"uri": ["a.jpg", "../b.jpg", "s3://c/d.jpg"]}), tmp_path / "study" / "photos.csv")
    assert list_images(table).uris == [str(tmp_path / "study/a.jpg"), str(tmp_path / "b.jpg"), "s3://c/d.jpg"]


def test_uris_of_a_frame_start_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list_images(pd.DataFrame({"uri": ["a.jpg", Path("b.jpg")]})).uris == [
        str(tmp_path / "a.jpg"),
        str(tmp_path / "b.jpg"),
    ]


def test_a_frame_is_left_as_it_was() -> None:
    frame = pd.DataFrame({"uri": ["/a.jpg", "/a.jpg"], "lat": [1, 1]}, index=[7, 8])
    before = frame.copy()
    list_images(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_covariates_are_numbered_anew() -> None:
    listing = list_images(pd.DataFrame({"uri": ["/a.jpg", "/b.jpg"], "lat": [1, 2]}, index=[7, 8]))
    assert listing.covariates is not None
    assert listing.covariates.index.tolist() == [0, 1]


def test_a_table_with_nothing_but_uris_has_no_covariates() -> None:
    assert list_images(pd.DataFrame({"uri": ["/a.jpg"]})).covariates is None


def test_a_name_of_digits_stays_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("uri,lat\n001,1\n")
    assert list_images(tmp_path / "photos.csv").uris == [str(tmp_path / "001")]


def test_commas_at_the_ends_of_lines_move_no_column(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("uri,lat\n/a.jpg,1,\n/b.jpg,2,\n")
    assert list_images(tmp_path / "photos.csv").uris == ["/a.jpg", "/b.jpg"]


def test_a_table_as_excel_saves_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("uri,lat\r\n/a.jpg,1\r\n", encoding="utf-8-sig")
    assert list_images(tmp_path / "photos.csv").uris == ["/a.jpg"]


def test_equal_rows_of_one_image_become_one() -> None:
    frame = pd.DataFrame({"uri": ["/a.jpg", "/b.jpg", "/a.jpg"], "lat": [1, 2, 1], "lon": [None, 3, None]})
    listing = list_images(frame)
    assert listing.uris == ["/a.jpg", "/b.jpg"]
    assert listing.covariates is not None
    assert listing.covariates["lat"].tolist() == [1, 2]


@pytest.mark.parametrize("later", [2.0, None])
def test_differing_rows_of_one_image_are_an_error(later: float | None) -> None:
    frame = pd.DataFrame({"uri": ["/b.jpg", "/a.jpg", "/x/../a.jpg"], "lat": [1, 1, later]})
    with pytest.raises(ValueError, match=r"images: '/a\.jpg' is there twice: rows 1 and 2 .* differ in 'lat'"):
        list_images(frame)


def test_a_table_without_uris_is_an_error_that_lists_its_columns(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"photos\.csv needs one column 'uri'; it has path, lat"):
        list_images(save(pd.DataFrame({"path": ["a.jpg"], "lat": [1]}), tmp_path / "photos.csv"))


def test_a_column_name_that_occurs_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="two columns of one name among uri, lat, lat"):
        list_images(pd.DataFrame([["/a.jpg", 1, 2]], columns=["uri", "lat", "lat"]))


@pytest.mark.parametrize("missing", ["", " ", None, float("nan"), pd.NA])
def test_a_missing_uri_is_an_error_that_names_the_row(missing: object) -> None:
    with pytest.raises(ValueError, match=r"images: the DataFrame, row 1 .* missing"):
        list_images(pd.DataFrame({"uri": ["/a.jpg", missing]}))


def test_a_missing_uri_in_a_file_is_an_error_that_names_the_row(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("uri,lat\n/a.jpg,1\n,2\n")
    with pytest.raises(ValueError, match=r"photos\.csv, row 1 .* missing"):
        list_images(tmp_path / "photos.csv")


def test_a_uri_of_another_type_is_an_error_that_names_the_row() -> None:
    with pytest.raises(TypeError, match=r"row 1 .* 3 is a int"):
        list_images(pd.DataFrame({"uri": ["/a.jpg", 3]}))


@pytest.mark.parametrize("name", ["photos.csv", "photos.tsv", "photos.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00garbled\xff"])
def test_a_garbled_table_is_an_error_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"images: the table '.*{name}' cannot be read"):
        list_images(tmp_path / name)


def test_a_table_without_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("uri,lat\n")
    with pytest.raises(NoImagesError, match=r"photos\.csv has no rows"):
        list_images(tmp_path / "photos.csv")


# The normal form


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("/a/./b/../c.jpg", "/a/c.jpg"),
        ("/a%20b.jpg", "/a%20b.jpg"),
        ("file:///a%20b.jpg", "/a b.jpg"),
        ("FILE://localhost/a.jpg", "/a.jpg"),
        (f"file://{socket.gethostname()}/a.jpg", "/a.jpg"),
        ("file://elsewhere.example/a.jpg", "file://elsewhere.example/a.jpg"),
        ("s3://bucket//a/../b.jpg?version=1", "s3://bucket//a/../b.jpg?version=1"),
        ("/straße/été.jpg", "/straße/été.jpg"),
        ("/caf\udce9 1.jpg", "file:///caf%E9%201.jpg"),
        ("file:///caf%E9%201.jpg", "file:///caf%E9%201.jpg"),
    ],
)
def test_the_normal_form_of(uri: str, normal: str) -> None:
    assert normalize_uri(uri) == normal


def test_the_normal_form_is_its_own_normal_form() -> None:
    for uri in ("/a/../b c%20.jpg", "file:///caf%E9.jpg", "https://host/a.jpg", "/\ud800.jpg"):
        assert normalize_uri(normalize_uri(uri)) == normalize_uri(uri)


def test_symbolic_links_stay_in_the_normal_form(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert normalize_uri(tmp_path / "link" / "a.jpg") == str(tmp_path / "link" / "a.jpg")


def test_a_name_that_is_not_utf8_is_listed_as_text(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).touch()
    (uri,) = list_images(tmp_path).uris
    assert uri == f"file://{tmp_path}/caf%E9.jpg"


def test_listing_warns_of_nothing_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list_images(tmp_path)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["2020-01-31", "2021-12-01"], "datetime64[ns]"),
        (["2020-01-31", ""], "datetime64[ns]"),
        (["2020-01-31T08:30", "2020-01-31 08:30:15.5"], "datetime64[ns]"),
        (["2020-01-31T08:30Z", "2020-01-31T08:30+02:00"], "datetime64[ns, UTC]"),
        (["2020-02-30", "2020-01-01"], "str"),  # there is no such day
        (["31.1.2020", "1.2.2020"], "str"),  # or is it the second of January?
        (["2020", "2021"], "int64"),
        (["2020-01-31", "unknown"], "str"),
    ],
)
def test_iso_dates_of_a_table_are_times(tmp_path: Path, texts: list[str], kind: str) -> None:
    rows = [f"{number}.jpg,{text}" for number, text in enumerate(texts)]
    (tmp_path / "table.csv").write_text("\n".join(["uri,date", *rows, ""]), encoding="utf-8")
    covariates = list_images(tmp_path / "table.csv").covariates
    assert covariates is not None
    dtype = str(covariates["date"].dtype).replace("object", "str")
    assert re.sub(r"\[u?s", "[ns", dtype) == kind
