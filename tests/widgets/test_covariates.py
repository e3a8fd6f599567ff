"""How compositions go with numbers and times; which covariates make groups; classes that are left out."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from toolkit.widgets import correlate_composition, group_composition, leave_out, plot_correlation
from toolkit.widgets.covariates import covariate_names, read_covariate

MakeResults = Callable[..., xr.Dataset]


@pytest.fixture
def sloped(make_results: MakeResults) -> xr.Dataset:
    """Ten images: the more income, the more trees; one failed, one has no income."""
    fractions: dict[str, tuple[float, ...] | None] = {
        f"/{number}.jpg": (0.85 - number / 10, number / 10, 0.15) for number in range(10)
    }
    fractions["/9.jpg"] = None
    income = np.arange(10.0) ** 3
    income[0] = np.nan
    return make_results(fractions, income=income)


class TestKinds:
    def kind(self, make_results: MakeResults, values: object, n: int = 10) -> str:
        fractions = {f"/{number}.jpg": (0.5, 0.25, 0.25) for number in range(n)}
        return read_covariate(make_results(fractions, value=values), "value").kind

    @pytest.mark.parametrize(
        "values",
        [
            [1, 2, 3, 4, 5] * 2,
            [0.5, 1.5] * 5,
            [True, False] * 5,
            ["town", "nature"] * 5,
            [f"id {number}" for number in range(10)],
            np.array(["2024-01-01", "2025-01-01"] * 5, dtype="datetime64[ns]"),
        ],
        ids=["stars", "floats", "flags", "text", "ids", "years"],
    )
    def test_what_images_share_makes_groups(self, make_results: MakeResults, values: object) -> None:
        assert self.kind(make_results, values) == "groups"

    @pytest.mark.parametrize(
        "values", [range(10), [1, 2, 3, 4, 5, 6, 7, 8, 8, 8], np.linspace(0, 1, 10), [np.nan] * 5 + [1, 2, 3, 4, 5]]
    )
    def test_numbers_that_hardly_any_share_are_a_scale(self, make_results: MakeResults, values: object) -> None:
        assert self.kind(make_results, list(values)) == "numbers"

    def test_so_are_times(self, make_results: MakeResults) -> None:
        assert self.kind(make_results, pd.date_range("2024-01-01", periods=10).to_numpy()) == "times"

    @pytest.mark.parametrize(
        ("start", "step", "first"),
        [("2020-01-01", "40D", "2020"), ("2024-01-01", "4D", "2024-01"), ("2024-01-01", "10h", "2024-01-01")],
    )
    def test_times_are_grouped_by_the_shortest_periods_that_are_few_and_shared(
        self, make_results: MakeResults, start: str, step: str, first: str
    ) -> None:
        fractions = {f"/{number}.jpg": (0.5, 0.25, 0.25) for number in range(40)}
        results = make_results(fractions, date=pd.date_range(start, periods=40, freq=step).to_numpy())
        assert str(group_composition(results, "date").index[0]) == first

    @pytest.mark.parametrize(
        ("part", "values"),
        [("month", [3, 7]), ("hour", [5, 18]), ("year", [2023, 2024]), ("weekday", ["Tuesday", "Wednesday"])],
    )
    def test_parts_of_a_time_make_groups(self, make_results: MakeResults, part: str, values: list[object]) -> None:
        times = np.array(["2024-03-05T18:30", "2023-07-05T05:00"], dtype="datetime64[ns]")
        results = make_results({"/a.jpg": (1.0, 0.0, 0.0), "/b.jpg": (0.0, 1.0, 0.0)}, date=times)
        assert list(group_composition(results, f"date.{part}").index) == values

    def test_what_is_no_time_has_no_parts(self, make_results: MakeResults) -> None:
        with pytest.raises(KeyError, match="'scene' is no time, so it has no hour"):
            read_covariate(make_results({"/a.jpg": (1.0, 0.0, 0.0)}, scene=["town"]), "scene.hour")

    def test_what_results_call_their_own_is_no_covariate(self, make_results: MakeResults) -> None:
        results = make_results({"/a.jpg": (1.0, 0.0, 0.0)}, scene=["town"], given_uri=["a.jpg"])
        assert covariate_names(results) == ["scene"]


class TestGroups:
    def test_very_many_values_are_added_up(self, make_results: MakeResults) -> None:
        fractions = {f"/{number}.jpg": (0.5, 0.25, 0.25) for number in range(100)}
        results = make_results(fractions, place=[f"place {max(number - 5, 0)}" for number in range(100)])
        groups = group_composition(results, "place")
        assert len(groups) == 40
        assert groups.images.sum() == 100
        assert groups.images["place 0"] == 6
        assert groups.images["(other)"] == 100 - 6 - 38


class TestCorrelation:
    def test_it_is_pandas_own(self, sloped: xr.Dataset) -> None:
        table = correlate_composition(sloped, "income")
        known = slice(1, 9)
        fractions = sloped.composition.sel(class_name="tree").values[known]
        income = sloped.income.values[known]
        assert table.loc["tree", "Pearson"] == pytest.approx(np.corrcoef(fractions, income)[0, 1])
        assert table.loc["tree", "Spearman"] == pytest.approx(1)
        assert table.loc["sky", "Spearman"] == pytest.approx(-1)

    def test_it_counts_the_images_that_are_done_and_have_a_value(self, sloped: xr.Dataset) -> None:
        assert set(correlate_composition(sloped, "income")["images"]) == {8}

    def test_a_fraction_that_never_varies_has_none(self, make_results: MakeResults) -> None:
        results = make_results({f"/{n}.jpg": (0.5, 0.5, 0.0) for n in range(5)}, income=np.arange(5.0))
        assert np.isnan(correlate_composition(results, "income").loc["sky", "Pearson"])

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_nor_have_fewer_than_three_images(self, make_results: MakeResults, n: int) -> None:
        results = make_results({f"/{k}.jpg": (k / 4, 1 - k / 4, 0.0) for k in range(n)}, income=np.arange(float(n)))
        assert correlate_composition(results, "income")["Pearson"].isna().all()

    def test_infinite_values_are_missing(self, sloped: xr.Dataset) -> None:
        sloped.income.values[5] = np.inf
        assert set(correlate_composition(sloped, "income")["images"]) == {7}

    def test_ties_share_their_mean_rank(self, make_results: MakeResults) -> None:
        rows = [(0.1, 1), (0.4, 2), (0.4, 2), (0.3, 3)]
        results = make_results(
            {f"/{n}.jpg": (sky, 1 - sky, 0.0) for n, (sky, _) in enumerate(rows)}, income=[n for _, n in rows]
        )
        found = correlate_composition(results, "income").loc["sky", "Spearman"]
        assert found == pytest.approx(np.corrcoef([1, 3.5, 3.5, 2], [1, 2.5, 2.5, 4])[0, 1])

    def test_a_time_is_a_scale(self, make_results: MakeResults) -> None:
        times = pd.date_range("2024-01-01", periods=5, freq="37D").to_numpy().copy()
        times[4] = np.datetime64("NaT")
        results = make_results({f"/{n}.jpg": (n / 4, 1 - n / 4, 0.0) for n in range(5)}, date=times)
        assert correlate_composition(results, "date").loc["sky"].tolist() == pytest.approx([0.375, 1, 1, 4])


class TestPlot:
    def test_each_of_the_largest_classes_has_a_panel_with_a_point_per_image(self, sloped: xr.Dataset) -> None:
        figure = plot_correlation(sloped, "income", {"sky": (0.0, 0.0, 1.0)}, most=2)
        shown = [axes for axes in figure.axes if axes.collections]
        assert [axes.get_title().splitlines()[0] for axes in shown] == ["tree", "sky"]
        assert "Spearman +1.00, n = 8" in shown[0].get_title()
        assert [len(axes.collections[0].get_offsets()) for axes in shown] == [8, 8]

    def test_of_very_many_images_some_are_points(self, make_results: MakeResults) -> None:
        fractions = {f"/{n}.jpg": (n / 20_000, 1 - n / 20_000, 0.0) for n in range(12_000)}
        figure = plot_correlation(make_results(fractions, income=np.arange(12_000.0)), "income", {})
        assert len(figure.axes[0].collections[0].get_offsets()) == 4_000
        assert "n = 12,000" in figure.axes[0].get_title()

    @pytest.mark.parametrize("n", [0, 1, 4])
    def test_times_and_few_images_can_be_saved(self, make_results: MakeResults, n: int) -> None:
        times = pd.date_range("2024-01-01", periods=n).to_numpy()
        results = make_results({f"/{k}.jpg": (0.5, 0.5, 0.0) for k in range(n)}, date=times)
        figure = plot_correlation(results, "date", {})
        assert isinstance(figure, Figure)
        figure.canvas.draw()


MOSTLY_SKY = {"/a.jpg": (0.5, 0.125, 0.375), "/b.jpg": (1.0, 0.0, 0.0), "/c.jpg": None}


class TestLeaveOut:
    def test_the_rest_sums_to_1(self, make_results: MakeResults) -> None:
        rest = leave_out(make_results(MOSTLY_SKY), ["sky"])
        assert rest.class_name.values.tolist() == ["tree", "road"]
        assert rest.composition.values[0].tolist() == [0.25, 0.75]

    def test_images_that_are_nothing_else_have_no_fractions(self, make_results: MakeResults) -> None:
        rest = leave_out(make_results(MOSTLY_SKY), ["sky"])
        assert rest.status.values.tolist() == ["done", "left out", "failed"]
        assert np.isnan(rest.composition.values[1:]).all()

    def test_several(self, make_results: MakeResults) -> None:
        assert leave_out(make_results(MOSTLY_SKY), ["sky", "tree"]).composition.values[0].tolist() == [1.0]

    def test_all_of_them(self, make_results: MakeResults) -> None:
        rest = leave_out(make_results(MOSTLY_SKY), ["sky", "tree", "road"])
        assert rest.status.values.tolist() == ["left out", "left out", "failed"]

    def test_none(self, make_results: MakeResults) -> None:
        results = make_results(MOSTLY_SKY)
        assert leave_out(results, []).identical(results)

    def test_it_says_what_the_fractions_are_of(self, make_results: MakeResults) -> None:
        rest = leave_out(make_results(MOSTLY_SKY), ["sky"])
        assert rest.composition.attrs["long_name"] == "fraction of the pixels that are not sky"

    def test_a_misspelt_class_is_refused_with_the_nearest(self, make_results: MakeResults) -> None:
        with pytest.raises(KeyError, match=r"no class 'skye'; did you mean 'sky'\? the run has sky, tree, road"):
            leave_out(make_results(MOSTLY_SKY), ["skye"])
