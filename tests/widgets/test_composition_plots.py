"""Compositions as stacked bars, and the colours of classes."""

import io
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from toolkit.catalog import Catalog
from toolkit.widgets import class_colors, plot_composition

MakeRun = Callable[..., str]

COLORS = {"sky": (0.0, 0.0, 1.0), "tree": (0.0, 0.5, 0.0)}


@pytest.fixture
def table() -> pd.DataFrame:
    """Two images; one column is of no class."""
    return pd.DataFrame({"sky": [0.5, 0.25], "tree": [0.25, 0.5], "(other)": [0.25, 0.25]}, index=["a.jpg", "b.jpg"])


class TestPlotComposition:
    def test_each_bar_is_as_wide_as_its_fraction(self, table: pd.DataFrame) -> None:
        (axes,) = plot_composition(table, COLORS).axes
        widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}
        assert widths == table.to_dict(orient="list")

    def test_bars_of_a_row_begin_where_the_last_ended(self, table: pd.DataFrame) -> None:
        (axes,) = plot_composition(table, COLORS).axes
        for row in range(len(table)):
            bars = [container[row] for container in axes.containers]
            assert bars[0].get_x() == 0
            assert all(before.get_x() + before.get_width() == after.get_x() for before, after in pairwise(bars))

    def test_bars_have_the_colours_of_their_classes_and_the_rest_is_grey(self, table: pd.DataFrame) -> None:
        (axes,) = plot_composition(table, COLORS).axes
        colors = {bars.get_label(): to_rgb(bars[0].get_facecolor()) for bars in axes.containers}
        assert {name: colors[name] for name in COLORS} == COLORS
        assert len(set(colors["(other)"])) == 1

    def test_rows_stand_in_the_order_of_the_table(self, table: pd.DataFrame) -> None:
        (axes,) = plot_composition(table, COLORS, "Streets").axes
        assert [label.get_text() for label in axes.get_yticklabels()] == ["a.jpg", "b.jpg"]
        assert axes.yaxis_inverted()
        assert axes.get_title() == "Streets"

    def test_the_number_of_images_of_a_group_is_no_bar(self, table: pd.DataFrame) -> None:
        (axes,) = plot_composition(table.assign(images=[7, 3]), COLORS).axes
        assert [bars.get_label() for bars in axes.containers] == list(table.columns)

    @pytest.mark.parametrize("empty", [pd.DataFrame(), pd.DataFrame({"sky": []})], ids=["no columns", "no rows"])
    def test_an_empty_table_is_an_empty_figure(self, empty: pd.DataFrame) -> None:
        assert saved(plot_composition(empty, COLORS)).startswith(b"\x89PNG")

    def test_it_can_be_saved(self, table: pd.DataFrame) -> None:
        assert saved(plot_composition(table, COLORS)).startswith(b"\x89PNG")


class TestClassColors:
    def test_they_are_those_of_the_models_palette(self, catalog: Catalog, make_run: MakeRun) -> None:
        run_id = make_run(catalog, {})
        assert class_colors(catalog, run_id, ["sky", "tree", "road"]) == {
            "sky": (0, 0, 1),
            "tree": (0, 128 / 255, 0),
            "road": (128 / 255, 64 / 255, 128 / 255),
        }

    def test_no_run_means_the_newest(self, catalog: Catalog, make_run: MakeRun) -> None:
        make_run(catalog, {})
        assert class_colors(catalog, None, ["sky"]) == {"sky": (0, 0, 1)}

    def test_without_a_palette_each_class_has_a_hue_of_its_own(self, catalog: Catalog, make_run: MakeRun) -> None:
        names = [f"class {number}" for number in range(150)]
        run_id = make_run(catalog, {}, names, palette=())
        colors = class_colors(catalog, run_id, names)
        assert list(colors) == names
        assert len(set(colors.values())) == len(names)
        assert np.shape(list(colors.values())) == (150, 3)
        assert all(0 <= part <= 1 for color in colors.values() for part in color)

    def test_a_class_that_the_palette_lacks_has_a_hue(self, catalog: Catalog, make_run: MakeRun) -> None:
        run_id = make_run(catalog, {}, palette=((0, 0, 255),))
        colors = class_colors(catalog, run_id, ["sky", "tree", "road"])
        assert colors["sky"] == (0, 0, 1)
        assert len(set(colors.values())) == 3


def saved(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return buffer.getvalue()
