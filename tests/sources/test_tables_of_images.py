"""Tables of every common kind, as people have them: what is read, and what an error says of those that are not."""

import bz2
import csv
import gzip
import importlib.util
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from toolkit.sources import Listing, NoImagesError, list_images

TEXT = "uri,id,place\na.jpg,00123,Bern\nb.jpg,7,NA\n"


def listed(folder: Path, name: str, content: str | bytes) -> Listing:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list_images(folder / name)


def columns(listing: Listing) -> dict[str, list[Any]]:
    assert listing.covariates is not None
    return {name: [None if pd.isna(v) else v for v in values] for name, values in listing.covariates.items()}


def zipped(**files: str | bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", TEXT.encode()),
        ("t.CSV", TEXT.encode()),
        ("t.tsv", TEXT.replace(",", "\t").encode()),
        ("t.tab", TEXT.replace(",", "\t").encode()),
        ("t.txt", TEXT.replace(",", "\t").encode()),
        ("semicolons.csv", TEXT.replace(",", ";").encode()),
        ("tabs.csv", TEXT.replace(",", "\t").encode()),
        ("bars.csv", TEXT.replace(",", "|").encode()),
        ("excel.csv", ("sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n")).encode()),
        ("bom.csv", TEXT.encode("utf-8-sig")),
        ("utf16.csv", TEXT.encode("utf-16")),
        ("utf16.txt", TEXT.replace(",", "\t").encode("utf-16")),
        ("utf16be.csv", b"\xfe\xff" + TEXT.encode("utf-16-be")),
        ("utf32.csv", TEXT.encode("utf-32")),
        ("crlf.csv", TEXT.replace("\n", "\r\n").encode()),
        ("cr.csv", TEXT.replace("\n", "\r").encode()),
        ("no-end.csv", TEXT.rstrip().encode()),
        ("blank.csv", TEXT.replace("\n", "\n\n").encode()),
        ("spaces.csv", TEXT.replace(",", ", ").encode()),
        ("quotes.csv", b'"uri", "id", "place"\n"a.jpg", "00123", "Bern"\n"b.jpg", "7", "NA"\n'),
        ("header.csv", TEXT.replace("uri,id,place", " uri ,id , place").encode()),
        ("trailing.csv", TEXT.replace("\n", ",\n").encode()),
        ("trailing-rows.csv", TEXT.replace("Bern\n", "Bern,,\n").encode()),
        ("comments.csv", ("# made by hand\n#\n" + TEXT + "# the end\n").encode()),
        ("pandas.csv", b",uri,id,place\n0,a.jpg,00123,Bern\n1,b.jpg,7,NA\n"),
        ("t.csv.gz", gzip.compress(TEXT.encode())),
        ("t.csv.bz2", bz2.compress(TEXT.encode())),
        ("t.csv.xz", lzma.compress(TEXT.encode())),
        ("t.csv.zst", pa.compress(TEXT.encode(), "zstd", asbytes=True)),
        ("t.zip", zipped(t__csv=TEXT, __MACOSX=b"")),
        ("t.csv.zip", zipped(t__csv=TEXT, readme__md="read me")),
        ("t.json", b'[{"uri": "a.jpg", "id": "00123", "place": "Bern"}, {"uri": "b.jpg", "id": "7", "place": "NA"}]'),
        ("t.jsonl", b'{"uri": "a.jpg", "id": "00123", "place": "Bern"}\n{"uri": "b.jpg", "id": "7", "place": "NA"}'),
    ],
)
def test_a_table_is_read_however_it_is_written(tmp_path: Path, name: str, content: bytes) -> None:
    listing = listed(tmp_path, name, content)
    assert listing.given == ["a.jpg", "b.jpg"]
    assert listing.uris == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]
    assert columns(listing) == {"id": ["00123", "7"], "place": ["Bern", "NA"]}
    assert listing.base == str(tmp_path)


