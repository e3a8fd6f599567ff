"""The same table again, or a table that grew: nothing is refused, nothing is lost, and what is new is taken over."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from zarr.abc.store import Store

from toolkit.catalog import Catalog
from toolkit.sources import Listing

A, B, C = "/a.jpg", "/b.jpg", "/c.jpg"
DAY, TIME = pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-01 12:30")
LARGE = 2**62 + 1

pytestmark = pytest.mark.filterwarnings("error", "ignore:images:UserWarning")  # whose files need not exist


def table(values: Any, uris: list[str] | None = None) -> pd.DataFrame:
    """A table of images with one covariate."""
    return pd.DataFrame({"uri": uris or [A, B, C][: len(values)], "x": values})


def texts(catalog: Catalog) -> list[str]:
    return list(map(str, catalog.as_written("x").tolist()))


COLUMNS: dict[str, Any] = {
    "whole": [1, 2],
    "whole with a gap": pd.array([1, None], "Int64"),
    "large whole with a gap": pd.array([LARGE, None], "Int64"),
    "large whole, all of them": [LARGE, LARGE + 2],
    "unsigned": np.array([2**63 + 5, 1], dtype=np.uint64),
    "floats with a gap": [0.1, None],
    "float32": np.array([0.1, np.nan], dtype=np.float32),
    "booleans": [True, False],
    "booleans with a gap": pd.array([True, None], "boolean"),
    "booleans as objects": pd.Series([True, None], dtype=object),
    "texts with a gap": ["x", None],
    "empty": [None, None],
    "empty floats": [np.nan, np.nan],
    "empty texts": ["", ""],
    "empty times": pd.to_datetime([None, None]),
    "times with a gap": pd.to_datetime([DAY, None]),
    "nanoseconds": np.array(["2024-02-29T12:34:56.789012345", "NaT"], dtype="datetime64[ns]"),
    "seconds": np.array(["2024-02-29T12:34:56", "NaT"], dtype="datetime64[s]"),
    "zoned times": pd.to_datetime(["2024-07-01 12:00", None]).tz_localize("Europe/Berlin"),
    "dates as objects": pd.Series([datetime.date(2024, 5, 1), None], dtype=object),
    "categories": pd.Categorical(["day", None]),
    "categories of numbers": pd.Categorical([1, 2]),
    "pyarrow whole": pd.array([1, None], "int64[pyarrow]"),
    "pyarrow text": pd.array(["x", None], "string[pyarrow]"),
    "pyarrow times": pd.array([TIME, None], "timestamp[us][pyarrow]"),
    "durations": pd.to_timedelta(["1h", None]),
    "periods": pd.PeriodIndex(["2024-01", "2024-02"], freq="M"),
    "infinities": [np.inf, -np.inf],
}


class TestTheSameAgain:
    @pytest.mark.parametrize("name", COLUMNS)
    def test_a_data_frame(self, store: Store, name: str) -> None:
        catalog = Catalog.create(store, table(COLUMNS[name]))
        before = catalog.images()
        assert catalog.add(table(COLUMNS[name])) == 0
        assert (catalog.image_tables().changes.n, catalog.addition and catalog.addition.values) == (0, 0)
        assert catalog.images().equals(before)
        assert catalog.history().empty

    @pytest.mark.parametrize("name", COLUMNS)
    def test_a_parquet_file(self, tmp_path: Path, name: str) -> None:
        table(COLUMNS[name]).to_parquet(tmp_path / "photos.parquet")
        catalog = Catalog.create(tmp_path / "demo.zarr", tmp_path / "photos.parquet")
        for _ in range(2):
            again = Catalog.create(tmp_path / "demo.zarr", tmp_path / "photos.parquet", exist_ok=True)
            assert again.image_tables().changes.n == 0
        assert len(catalog) == 2

    @pytest.mark.parametrize("name", COLUMNS)
    def test_a_table_with_one_row_more(self, store: Store, name: str) -> None:
        catalog = Catalog.create(store, table(COLUMNS[name]))
        before = catalog.images().x.values
        longer = pd.concat([table(COLUMNS[name]).astype({"x": object}), pd.DataFrame({"uri": [C]})], ignore_index=True)
        assert catalog.add(longer) == 1
        assert catalog.image_tables().changes.n == 0
        after = catalog.images().x.values[:2]
        if before.dtype == after.dtype:
            np.testing.assert_array_equal(before, after)
        elif not pd.isna(before).all():  # a whole number or boolean beside a missing one
            assert [str(value) for value in before] == texts(catalog)[:2]


GROWTH: dict[str, tuple[Any, Any, list[Any]]] = {
    # first table (a, b), later table (a, b, c), what is shown
    "empty, then text": ([None, None], ["x", None, "y"], ["x", "", "y"]),
    "empty, then whole": ([None, None], [1, 2, 3], [1, 2, 3]),
    "empty, then times": ([None, None], pd.to_datetime([DAY, None, TIME]), [DAY, None, TIME]),
    "empty texts, then booleans": (["", ""], [True, False, True], [True, False, True]),
    "whole, then a gap": ([1, 2], [1.0, 2.0, None], [1.0, 2.0, np.nan]),
    "whole, then fractions": ([1, 2], [1, 2, 2.5], [1.0, 2.0, 2.5]),
    "whole, then text": ([1, 2], ["1", "2", "n/a"], ["1", "2", "n/a"]),
    "whole with a gap, then text": (pd.array([1, None], "Int64"), ["1", None, "3a"], ["1", "", "3a"]),
    "large whole, then a gap": ([LARGE, 2], pd.array([LARGE, 2, None], "Int64"), [str(LARGE), "2", ""]),
    "large whole, then fractions": ([LARGE, 2], pd.Series([LARGE, 2, 0.5], dtype=object), [str(LARGE), "2", "0.5"]),
    "int64, then uint64": ([-1, 2], np.array([5, 2, 2**63 + 1], np.uint64), ["5", "2", str(2**63 + 1)]),
    "float32, then float64": (np.array([0.5, 2], np.float32), [0.5, 2.0, 0.1], [0.5, 2.0, 0.1]),
    "numbers, then text": ([0.5, 1e300], ["0.5", "1e+300", "much"], ["0.5", "1e+300", "much"]),
    "booleans, then a gap": ([True, False], pd.array([True, False, None], "boolean"), [1.0, 0.0, np.nan]),
    "booleans, then text": ([True, False], ["True", "False", "perhaps"], ["True", "False", "perhaps"]),
    "booleans with a gap, then text": (
        pd.array([True, None], "boolean"),
        ["True", None, "perhaps"],
        ["True", "", "perhaps"],
    ),
    "booleans, then numbers": ([True, False], [1, 0, 7], [1, 0, 7]),
    "dates, then times": (pd.to_datetime([DAY, DAY]), pd.to_datetime([DAY, DAY, TIME]), [DAY, DAY, TIME]),
    "dates, then text": (pd.to_datetime([DAY, None]), ["2024-05-01", None, "May"], ["2024-05-01", "", "May"]),
    "times, then text": (
        pd.to_datetime([TIME, None]),
        ["2024-05-01T12:30:00", None, "May"],
        ["2024-05-01T12:30:00", "", "May"],
    ),
    "text, then numbers": (["1", "x"], [1, None, 3], ["1", "x", "3.0"]),
    "times, then numbers": (pd.to_datetime([DAY, None]), [None, 2024, 2025], ["2024-05-01", "2024.0", "2025.0"]),
    "text, then empty": (["x", "y"], [None, None, None], ["x", "y", ""]),
    "categories, then others": (
        pd.Categorical(["day", "day"]),
        pd.Categorical(["day", "day", "night"]),
        ["day", "day", "night"],
    ),
    "zoned, then plain times": (
        pd.to_datetime([DAY, None]).tz_localize("UTC"),
        pd.to_datetime([DAY, None, TIME]),
        [DAY, None, TIME],
    ),
}


WITH_NEW_VALUES = {
    *("empty, then text", "empty, then whole", "empty, then times", "empty texts, then booleans"),
    *("int64, then uint64", "times, then numbers"),
}
"""Those in which a known image has another value, too."""


class TestGrowth:
    @pytest.mark.parametrize("name", GROWTH)
    def test_a_covariate_widens(self, store: Store, name: str) -> None:
        first, later, shown = GROWTH[name]
        catalog = Catalog.create(store, table(first))
        assert catalog.add(table(later)) == 1
        assert catalog.image_tables().changes.n == int(name in WITH_NEW_VALUES)
        assert catalog.add(table(later)) == 0
        assert catalog.image_tables().changes.n == int(name in WITH_NEW_VALUES)
        found = Catalog.open(store).images().x.values
        if found.dtype.kind == "M":
            shown = list(np.array(shown, dtype="datetime64[us]"))
        assert [str(value) for value in found] == [str(value) for value in shown]

    def test_a_column_that_came_and_went(self, store: Store) -> None:
        catalog = Catalog.create(store, [A, B])
        catalog.add(table([1, 2]))
        assert catalog.images().x.values.tolist() == [1, 2]
        assert catalog.add([A, B, C]) == 1
        assert catalog.images().x.values.tolist()[:2] == [1, 2]
        assert np.isnan(catalog.images().x.values[2])

    def test_numbers_that_become_text_are_what_was_written(self, store: Store) -> None:
        """As of a table whose reader converted a column because nothing was lost, and kept its texts."""
        first = Listing([A, B], pd.DataFrame({"x": [1.5, np.nan]}), [A, B], "/", pd.DataFrame({"x": ["1.50", ""]}))
        catalog = Catalog.create(store, first)
        assert catalog.images().x.values.tolist()[0] == 1.5
        assert texts(catalog) == ["1.50", ""]
        later = Listing([A, B, C], pd.DataFrame({"x": ["1.50", None, "n/a"]}), [A, B, C], "/")
        assert catalog.add(later) == 1
        assert catalog.image_tables().changes.n == 0
        assert catalog.images().x.values.tolist() == ["1.50", "", "n/a"]


class TestAsWritten:
    def test_values_that_say_it_themselves(self, store: Store) -> None:
        catalog = Catalog.create(store, table([7, 8]))
        catalog.add(table([None, None, 0.5]))
        assert texts(catalog) == ["7", "8", "0.5"]

    def test_of_a_corrected_value_it_is_the_correction(self, store: Store) -> None:
        catalog = Catalog.create(
            store, Listing([A], pd.DataFrame({"x": [1.5]}), [A], "/", pd.DataFrame({"x": ["1.50"]}))
        )
        catalog.add(Listing([A], pd.DataFrame({"x": [2.5]}), [A], "/", pd.DataFrame({"x": ["2.500"]})))
        assert texts(Catalog.open(store)) == ["2.500"]
        catalog.add(table([3.5]))
        assert texts(Catalog.open(store)) == ["3.5"]

    def test_a_table_of_all_covariates(self, store: Store) -> None:
        catalog = Catalog.create(store, pd.DataFrame({"uri": [A, B], "x": [1, 2], "city": ["Ulm", None]}))
        found = catalog.as_written()
        assert found.columns.tolist() == ["city", "x"]
        assert found.loc[1].tolist() == ["", "2"]

    def test_one_that_there_is_not(self, store: Store) -> None:
        with pytest.raises(KeyError, match="has no covariate 'y'; there are x"):
            Catalog.create(store, table([1])).as_written("y")


class TestWhereTheyCameFrom:
    def test_relative_paths_start_from_the_table_that_they_came_with(self, store: Store) -> None:
        catalog = Catalog.create(store, Listing([A, B], pd.DataFrame({"x": ["m/a", "m/b"]}), ["a", "b"], "/one"))
        catalog.add(Listing([B, C], pd.DataFrame({"x": ["n/b", "n/c"]}), ["b", "c"], "/two"))
        catalog.add(["/d.jpg"])
        assert Catalog.open(store).base_of("x").tolist() == ["/one", "/two", "/two", ""]

    def test_uris_are_kept_as_they_were_given(self, tmp_path: Path) -> None:
        from toolkit.catalog.format.tables import read_given

        store = str(tmp_path / "demo.zarr")
        catalog = Catalog.create(store, Listing(["/p/x/a.jpg", "/p/x/b.jpg"], None, ["x/a.jpg", "x/b.jpg"]))
        catalog.add(Listing(["/p/x/b.jpg"], pd.DataFrame({"x": [1]}), ["../x/b.jpg"], "/p/t"))  # a table says more
        catalog.add(Listing(["/p/x/a.jpg", "/p/x/b.jpg"], None, ["a.jpg", "b.jpg"]))  # and a folder less
        catalog.add(Listing(["/p/x/b.jpg"], pd.DataFrame({"x": [1]}), ["b.jpg"], "/p/x"))  # the first table counts
        tables = Catalog.open(store).image_tables()
        assert read_given(catalog.store, tables[0], None, tables.changes).tolist() == ["x/a.jpg", "../x/b.jpg"]
