"""The sections of the report: what a person must find there, and a line where there is nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

import toolkit as tk
from toolkit.catalog import Catalog
from toolkit.widgets import report
from toolkit.widgets.note import Note

MakeResults = Callable[..., xr.Dataset]
MakeRun = Callable[..., str]

NOTHING: dict[str, None] = {"/a.jpg": None}
FRACTIONS = {f"/{number}.jpg": (0.5, 0.125, 0.375) for number in range(8)}


def texts(section: list[object]) -> str:
    """The lines of a section, and its tables as HTML."""
    return "\n".join(shown._repr_html_() for shown in section if not isinstance(shown, Figure))


def test_the_summary_counts_images_and_names_the_run_without_the_catalogs_folder(make_results: MakeResults) -> None:
    results = make_results(FRACTIONS | NOTHING).assign_attrs(run_id="76da", model="a model")
    assert texts(report.summary(results, "/home/me/photos.zarr")) == (
        "<p>photos.zarr, run 76da of a model: 8 of 9 images done, 1 failed, 0 pending.</p>"
    )


def test_the_summary_says_what_is_left_out(make_results: MakeResults) -> None:
    results = make_results(FRACTIONS | {"/sky.jpg": (1.0, 0.0, 0.0)}).assign_attrs(run_id="76da", model="a model")
    shown = texts(report.summary(results, "c.zarr", ["sky"]))
    assert "Without sky: fractions are of the other pixels. 1 photo is nothing else, and not counted." in shown


def test_the_composition_says_how_many_of_how_many_images_are_listed(make_results: MakeResults) -> None:
    *_, figure = report.composition(make_results(FRACTIONS), {}, shown=5)
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title() == "What images are made of (5 of 8 images)"


def test_without_a_covariate_those_that_there_are_are_named(make_results: MakeResults) -> None:
    section = report.by_covariate(make_results(FRACTIONS, scene=["town"] * 8, year=[2020] * 8), "", {})
    assert texts(section) == "<p>No covariate was chosen; the catalog has scene, year.</p>"


def test_a_number_is_shown_with_its_correlations(make_results: MakeResults) -> None:
    table, figure = report.by_covariate(make_results(FRACTIONS, income=np.arange(8.0)), "income", {})
    assert "Spearman" in texts([table])
    assert isinstance(figure, Figure)


@pytest.mark.parametrize("values", [["a", "a", "a", "b", "b", "", "", ""], [1.5, 2, 3, 4, 5, *[np.nan] * 3]])
def test_photos_without_the_covariate_are_named(make_results: MakeResults, values: list[object]) -> None:
    section = report.by_covariate(make_results(FRACTIONS, scene=values), "scene", {})
    assert section[-1] == "No scene: 3 photos (5.jpg, 6.jpg, 7.jpg)."


def test_of_many_photos_without_it_some_are_named(make_results: MakeResults) -> None:
    section = report.by_covariate(make_results(FRACTIONS, scene=["a", "a", "a", "", "", "", "", ""]), "scene", {})
    assert section[-1] == "No scene: 5 photos (3.jpg, 4.jpg, 5.jpg, …)."


def test_flags_name_blank_pictures_and_copies(
    photos: list[Path], model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
) -> None:
    Image.new("RGB", (96, 64)).save(photos[0].with_name("black.png"))
    shutil.copy(photos[1], photos[1].with_name("copy.png"))
    catalog = Catalog.create(
        tmp_path / "flags.zarr", images=[*photos, *(photos[0].with_name(f"{n}.png") for n in ("black", "copy"))]
    )
    tk.segment(catalog, model, small_protocol).wait()
    shown = texts(report.flags(catalog, None))
    assert "2 photos:" in shown
    assert "blank" in shown
    assert f"the same pixels as {photos[1].name}" in shown


def test_what_failed_is_listed(catalog: Catalog, make_run: MakeRun) -> None:
    make_run(catalog, {})
    assert "3 photos:" in texts(report.failed(catalog, None))
    assert "3 photos, the first 2 of 3:" in texts(report.failed(catalog, None, most=2))


def test_a_publication_is_written(catalog: Catalog, make_run: MakeRun, tmp_path: Path) -> None:
    make_run(catalog, {0: np.zeros((64, 96), dtype=np.uint8)})
    assert texts(report.published(catalog, None, str(tmp_path / "run.csv"))) == f"<p>Written to {tmp_path}/run.csv.</p>"
    assert (tmp_path / "run.csv").is_file()


def test_the_sheet_of_photos_is_saved_in_a_new_folder(catalog: Catalog, make_run: MakeRun, tmp_path: Path) -> None:
    make_run(catalog, {0: np.zeros((64, 96), dtype=np.uint8)})
    report.overlays(catalog, None, 1, tmp_path / "new" / "sheet.png")
    assert (tmp_path / "new" / "sheet.png").is_file()


class TestNothing:
    def test_to_see_is_said_in_one_line(self, make_results: MakeResults) -> None:
        results = make_results(NOTHING, scene=["town"])
        for section in (
            report.composition(results, {}),
            report.by_covariate(results, "scene", {}),
            report.by_covariate(make_results(FRACTIONS), "", {}),
        ):
            (line,) = section
            assert isinstance(line, Note)

    def test_of_a_catalog_is_said_in_one_line(self, catalog: Catalog, make_run: MakeRun, tmp_path: Path) -> None:
        make_run(catalog, {row: np.zeros((64, 96), dtype=np.uint8) for row in range(3)})
        assert report.failed(catalog, None) == ["No image failed."]
        assert len(report.flags(catalog, None)) == 1
        assert report.overlays(catalog, None, 0) == ["No photos were asked for."]
        assert report.published(catalog, None, "") == ["Not written; the parameter publication says where to."]
        make_run(catalog, {}, ["other"])
        assert report.overlays(catalog, None, 12, tmp_path / "sheet.png") == ["No image is done."]

    def test_in_a_line_stands_between_quotation_marks(self) -> None:
        assert repr(Note("a & b")) == "a & b"
        assert Note("a & b")._repr_html_() == "<p>a &amp; b</p>"