def test_decimal_commas_of_a_table_with_semicolons_are_read(tmp_path: Path) -> None:
    listing = listed(tmp_path, "t.csv", "uri;lat;n;text\na.jpg;47,5;1;1,5\nb.jpg;-8;2;1.5\n")
    assert columns(listing) == {"lat": [47.5, -8.0], "n": [1, 2], "text": ["1,5", "1.5"]}
    assert listing.read_as["lat"] == "numbers with a decimal comma"
    assert listing.written is not None
    assert listing.written["lat"].tolist() == ["47,5", "-8"]


def test_a_line_end_within_quotes_is_part_of_the_cell(tmp_path: Path) -> None:
    listing = listed(tmp_path, "t.csv", 'uri,note\na.jpg,"one\r\ntwo"\nb.jpg,"say ""hi"", now"\n')
    assert columns(listing) == {"note": ["one\r\ntwo", 'say "hi", now']}


def test_a_row_with_too_few_fields_lacks_the_last_and_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="2 rows have fewer fields than the header, first in line 3: the last are"):
        listing = listed(tmp_path, "t.csv", "uri,n,place\na.jpg,1,Bern\nb.jpg,2\nc.jpg\n")
    assert columns(listing) == {"n": [1, 2, None], "place": ["Bern", None, None]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uri,place\na.jpg,Bern, old\nb.jpg,Basel, new\n", r"line 2 has 3 fields, the header 2 \(uri, place\).*' old'"),
        ("uri,place\na.jpg,Bern\nb.jpg,Basel,new\n", "line 3 has 3 fields, the header 2"),
        ('uri,place\na.jpg,"x\ny"\nb.jpg,Basel,new\n', "line 4 has 3 fields"),
        ("# c\n\nuri,place\na.jpg,Bern,1\n", "line 4 has 3 fields"),
        ("sep=,\nuri,place\na.jpg,Bern,1\n", "line 3 has 3 fields"),
        ("uri,place\r\na.jpg,Bern,1\r\n", "line 2 has 3 fields"),
        ("uri,place\ra.jpg,Bern,1\r", "line 2 has 3 fields"),
        ("uri\na,b.jpg\n", "line 2 has 2 fields, the header 1"),
        ("uri;place\na.jpg;Bern;x\n", "line 2 has 3 fields.*in quotes that have a semicolon"),
        ("uri;n;m\na.jpg;1;2\nb.jpg,1,2\n", "line 3 has a comma between its fields, the header a semicolon"),
        ("uri,place,n,place\na.jpg,1,2,3\n", "line 1: columns 2 and 4 are both called 'place'"),
        ("uri,place, place\na.jpg,1,2\n", "line 1: columns 2 and 3 are both called 'place'"),
        ("uri,uri\na.jpg,b.jpg\n", "line 1: columns 1 and 2 are both called 'uri'"),
        ("uri,,n\na.jpg,Bern,1\n", "line 1: column 2 has no name"),
        (",uri\nx,a.jpg\n", "line 1: column 1 has no name"),
        ('uri,note\na.jpg,"open\nb.jpg,x\n', "line 2: a quote .* not closed"),
        ('uri,note\na.jpg,x\nb.jpg,"one" two\n', "line 3: a quote .* within a cell"),
        pytest.param('uri,n\na.jpg,"' + "x,\n" * 50_000, "line 2: a quote .* is not closed", id="an open quote"),
        ("uri,note\na.jpg,x\nb.jpg,\0\n", "line 3 has a NUL byte"),
        ("", "it is empty"),
        ("\n\n", "it is empty"),
    ],
)
def test_a_table_that_cannot_be_understood_names_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"images: the table '.*t\.csv' cannot be read: {message}"):
        listed(tmp_path, "t.csv", text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("uri,x\na.jpg,Zürich\n".encode("cp1252"), "line 2 is no UTF-8: byte 0xfc, which is 'ü' .*CSV UTF-8.*iconv"),
        ("uri,x\na.jpg,1\n".encode("utf-16-le"), "UTF-16 without its mark"),
        (b"\xff\xfeuri", "it begins as UTF-16, but is none"),
    ],
)
def test_another_encoding_is_an_error_that_says_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        listed(tmp_path, "t.csv", content)


