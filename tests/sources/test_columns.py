"""What a column of texts is: which become values, which stay text, and what a person may say of it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.sources import Listing, list_images
from toolkit.sources.columns import read_texts
from toolkit.sources.values import Column


def listed(tmp_path: Path, *cells: str, **settings: Any) -> Listing:
    """A table with a column ``x`` of these cells, which are quoted."""
    quoted = ['"' + cell.replace('"', '""') + '"' if cell else "" for cell in cells]
    rows = [f"{number}.jpg,{cell}" for number, cell in enumerate(quoted)]
    (tmp_path / "table.csv").write_text("\n".join(["uri,x", *rows, ""]), encoding="utf-8", newline="")
    return list_images(tmp_path / "table.csv", **settings)


def values(listing: Listing) -> list[Any]:
    assert listing.covariates is not None
    return [None if pd.isna(value) else value for value in listing.covariates["x"]]


def kind(listing: Listing) -> str:
    assert listing.covariates is not None
    return str(listing.covariates["x"].dtype).replace("object", "str")


@pytest.mark.parametrize(
    "cells",
    [
        ("00123", "124"),
        ("007", "008"),
        ("61e4567", "12"),  # infinity to a parser of numbers
        ("61e45", "12e34"),
        ("1e5", "2"),
        ("12345678901234567890", "1"),  # beyond 64 bits
        ("9223372036854775808",),
        ("1_000", "2"),
        ("0x10", "1"),
        ("0b1", "1"),
        ("+5", "6"),
        ("+41791234567",),
        ("NA", "1", "2"),
        ("nan", "1.5"),
        ("NaN", "1.5"),
        ("null", "1"),
        ("None", "None"),
        ("N/A", "1"),
        ("-", "1"),
        ("inf", "1.5"),
        ("-Infinity", "1.5"),
        ("1,5", "2,5"),  # two numbers, or one with a decimal comma?
        ("1.234,5",),
        ("1'000", "2"),
        ("1 000", "2"),
        ("12%", "5%"),
        ("1.5 m",),
        ("1.2.3",),
        ("1e400", "1.5"),
        ("1.5e-400", "1.5"),  # nought to a parser of numbers
        ("0.333333333333333333", "0.5"),  # more digits than a double holds
        ("9007199254740993", "0.5"),  # 2**53 + 1
        ("20230101.123456789",),
        ("00.5", "1.5"),
        ("-00", "1"),
        ("True", "true"),
        ("True", "maybe"),
        ("T", "F"),
        ("yes", "no"),
        ("2020-02-30", "2020-01-01"),
        ("2021-02-29",),
        ("2020-13-01",),
        ("31.1.2020", "1.2.2020"),
        ("01/02/2020",),
        ("2020/01/02",),
        ("2020-01-01", "2.1.2020"),
        ("2020-01-01T08:00Z", "2020-01-01T08:00"),  # one with a zone, one without
        ("2020-01-01T25:00",),
        ("2020-01-01T08:00:60",),
        ("2020-01-01T08:00:00.123456789",),  # catalogs hold microseconds
        ("08:30", "09:00"),
        ("2020-01", "2020-02"),
        ("１２", "１３"),  # full-width digits
        ("٣", "٤"),
        ("½", "1"),
        ("−5", "3"),  # a minus sign that is none
        ("1\n2", "3"),
        ("Bern", "NA"),
    ],
)
def test_what_would_lose_something_in_a_row_stays_text(tmp_path: Path, cells: tuple[str, ...]) -> None:
    listing = listed(tmp_path, *cells)
    assert kind(listing) == "str"
    assert values(listing) == list(cells)
    assert listing.written is None


@pytest.mark.parametrize(
    ("cells", "dtype", "expected"),
    [
        (("1", "2"), "int64", [1, 2]),
        (("0", "-5"), "int64", [0, -5]),
        (("1", "", "3"), "Int64", [1, None, 3]),
        (("9223372036854775807", ""), "Int64", [2**63 - 1, None]),
        (("-9223372036854775808",), "int64", [-(2**63)]),
        (("1152921504606846977", "", "5"), "Int64", [1152921504606846977, None, 5]),
        (("20200131",), "int64", [20200131]),
        (("1.5", "0.25"), "float64", [1.5, 0.25]),
        (("1.5", ""), "float64", [1.5, None]),
        (("1.5e-05", "1e+16"), "float64", [1.5e-05, 1e16]),
        (("0.1", "0.30000000000000004"), "float64", [0.1, 0.30000000000000004]),
        (("1.7976931348623157e+308", "5e-324"), "float64", [1.7976931348623157e308, 5e-324]),
        (("True", "False"), "bool", [True, False]),
        (("True", ""), "boolean", [True, None]),
        (("2020-01-31", ""), "datetime64[us]", [pd.Timestamp("2020-01-31"), None]),
        (("2020-01-31T08:30:00",), "datetime64[us]", [pd.Timestamp("2020-01-31T08:30")]),
        (("0001-01-01", "9999-12-31"), "datetime64[us]", [pd.Timestamp("0001-01-01"), pd.Timestamp("9999-12-31")]),
        (("2020-01-31T08:30:00Z",), "datetime64[us, UTC]", [pd.Timestamp("2020-01-31T08:30Z")]),
    ],
)
def test_what_comes_back_from_its_values_becomes_values(
    tmp_path: Path, cells: tuple[str, ...], dtype: str, expected: list[Any]
) -> None:
    listing = listed(tmp_path, *cells)
    assert kind(listing).replace("[s", "[us").replace("[ns", "[us") == dtype
    assert values(listing) == expected
    assert listing.written is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1.50", "2.25"), [1.5, 2.25]),
        (("47", "8.5"), [47.0, 8.5]),
        ((" 12 ", "5"), [12, 5]),
        (("-0", "5"), [0, 5]),
        ((".5", "5."), [0.5, 5.0]),
        (("1E+05", "1.5"), [100000.0, 1.5]),
        (("1.0E10", "1.5"), [1e10, 1.5]),
        (("0.10000000000000001",), [0.1]),  # 17 digits, as C writes a double
        (("TRUE", "FALSE"), [True, False]),
        (("true", "false"), [True, False]),
        (("2020-01-31T08:30", "2020-01-31"), [pd.Timestamp("2020-01-31T08:30"), pd.Timestamp("2020-01-31")]),
        (("2020-01-31T08:30+02:00",), [pd.Timestamp("2020-01-31T06:30Z")]),
        (("2020-01-31T08:30Z",), [pd.Timestamp("2020-01-31T08:30Z")]),
    ],
)
def test_what_was_written_is_kept_where_the_values_do_not_give_it_back(
    tmp_path: Path, cells: tuple[str, ...], expected: list[Any]
) -> None:
    listing = listed(tmp_path, *cells)
    assert values(listing) == expected
    assert listing.written is not None
    assert listing.written["x"].tolist() == list(cells)


@pytest.mark.parametrize("empty", ["", " ", "\t "])
def test_empty_cells_are_missing_in_text_too(tmp_path: Path, empty: str) -> None:
    assert values(listed(tmp_path, "a", empty)) == ["a", None]


def test_white_space_within_text_is_kept(tmp_path: Path) -> None:
    assert values(listed(tmp_path, " Bern ", "Basel")) == [" Bern ", "Basel"]


def test_a_column_without_any_value_is_said_to_be_empty(tmp_path: Path) -> None:
    listing = listed(tmp_path, "", "")
    assert values(listing) == [None, None]
    assert listing.read_as["x"] == "empty"


def test_a_word_is_text_with_quotes_or_without(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('uri,x,y\na.jpg,NA,"NA"\nb.jpg,CH,"CH"\n')
    covariates = list_images(tmp_path / "t.csv").covariates
    assert covariates is not None
    assert covariates.to_dict("list") == {"x": ["NA", "CH"], "y": ["NA", "CH"]}


@pytest.mark.parametrize("cell", ["x9", "0123", "NA", "1e5", "99999999999999999999"])
def test_one_row_far_down_decides_for_all(tmp_path: Path, cell: str) -> None:
    cells = [str(number) for number in range(150_000)]
    cells[140_000] = cell
    listing = listed(tmp_path, *cells)
    assert values(listing) == cells
    expected = f"text: whole numbers but for 1 row, the first in row 140000 (counted from 0; line 140002): '{cell}'"
    assert listing.read_as["x"].startswith(expected)


def test_an_impossible_day_is_named_as_what_keeps_a_column_from_being_times(tmp_path: Path) -> None:
    read_as = listed(tmp_path, "2020-01-31", "2020-02-30", "").read_as["x"]
    assert read_as.startswith("text: times but for 1 row, the first in row 1 (counted from 0; line 3): '2020-02-30'")


def test_lines_are_counted_past_line_ends_in_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('uri,note,x\na.jpg,"one\ntwo",1\nb.jpg,,2\nc.jpg,,NA\n')
    assert "row 2 (counted from 0; line 5)" in list_images(tmp_path / "t.csv").read_as["x"]


@pytest.mark.parametrize(
    ("said", "cells", "expected"),
    [
        ("text", ("1", "2", ""), ["1", "2", None]),
        ("text", ("2020-01-31",), ["2020-01-31"]),
        ("whole", ("00123", "5.0", "+7", "1e3", "NA", ""), [123, 5, 7, 1000, None, None]),
        ("number", ("1e5", "NA", "nan", "None", "-.5"), [1e5, None, None, None, -0.5]),
        ("number", ("0.333333333333333333", "inf"), [1 / 3, float("inf")]),
        ("number", ("1,5", "2"), [1.5, 2.0]),
        ("number", ("1.234,5", "-12.345", "7"), [1234.5, -12345.0, 7.0]),
        ("whole", ("\N{MINUS SIGN}5", "2"), [-5, 2]),
        ("number", ("1", "2"), [1.0, 2.0]),
        ("boolean", ("yes", "no", "1", "F", "NA"), [True, False, True, False, None]),
        ("time", ("2020-01-31", "NA"), [pd.Timestamp("2020-01-31"), None]),
    ],
)
def test_a_person_may_say_what_a_column_is(
    tmp_path: Path, said: str, cells: tuple[str, ...], expected: list[Any]
) -> None:
    listing = listed(tmp_path, *cells, types={"x": said})
    assert values(listing) == expected
    assert "as types says" in listing.read_as["x"]


def test_what_is_said_loses_nothing_that_was_written(tmp_path: Path) -> None:
    listing = listed(tmp_path, "00123", "NA", types={"x": "whole"})
    assert listing.written is not None
    assert listing.written["x"].tolist() == ["00123", "NA"]


@pytest.mark.parametrize(
    ("said", "cell"),
    [
        ("whole", "5.5"),
        ("whole", "99999999999999999999"),
        ("whole", "1_000"),
        ("whole", "0x10"),
        ("whole", "٣"),
        ("number", "Bern"),
        ("number", "61e4567"),
        ("number", "1_000"),
        ("number", "1,234.5,6"),
        ("time", "2020-02-30"),
        ("time", "31.1.20"),
        ("time", "31.2.2020"),
        ("time", "2020"),
        ("boolean", "2"),
    ],
)
def test_what_cannot_be_names_column_row_line_and_value(tmp_path: Path, said: str, cell: str) -> None:
    with pytest.raises(
        ValueError, match=rf"types: 'x' cannot be '{said}'.* row 1 \(counted from 0; line 3\)"
    ) as caught:
        listed(tmp_path, "" if said != "number" else "1", cell, types={"x": said})
    assert repr(cell) in str(caught.value)


def test_a_comma_that_may_be_one_of_thousands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'1,234' in row 0 .*decimal comma or one between thousands"):
        listed(tmp_path, "1,234", "5", types={"x": "number"})


def test_times_of_which_some_have_a_zone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'x' cannot be 'time': .* has a zone, .* has none"):
        listed(tmp_path, "2020-01-31T08:00", "2020-01-31T08:00Z", types={"x": "time"})


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"xx": "text"}, "'xx' is no column of .*did you mean 'x'"),
        ({"place": "text"}, "'place' is no column of .*it has x"),
        ({"uri": "number"}, "'uri' is always text"),
        ({"x": "string"}, r"types\['x'\] must be one of 'text', 'whole', 'number', 'time', 'boolean', not 'string'"),
        ({"x": str}, r"types\['x'\] must be one of"),
    ],
)
def test_types_that_say_nothing_are_refused(tmp_path: Path, types: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        listed(tmp_path, "1", types=types)


@pytest.mark.parametrize("images", [["a.jpg"], "."])
def test_types_without_a_table_are_refused(tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="types: they are for the columns of a table"):
        list_images(images, types={"x": "text"})


def test_types_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="types: 'text' is a str; give a dict"):
        listed(tmp_path, "1", types="text")


def test_types_hold_for_a_frame_too() -> None:
    frame = pd.DataFrame({"uri": ["/a.jpg", "/b.jpg"], "id": [5.0, None], "zip": ["00123", "5"]})
    covariates = list_images(frame, types={"id": "whole", "zip": "whole"}).covariates
    assert covariates is not None
    assert covariates["id"].tolist() == [5, pd.NA]
    assert covariates["zip"].tolist() == [123, 5]


def test_what_was_decided_can_be_read(tmp_path: Path) -> None:
    words = listed(tmp_path, "1", "NA").describe()
    assert words.splitlines()[0] == "2 images"
    assert "x: text: whole numbers but for 1 row" in words
    assert "types={'x': 'whole'}" in words


def column(cells: list[str]) -> Column:
    return read_texts(pa.chunked_array([pa.array(cells, pa.large_string())]), str)


NUMBERLIKE = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(lambda time: time.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
    st.sampled_from(["", " ", "0", "00", "1.0", "1.50", "True", "False", "NA", "nan", "1e5", "1e+05", "2020-02-30"]),
    st.text("0123456789.,eE+-: TZxn", max_size=12),
)


@given(st.lists(NUMBERLIKE, min_size=1, max_size=6))
@example(["-0"])
@example(["5e-324", "1e-400"])
@example(["9223372036854775808", ""])
def test_every_text_can_be_had_again(cells: list[str]) -> None:
    found = column(cells)
    if found.written is not None:
        assert found.written.tolist() == cells
    else:
        days = all(value == value.normalize() for value in found.values.dropna() if isinstance(value, pd.Timestamp))
        back = ["" if pd.isna(value) else plain_text(value, days=days) for value in found.values]
        assert back == ["" if not cell.strip() and found.read_as.startswith("text") else cell for cell in cells]


def plain_text(value: Any, *, days: bool) -> str:
    """A value as Python writes it; of times that are days throughout, the day alone, and Z for UTC."""
    if isinstance(value, pd.Timestamp):
        text = value.isoformat().replace("+00:00", "Z")
        return text.removesuffix("T00:00:00") if days and value.tzinfo is None else text
    return value if isinstance(value, str) else str(value)


@given(st.lists(NUMBERLIKE, min_size=1, max_size=6), st.integers(1, 400))
def test_what_a_column_is_depends_on_no_number_of_rows_and_no_order(cells: list[str], times: int) -> None:
    once, often = column(cells), column(cells[::-1] * times)
    assert often.values.dtype == once.values.dtype
    assert (often.written is None) == (once.written is None)
