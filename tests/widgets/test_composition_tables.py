"""Compositions as tables: per image, and per group of images."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from toolkit.widgets import composition_table, group_composition, summarize_composition

MakeResults = Callable[..., xr.Dataset]

# Per image: sky, tree, road.
STREET = {
    "/photos/a.jpg": (0.25, 0.0, 0.75),
    "/photos/b.jpg": (0.5, 0.0, 0.5),
    "/photos/broken.jpg": None,
    "s3://bucket/c.jpg": (1.0, 0.0, 0.0),
}


class TestCompositionTable:
    def test_it_has_the_images_that_are_done_by_the_names_of_their_files(self, make_results: MakeResults) -> None:
        table = composition_table(make_results(STREET))
        assert table.index.name == "image"
        assert list(table.index) == ["a.jpg", "b.jpg", "c.jpg"]

    def test_pending_images_are_left_out(self, make_results: MakeResults) -> None:
        results = make_results(STREET)
        results.status.values[2] = "pending"
        assert list(composition_table(results).index) == ["a.jpg", "b.jpg", "c.jpg"]

    def test_columns_go_from_the_largest_mean_to_the_smallest(self, make_results: MakeResults) -> None:
        results = make_results({"a": (0.1, 0.2, 0.7), "b": (0.9, 0.02, 0.08)})
        assert list(composition_table(results).columns) == ["sky", "road", "tree"]

    def test_its_fractions_are_those_of_the_results(self, make_results: MakeResults) -> None:
        table = composition_table(make_results(STREET))
        assert table.loc["a.jpg"].to_dict() == {"sky": 0.25, "road": 0.75}

    def test_rows_sum_to_1(self, make_results: MakeResults) -> None:
        generator = np.random.default_rng(0)
        fractions = generator.dirichlet(np.full(21, 0.05), size=30)
        results = make_results({str(row): tuple(values) for row, values in enumerate(fractions)}, range(21))
        table = composition_table(results, min_fraction=0.2)
        assert "(other)" in table
        np.testing.assert_allclose(table.sum(axis="columns"), 1, rtol=1e-6)

    def test_classes_that_are_small_everywhere_are_added_up(self, make_results: MakeResults) -> None:
        names = ("sky", "bird", "car", "road")
        results = make_results({"a": (0.625, 0.125, 0.25, 0.0), "b": (0.75, 0.125, 0.125, 0.0)}, names)
        table = composition_table(results, min_fraction=0.5)
        assert list(table.columns) == ["sky", "(other)"]
        assert list(table["(other)"]) == [0.375, 0.25]

    def test_a_class_that_reaches_the_fraction_in_one_image_has_a_column(self, make_results: MakeResults) -> None:
        results = make_results({"a": (1.0, 0.0, 0.0), "b": (0.75, 0.0, 0.25)})
        assert list(composition_table(results, min_fraction=0.25).columns) == ["sky", "road"]

    def test_without_anything_to_add_up_there_is_no_such_column(self, make_results: MakeResults) -> None:
        assert list(composition_table(make_results(STREET)).columns) == ["sky", "road"]

    def test_min_fraction_0_shows_every_class(self, make_results: MakeResults) -> None:
        assert set(composition_table(make_results(STREET), min_fraction=0).columns) == {"sky", "road", "tree"}

    def test_images_of_one_name_in_two_folders_each_have_a_row(self, make_results: MakeResults) -> None:
        table = composition_table(make_results({"/north/1.jpg": (1.0, 0.0, 0.0), "/south/1.jpg": (0.0, 1.0, 0.0)}))
        assert len(table) == 2

    def test_names_of_rows_are_unique_so_that_the_table_can_be_styled(self, make_results: MakeResults) -> None:
        table = composition_table(make_results({"/north/1.jpg": (1.0, 0.0, 0.0), "/south/1.jpg": (0.0, 1.0, 0.0)}))
        assert "100.0%" in table.style.format("{:.1%}").background_gradient(vmin=0, vmax=1).to_html()

    def test_all_failed_is_a_table_without_rows(self, make_results: MakeResults) -> None:
        table = composition_table(make_results({"a": None, "b": None}))
        assert len(table) == 0
        assert table.index.name == "image"

    def test_no_images_is_a_table_without_rows(self, make_results: MakeResults) -> None:
        assert len(composition_table(make_results({}))) == 0


class TestGroupComposition:
    def test_it_has_the_means_of_the_images_that_are_done(self, make_results: MakeResults) -> None:
        groups = group_composition(make_results(STREET, scene=["town", "town", "town", "nature"]), "scene")
        assert groups.index.name == "scene"
        assert groups.loc["town", ["sky", "road"]].to_dict() == {"sky": 0.375, "road": 0.625}
        assert groups.loc["nature", ["sky", "road"]].to_dict() == {"sky": 1.0, "road": 0.0}

    def test_it_counts_the_images_that_are_done(self, make_results: MakeResults) -> None:
        groups = group_composition(make_results(STREET, scene=["town", "town", "town", "nature"]), "scene")
        assert groups["images"].to_dict() == {"nature": 1, "town": 2}

    def test_classes_that_do_not_occur_are_left_out_and_the_largest_comes_first(
        self, make_results: MakeResults
    ) -> None:
        groups = group_composition(make_results(STREET, scene=["town", "town", "town", "nature"]), "scene")
        assert list(groups.columns) == ["images", "sky", "road"]

    def test_a_group_without_an_image_that_is_done_is_left_out(self, make_results: MakeResults) -> None:
        groups = group_composition(make_results(STREET, scene=["town", "town", "desert", "town"]), "scene")
        assert list(groups.index) == ["town"]

    def test_numbers_make_groups(self, make_results: MakeResults) -> None:
        groups = group_composition(make_results(STREET, year=[2020, 2021, 2021, 2021]), "year")
        assert groups["images"].to_dict() == {2020: 1, 2021: 2}

    def test_an_unknown_covariate_is_refused_with_those_that_there_are(self, make_results: MakeResults) -> None:
        results = make_results(STREET, scene=["town"] * 4, year=[2020] * 4)
        with pytest.raises(KeyError, match=r"no covariate 'scnee'; did you mean 'scene'\? the catalog has scene, year"):
            group_composition(results, "scnee")

    def test_without_covariates_it_says_so(self, make_results: MakeResults) -> None:
        with pytest.raises(KeyError, match="no covariate 'scene'; the catalog has none"):
            group_composition(make_results(STREET), "scene")

    @pytest.mark.parametrize("name", ["uri", "image", "class_name"])
    def test_the_catalogs_own_coordinates_are_no_covariates(self, make_results: MakeResults, name: str) -> None:
        with pytest.raises(KeyError, match=f"no covariate {name!r}; the catalog has scene"):
            group_composition(make_results(STREET, scene=["town"] * 4), name)

    @pytest.mark.parametrize(
        "values",
        [
            np.array(["town", "", "town", "town"], dtype=object),
            np.array([1.0, np.nan, 1.0, 2.0]),
            pd.to_datetime(["2020-01-01", None, "2020-01-01", "2021-01-01"]).to_numpy(),
        ],
        ids=["text", "number", "date"],
    )
    def test_an_image_without_a_value_is_counted_too(self, make_results: MakeResults, values: np.ndarray) -> None:
        groups = group_composition(make_results(STREET, known=values), "known")
        assert groups["images"].sum() == 3

    def test_all_failed_is_a_table_without_rows(self, make_results: MakeResults) -> None:
        groups = group_composition(make_results({"a": None, "b": None}, scene=["town", "town"]), "scene")
        assert list(groups.columns) == ["images"]
        assert len(groups) == 0


def test_a_number_of_many_values_is_cut_into_ranges(make_results: MakeResults) -> None:
    fractions = {f"/{number}.jpg": (0.5, 0.25, 0.25) for number in range(30)}
    results = make_results(fractions, score=np.linspace(0, 1, 30))
    groups = group_composition(results, "score", bins=5)
    assert groups["images"].tolist() == [6] * 5


def test_a_summary_has_the_range_of_each_class(make_results: MakeResults) -> None:
    fractions = {"/a.jpg": (0.5, 0.5, 0.0), "/b.jpg": (0.25, 0.75, 0.0)}
    summary = summarize_composition(composition_table(make_results(fractions)))
    assert summary["mean"].tolist() == [0.625, 0.375]
    assert summary["min"].tolist() == [0.5, 0.25]
    assert summary["max"].tolist() == [0.75, 0.5]


def test_a_summary_of_nothing_is_empty(make_results: MakeResults) -> None:
    assert summarize_composition(composition_table(make_results({"/a.jpg": None}))).empty


def test_images_without_the_covariate_are_a_group_of_that_name(make_results: MakeResults) -> None:
    groups = group_composition(make_results(STREET, scene=["town", "", "town", ""]), "scene")
    assert set(groups.index) == {"town", "(no scene)"}
    assert groups.images.sum() == 3