@pytest.mark.parametrize("column", ["URI", "Uri", "#uri", "url", "path", "filename", "Image"])
def test_a_column_that_may_be_meant_is_asked_for(tmp_path: Path, column: str) -> None:
    with pytest.raises(ValueError, match=rf"needs one column 'uri'; it has {column}, n; did you mean '{column}'\?"):
        listed(tmp_path, "t.csv", f"{column},n\na.jpg,1\n")


def test_a_table_without_a_header_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its first row must be a header"):
        listed(tmp_path, "t.csv", "photos/a.jpg,1\nphotos/b.jpg,2\n")


def test_a_header_alone_has_no_images(tmp_path: Path) -> None:
    with pytest.raises(NoImagesError, match="has no rows"):
        listed(tmp_path, "t.csv", "uri,lat\n")


def test_what_is_no_part_of_a_table_can_be_asked_for(tmp_path: Path) -> None:
    listing = listed(tmp_path, "t.csv", "# mine\nuri,n,\na.jpg,1\n,,\n")
    assert listing.left_out == {
        "comment lines": ["# mine"],
        "empty rows": ["line 4"],
    }


# Lists


@pytest.mark.parametrize("name", ["list.txt", "list.lst", "list.list", "LIST.TXT"])
def test_a_text_file_with_a_path_in_each_line_is_a_list(tmp_path: Path, name: str) -> None:
    listing = listed(tmp_path, name, "# mine\nb.jpg\r\n\n  sub/a b.jpg \ns3://bucket/c.jpg\n")
    assert listing.given == ["b.jpg", "sub/a b.jpg", "s3://bucket/c.jpg"]
    assert listing.uris == [str(tmp_path / "b.jpg"), str(tmp_path / "sub/a b.jpg"), "s3://bucket/c.jpg"]
    assert listing.covariates is None
    assert listing.left_out == {"comment lines": ["# mine"]}


def test_a_list_may_have_a_header(tmp_path: Path) -> None:
    assert listed(tmp_path, "list.txt", "uri\na.jpg\n").given == ["a.jpg"]


def test_a_list_may_be_compressed_or_json(tmp_path: Path) -> None:
    assert listed(tmp_path, "list.txt.gz", gzip.compress(b"a.jpg\n")).given == ["a.jpg"]
    assert listed(tmp_path, "list.json", '["a.jpg", "b.jpg"]').given == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("text", ["Dear all,\nsee the photos\n", "", "# nothing but a comment\n"])
def test_a_text_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoImagesError, match=r"images: '.*list\.txt' is no list of images"):
        listed(tmp_path, "list.txt", text)


# Files with types


def save_parquet(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def save_feather(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_feather(path.with_suffix(".feather"))
    return path.with_suffix(".feather")


def save_workbook(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_excel(path.with_suffix(".xlsx"), index=False)
    return path.with_suffix(".xlsx")


@pytest.mark.parametrize("save", [save_parquet, save_feather, save_workbook])
def test_columns_with_types_keep_them(tmp_path: Path, save: Callable[[pd.DataFrame, Path], Path]) -> None:
    frame = pd.DataFrame(
        {
            "uri": ["a.jpg", "b.jpg"],
            "id": ["00123", "7"],
            "n": pd.array([2**52 + 1, None], dtype="Int64"),
            "x": [1.5, None],
            "ok": pd.array([True, None], dtype="boolean"),
            "taken": pd.to_datetime(["2020-01-31 08:30", None]),
            "word": ["NA", None],
        }
    )
    listing = list_images(save(frame, tmp_path / "t"))
    assert columns(listing) == {
        "id": ["00123", "7"],
        "n": [2**52 + 1, None],
        "x": [1.5, None],
        "ok": [True, None],
        "taken": [pd.Timestamp("2020-01-31 08:30"), None],
        "word": ["NA", None],
    }
    assert listing.covariates is not None
    assert str(listing.covariates["n"].dtype) == "Int64"


def test_long_whole_numbers_of_parquet_with_gaps_are_exact(tmp_path: Path) -> None:
    pd.DataFrame({"uri": ["a.jpg", "b.jpg"], "n": pd.array([2**62 + 1, None], "Int64")}).to_parquet(tmp_path / "t.pq")
    assert columns(list_images(tmp_path / "t.pq")) == {"n": [2**62 + 1, None]}


def test_an_index_that_is_called_uri_is_the_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1]}, index=pd.Index(["/a.jpg"], name="uri"))
    frame.to_parquet(tmp_path / "t.parquet")
    for images in (tmp_path / "t.parquet", frame):
        assert list_images(images).uris == ["/a.jpg"]
        assert columns(list_images(images)) == {"n": [1]}


def test_columns_that_no_array_can_hold_become_text_or_are_left_out(tmp_path: Path) -> None:
    table = pa.table(
        {
            "uri": ["a.jpg"],
            "boxes": [[1, 2]],
            "price": pa.array(["1.50"]).cast(pa.decimal128(5, 2)),
            "city": pa.array(["Bern"]).dictionary_encode(),
            "thumbnail": [b"\xff\xd8"],
            "nothing": pa.nulls(1),
        }
    )
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    listing = list_images(tmp_path / "t.parquet")
    assert columns(listing) == {"boxes": ["[1, 2]"], "price": [1.5], "city": ["Bern"], "nothing": [None]}
    assert listing.left_out == {"columns of bytes": ["thumbnail"]}


def test_cells_of_several_kinds_in_one_column_are_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"uri": ["a.jpg", "b.jpg", "c.jpg"], "x": ["00123", 5, datetime(2020, 1, 31)]})
    assert columns(list_images(save_workbook(frame, tmp_path / "t"))) == {"x": ["00123", "5", "2020-01-31"]}


def test_the_sheet_with_uris_is_read(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        pd.DataFrame({"note": ["read me"]}).to_excel(book, sheet_name="notes", index=False)
        pd.DataFrame({"uri": ["a.jpg"], "n": [1]}).to_excel(book, sheet_name="photos", index=False)
    assert columns(list_images(tmp_path / "t.xlsx")) == {"n": [1]}


def test_two_sheets_with_uris_are_an_error(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for name in ("may", "june"):
            pd.DataFrame({"uri": ["a.jpg"]}).to_excel(book, sheet_name=name, index=False)
    with pytest.raises(ValueError, match="sheets 'may', 'june' all have a column 'uri'"):
        list_images(tmp_path / "t.xlsx")


def test_a_column_of_a_sheet_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    frame = pd.DataFrame([["a.jpg", 1, 2]], columns=["uri", "n", "n"])
    with pytest.raises(ValueError, match="two columns are called 'n'"):
        list_images(save_workbook(frame, tmp_path / "t"))


def test_empty_rows_of_a_sheet_are_left_out_and_errors_name_its_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"uri": ["a.jpg", None, None, "b.jpg"], "n": [1, None, None, 2]})
    listing = list_images(save_workbook(frame, tmp_path / "t"))
    assert listing.given == ["a.jpg", "b.jpg"]
    assert listing.left_out == {"empty rows": ["row 3", "row 4"]}
    frame.loc[1, "n"] = 5
    with pytest.raises(ValueError, match="row 3 of the sheet: the uri is missing"):
        list_images(save_workbook(frame, tmp_path / "t"))


@pytest.mark.parametrize(("name", "missing"), [("t.xlsx", "openpyxl"), ("t.gpkg", "pyogrio")])
def test_a_library_that_is_not_installed_is_named_with_the_remedy(
    tmp_path: Path, name: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "t.xlsx":
        save_workbook(pd.DataFrame({"uri": ["a.jpg"]}), tmp_path / "t")
    else:
        (tmp_path / name).write_bytes(b"SQLite format 3\0")
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(ValueError, match=r"pip install 'segscape\[tables\]'"):
        list_images(tmp_path / name)


@pytest.mark.skipif(importlib.util.find_spec("xlrd") is not None, reason="xlrd is installed")
def test_an_old_workbook_names_its_library(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read: .*(xlrd|no workbook)"):
        listed(tmp_path, "t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))


# Places


POINT = {"type": "Point", "coordinates": [8.5, 47.25, 400]}
FEATURES = [
    {"type": "Feature", "properties": {"uri": "a.jpg", "id": "007"}, "geometry": POINT},
    {"type": "Feature", "properties": {"uri": "b.jpg", "id": "8"}, "geometry": None},
]


def test_points_of_geojson_become_latitude_and_longitude(tmp_path: Path) -> None:
    listing = listed(tmp_path, "t.geojson", json.dumps({"type": "FeatureCollection", "features": FEATURES}))
    assert columns(listing) == {"id": ["007", "8"], "lat": [47.25, None], "lon": [8.5, None]}


def test_geojson_may_have_a_feature_in_each_line(tmp_path: Path) -> None:
    listing = listed(tmp_path, "t.geojsonl", "\n".join(map(json.dumps, FEATURES)))
    assert columns(listing)["lat"] == [47.25, None]


def test_geojson_of_another_reference_system_is_refused(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2056"}}
    with pytest.raises(ValueError, match=r"its coordinates are in .*2056; save it in degrees"):
        listed(tmp_path, "t.geojson", json.dumps({"type": "FeatureCollection", "crs": crs, "features": FEATURES}))


def test_shapes_that_are_no_points_are_left_out(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[8, 47], [9, 48]]}
    feature = {"type": "Feature", "properties": {"uri": "a.jpg", "n": 1}, "geometry": line}
    listing = listed(tmp_path, "t.geojson", json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert columns(listing) == {"n": [1]}
    assert list(listing.left_out) == ["geometries that are no points (LineString)"]


@pytest.mark.parametrize("name", ["t.gpkg", "t.shp", "t.zip", "t.fgb", "t.parquet"])
def test_points_of_layers_become_latitude_and_longitude(tmp_path: Path, name: str) -> None:
    import geopandas

    frame = pd.DataFrame({"uri": ["a.jpg", "b.jpg"], "id": ["007", "8"]})
    points = geopandas.GeoDataFrame(frame, geometry=geopandas.points_from_xy([8.5, 8.75], [47.25, 47.5]), crs=4326)
    points = points.to_crs(3857)
    if name == "t.parquet":
        points.to_parquet(tmp_path / name)
    elif name == "t.zip":
        points.to_file(tmp_path / "layer.shp")
        (tmp_path / name).write_bytes(zipped(**{f"l__{p.suffix[1:]}": p.read_bytes() for p in tmp_path.iterdir()}))
    else:
        points.to_file(tmp_path / name)
    listing = list_images(tmp_path / name)
    assert listing.covariates is not None
    found = listing.covariates.assign(uri=listing.given).sort_values("uri")
    assert found["id"].tolist() == ["007", "8"]
    assert found["lat"].tolist() == pytest.approx([47.25, 47.5], abs=1e-6)
    assert found["lon"].tolist() == pytest.approx([8.5, 8.75], abs=1e-6)
    assert list_images(points).covariates is not None


def test_places_of_parquet_without_geopandas_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import geopandas

    frame = pd.DataFrame({"uri": ["a.jpg"], "n": [1]})
    geopandas.GeoDataFrame(frame, geometry=geopandas.points_from_xy([8], [47]), crs=4326).to_parquet(tmp_path / "t.pq")
    monkeypatch.setattr("toolkit.sources.geography.find_spec", lambda name: None)
    listing = list_images(tmp_path / "t.pq")
    assert columns(listing) == {"n": [1]}
    assert listing.left_out == {"columns of places, which need geopandas": ["geometry"]}


def test_that_nothing_is_looked_for_on_servers_is_said(tmp_path: Path) -> None:
    listing = listed(tmp_path, "t.csv", "uri\ns3://bucket/a.jpg\n")
    assert listing.missing == []
    assert "1 of them are on servers, where they were not looked for" in listing.describe()


# What is no table


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{"images": []}', "neither GeoJSON nor a list"),
        ("a.json", '[{"uri": "a.jpg"}, 5]', r"element 1 \(counted from 0\) is '5'"),
        ("a.json", '[{"uri": "a.jpg", "uri": "b.jpg"}]', "'uri' twice"),
        ("a.json", '[{"uri": "a.jpg"\n', "line 2, column 1"),
        ("a.jsonl", '{"uri": "a.jpg"}\n{"uri": \n', "line 2, column 9"),
        ("a.csv.gz", gzip.compress(TEXT.encode())[:-9], "ended before"),
        ("a.csv.gz", b"no gzip", "Not a gzipped file"),
        ("a.zip", zipped(a__csv=TEXT, b__csv=TEXT), "holds 2 tables"),
        ("a.zip", zipped(a__jpg=b""), r"holds no table \(a\.jpg\); unpack it"),
        ("a.zip", b"PK\3\4", "not a zip file"),
        ("a.csv.xz", b"junk", "format not supported"),
        ("a.csv.bz2", b"junk", "Invalid data stream"),
        ("a.csv.zst", b"junk", "save it again"),
        ("a.xlsx", b"PK\3\4", "no workbook, or damaged"),
        ("a.gpkg", b"junk", "not recognized"),
        ("a.parquet", b"junk", "Parquet"),
        ("a.feather", b"junk", "save it again"),
    ],
)
def test_a_damaged_or_odd_table_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    with pytest.raises(ValueError, match=rf"(?s)images: the table '.*{name}' cannot be read: .*{words}"):
        listed(tmp_path, name, content)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.docx", b"PK\3\4", "a text document"),
        ("a.pdf", b"%PDF-1.7", "a PDF or PostScript document"),
        ("a.mp4", b"\0\0\0\x18ftypmp42", "a video"),
        ("video", b"\0\0\0\x18ftypmp42", "an MP4 or QuickTime video"),
        ("a.7z", b"7z", "an archive"),
        ("a.tar.gz", b"\x1f\x8b", "a gzip archive"),
        ("a.heic", b"\0\0\0\x18ftypheic", "a picture in a format that is not read"),
        ("a.gif", b"GIF89a", "a picture in a format that is not read"),
        ("a.md", b"# Title", "a text file"),
        ("notes", "Zürich".encode(), "a text file"),
        ("data", b"\0\1\2\xff", "a file of an unknown kind"),
        ("nothing", b"", "an empty file"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_what_it_seems_to_be(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(NoImagesError, match=f"is neither an image nor a table: it seems to be {words}"):
        listed(tmp_path, name, content)


def test_a_picture_without_a_suffix_is_an_image(tmp_path: Path) -> None:
    assert listed(tmp_path, "photo", b"\xff\xd8\xff\xe0").uris == [str(tmp_path / "photo")]


@pytest.mark.parametrize(
    "text",
    ['"","uri","x"\n"1","a.jpg",5\n"2","b.jpg",6\n', ",uri,x\n0,a.jpg,5\n7,b.jpg,6\n"],
    ids=["R's row names", "a filtered frame"],
)
def test_numbers_of_rows_are_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    listing = list_images(tmp_path / "t.csv", quiet=True)
    assert listing.covariates is not None
    assert listing.covariates.to_dict("list") == {"x": [5, 6]}
    assert listing.left_out == {"columns without a name": ["column 1"]}


def test_long_cells_are_read_whatever_limit_the_process_has(tmp_path: Path) -> None:
    outline = "POLYGON ((" + "7.44 46.95, " * 15_000 + "7.44 46.95))"
    (tmp_path / "t.csv").write_text(f'uri,where\na.jpg,"{outline}"\n')
    before = csv.field_size_limit(20)
    try:
        listing = list_images(tmp_path / "t.csv", quiet=True)
    finally:
        csv.field_size_limit(before)
    assert listing.covariates is not None
    assert listing.covariates["where"].tolist() == [outline]


def test_points_between_thousands_are_not_taken_for_decimal_ones(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("uri;pop;lat;day\na.jpg;1.234;46.1;14.05.2021\nb.jpg;12.345;7;1.6.2021\n")
    listing = list_images(tmp_path / "t.csv", quiet=True)
    assert listing.covariates is not None
    assert listing.covariates["pop"].tolist() == ["1.234", "12.345"]
    assert listing.covariates["lat"].tolist() == [46.1, 7.0]
    assert "points may be decimal or between thousands" in listing.read_as["pop"]
    assert "days first" in listing.read_as["day"]
    said = list_images(tmp_path / "t.csv", {"day": "time"}, quiet=True)
    assert said.covariates is not None
    assert said.covariates["day"].dt.strftime("%Y-%m-%d").tolist() == ["2021-05-14", "2021-06-01"]
