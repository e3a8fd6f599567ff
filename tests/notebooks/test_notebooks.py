"""The notebooks as a person runs them: through the command, with small photos.

A kernel takes seconds to start, so the tests share what few runs leave behind.
"""

import ast
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import papermill
import pytest
from click.testing import CliRunner
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from PIL import Image

import toolkit as tk
from toolkit import paths
from toolkit.cli import main
from toolkit.notebooks import NotebookError, parse_parameters, read_parameters, run_notebook

MakePhotos = Callable[..., list[Path]]

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SEGMENT = FOLDER / "segment.ipynb"
EXPLORE = FOLDER / "explore.ipynb"

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
TINY = {"crop_size": "65", "stride": "65", "scales": "0.25", "flip": "false", "cluster": "none"}


@dataclass(frozen=True)
class Ran:
    """What came of running a notebook."""

    exit_code: int
    """Of the command."""
    terminal: str
    """What it printed."""
    output: Path
    """Where the executed notebook should be."""
    page: Path
    """Where the page should be."""

    @property
    def outputs(self) -> list[NotebookNode]:
        """Outputs of all cells of the executed notebook."""
        notebook = nbformat.read(self.output, as_version=4)
        return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    def texts(self, mime: str) -> list[str]:
        """What the outputs show in one of their forms."""
        return [str(output.data[mime]) for output in self.outputs if mime in output.get("data", {})]


def run(notebook: Path, folder: Path, **values: object) -> Ran:
    """Run a notebook with parameters as a person would type them; what it leaves goes to a folder."""
    output, page = folder / "out" / notebook.name, folder / "out" / "page.html"
    given = [part for name, value in values.items() for part in ("-p", name, str(value))]
    result = CliRunner().invoke(main, ["run", str(notebook), "-o", str(output), "--html", str(page), *given])
    return Ran(result.exit_code, result.output, output, page)


def run_cells(notebook: Path, typed: Mapping[str, object]) -> Iterator[str]:
    """Run a notebook's cells in this process, without a kernel; the HTML of what each displays."""
    parameters = read_parameters(notebook)
    values = parse_parameters(parameters, [(name, str(value)) for name, value in typed.items()])
    displayed: list[object] = []
    names: dict[str, Any] = {"display": lambda *shown: displayed.extend(shown)}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        program = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE))
        last = program.body.pop() if program.body and isinstance(program.body[-1], ast.Expr) else None
        exec(compile(program, notebook.name, "exec"), names)
        value = eval(compile(ast.Expression(last.value), notebook.name, "eval"), names) if last else None
        shown, displayed[:] = [*displayed, value], []
        yield "".join(one._repr_html_() or "" for one in shown if hasattr(one, "_repr_html_"))
        if "parameters" in cell.metadata.get("tags", ()):
            names.update(values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_photos: MakePhotos) -> Path:
    """Where the shared runs take place: three photos, and nothing else."""
    folder = tmp_path_factory.mktemp("notebooks")
    make_photos(folder / "photos", 3)
    return folder


@pytest.fixture(scope="module")
def segmented(folder: Path) -> Ran:
    """The photos, segmented in the kernel's process."""
    return run(SEGMENT, folder / "first", images=folder / "photos", catalog=folder / "demo.zarr", **TINY)


@pytest.fixture(scope="module")
def segmented_again(segmented: Ran, folder: Path) -> Ran:
    """The same call once more."""
    return run(SEGMENT, folder / "again", images=folder / "photos", catalog=folder / "demo.zarr", **TINY)


@pytest.fixture(scope="module")
def segmented_on_engines(folder: Path) -> Ran:
    """The photos and one that is missing, from a table that says what they show; on two engines."""
    rows = [f"{photo},{scene}" for photo, scene in zip(sorted((folder / "photos").iterdir()), "aba", strict=True)]
    (folder / "table.csv").write_text("\n".join(["uri,scene", *rows, "gone.jpg,b", ""]), encoding="utf-8")
    values = TINY | {"cluster": "local", "engines": "2"}
    return run(SEGMENT, folder / "engines", images=folder / "table.csv", catalog=folder / "engines.zarr", **values)


@pytest.fixture(scope="module")
def explored(segmented_again: Ran, folder: Path) -> Ran:
    """The first catalog, explored without covariates."""
    sheet = folder / "explored" / "sheet.png"
    return run(EXPLORE, folder / "explored", catalog=folder / "demo.zarr", covariate="", overlay_sheet=sheet)


@pytest.fixture(scope="module")
def explored_by_scene(segmented_on_engines: Ran, folder: Path) -> Ran:
    """The engines' catalog, explored by its covariate."""
    sheet = folder / "by_scene" / "sheet.png"
    return run(EXPLORE, folder / "by_scene", catalog=folder / "engines.zarr", covariate="scene", overlay_sheet=sheet)


@pytest.fixture(params=["explored", "explored_by_scene"])
def ran(request: pytest.FixtureRequest) -> Ran:
    """Both ways to explore."""
    return request.getfixturevalue(request.param)


class TestSegment:
    def test_it_runs(self, segmented: Ran) -> None:
        assert segmented.exit_code == 0, segmented.terminal

    def test_the_executed_notebook_holds_the_last_progress_as_text_and_as_html(self, segmented: Ran) -> None:
        (progress,) = [output for output in segmented.outputs if "segscape-progress" in str(output.get("data"))]
        assert progress.output_type == "display_data"
        for mime in ("text/plain", "text/html"):
            assert "finished: 3 of 3 images done, 0 failed; 3 processed" in str(progress.data[mime])
            assert "running" not in str(progress.data[mime])

    def test_so_does_the_page(self, segmented: Ran) -> None:
        assert "finished: 3 of 3 images done" in segmented.page.read_text(encoding="utf-8")

    def test_so_does_the_terminal(self, segmented: Ran) -> None:
        assert "finished: 3 of 3 images done" in segmented.terminal
        assert f"executed notebook: {segmented.output}" in segmented.terminal
        assert f"page: {segmented.page}" in segmented.terminal

    def test_the_page_is_without_code(self, segmented: Ran) -> None:
        assert "tk.segment(" not in segmented.page.read_text(encoding="utf-8")

    def test_no_cell_wrote_to_standard_error(self, segmented: Ran) -> None:
        assert [output.text for output in segmented.outputs if output.get("name") == "stderr"] == []

    def test_the_catalog_holds_what_the_parameters_said(self, segmented: Ran, folder: Path) -> None:
        catalog = tk.Catalog.open(folder / "demo.zarr")
        (settings,) = catalog.runs().to_dict(orient="records")
        assert (settings["crop_size"], settings["stride"], settings["flip"]) == (65, 65, False)
        results = catalog.to_xarray()
        assert (results.status == "done").all()
        np.testing.assert_allclose(results.composition.sum("class_name"), 1, atol=1e-5)
        assert [catalog.labels(None, image).shape for image in range(3)] == [(64, 96)] * 3

    def test_a_second_time_nothing_is_left_to_do(self, segmented_again: Ran, folder: Path) -> None:
        assert segmented_again.exit_code == 0, segmented_again.terminal
        for text in (*segmented_again.texts("text/html"), segmented_again.page.read_text(encoding="utf-8")):
            assert "3 segmented" not in text
        assert any("nothing was left to do" in text for text in segmented_again.texts("text/plain"))
        assert any("nothing was left to do" in text for text in segmented_again.texts("text/html"))
        assert "nothing was left to do" in segmented_again.page.read_text(encoding="utf-8")
        assert len(tk.Catalog.open(folder / "demo.zarr").runs()) == 1

    def test_on_engines_it_does_the_same(self, segmented: Ran, segmented_on_engines: Ran, folder: Path) -> None:
        assert segmented_on_engines.exit_code == 0, segmented_on_engines.terminal
        in_process = tk.Catalog.open(folder / "demo.zarr").to_xarray()
        on_engines = tk.Catalog.open(folder / "engines.zarr").to_xarray()
        assert on_engines.attrs["run_id"] == in_process.attrs["run_id"]
        assert list(on_engines.uri.values[:3]) == list(in_process.uri.values)
        np.testing.assert_allclose(on_engines.composition.values[:3], in_process.composition.values, atol=1e-5)

    def test_images_above_a_limit_that_was_given_fail_alone(self, folder: Path, tmp_path: Path) -> None:
        values = {"images": folder / "photos", "catalog": tmp_path / "demo.zarr", **TINY, "max_megapixels": "0.006"}
        with pytest.raises(RuntimeError, match=r"not one image could be segmented: .* pixels"):
            list(run_cells(SEGMENT, values))
        assert tk.Catalog.open(tmp_path / "demo.zarr").errors()["error"].tolist() == ["too_large"] * 3

    def test_what_counts_belongs_to_the_run(self, folder: Path, tmp_path: Path) -> None:
        values = {"images": folder / "photos", "catalog": tmp_path / "demo.zarr", **TINY, "area": "{bottom: 0.25}"}
        list(run_cells(SEGMENT, values))
        np.testing.assert_allclose(tk.Catalog.open(tmp_path / "demo.zarr").to_xarray().valid_fraction, 0.75)

    def test_columns_of_a_table_are_what_people_say(self, folder: Path, tmp_path: Path) -> None:
        rows = "".join(f"{photo},1\n" for photo in sorted((folder / "photos").iterdir()))
        (tmp_path / "table.csv").write_text(f"uri,tile\n{rows}", encoding="utf-8")
        values = {"images": tmp_path / "table.csv", "catalog": tmp_path / "demo.zarr", **TINY, "types": "{tile: text}"}
        list(run_cells(SEGMENT, values))
        assert tk.Catalog.open(tmp_path / "demo.zarr").images().tile.values.tolist() == ["1"] * 3

    def test_an_image_that_failed_is_named_with_its_reason(self, segmented_on_engines: Ran) -> None:
        assert any("3 of 4 images done, 1 failed" in text for text in segmented_on_engines.texts("text/plain"))
        assert any("gone.jpg" in text and "missing" in text for text in segmented_on_engines.texts("text/html"))


class TestExplore:
    def test_it_runs(self, ran: Ran) -> None:
        assert ran.exit_code == 0, ran.terminal

    def test_it_saves_the_photos_with_their_label_maps(self, ran: Ran) -> None:
        with Image.open(ran.output.parent.parent / "sheet.png") as sheet:
            assert sheet.format == "PNG"
            assert min(sheet.size) > 100

    def test_the_page_shows_pictures(self, ran: Ran) -> None:
        n_pictures = len(re.findall(r'<img[^>]* src="data:image/png;base64,', ran.page.read_text(encoding="utf-8")))
        assert n_pictures == len(ran.texts("image/png"))
        assert n_pictures >= 2

    def test_the_page_names_every_photo_in_a_table(self, ran: Ran, folder: Path) -> None:
        tables = [text for text in ran.texts("text/html") if "%" in text and "<table" in text]
        assert all(any(photo.name in table for table in tables) for photo in (folder / "photos").iterdir())

    def test_without_a_covariate_nothing_is_grouped(self, explored: Ran, explored_by_scene: Ran) -> None:
        assert len(explored.texts("image/png")) == 2
        assert len(explored_by_scene.texts("image/png")) == 3

    def test_groups_have_the_number_of_their_images(self, explored_by_scene: Ran) -> None:
        (table,) = [text for text in explored_by_scene.texts("text/html") if "scene" in text and "images" in text]
        rows = re.findall(r"<th[^>]*row_heading[^>]*>([ab])</th>\s*<td[^>]*>(\d+)</td>", table)
        assert rows == [("a", "2"), ("b", "1")]


class TestExploreOddCatalogs:
    """In this process: what the cells do, without a kernel."""

    def explore(self, folder: Path, **typed: object) -> str:
        return "".join(run_cells(EXPLORE, {"catalog": folder / "demo.zarr", "covariate": "", **typed}))

    def test_images_of_one_name_in_two_folders(
        self, make_photos: MakePhotos, model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        photos = [make_photos(tmp_path / side, 1)[0] for side in ("north", "south")]
        tk.segment(tk.Catalog.create(tmp_path / "demo.zarr", photos), model, small_protocol).wait()
        assert self.explore(tmp_path).count(photos[0].name) >= 2

    def test_every_image_failed(self, model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path) -> None:
        tk.segment(tk.Catalog.create(tmp_path / "demo.zarr", [tmp_path / "gone.jpg"]), model, small_protocol).wait()
        assert "gone.jpg" in self.explore(tmp_path)

    def test_no_heading_is_without_anything_below_it(
        self, small_photos: list[Path], model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        tk.segment(tk.Catalog.create(tmp_path / "demo.zarr", small_photos[:1]), model, small_protocol).wait()
        page = self.explore(tmp_path)
        for line in ("Nothing else is known", "No image failed.", "Not written"):
            assert f"<p>{line}" in page

    def test_a_class_is_left_out(
        self, small_photos: list[Path], model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        tk.segment(tk.Catalog.create(tmp_path / "demo.zarr", small_photos[:3]), model, small_protocol).wait()
        page = self.explore(tmp_path, leave_out="background")
        assert "Without background" in page
        assert ">background<" not in page

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("covariate", "scnee", r"no covariate 'scnee'; did you mean 'scene'\?"),
            ("leave_out", "backgroud", r"no class 'backgroud'; did you mean 'background'\?"),
        ],
    )
    def test_what_is_misspelt_is_refused_with_the_nearest(
        self, segmented_on_engines: Ran, folder: Path, name: str, text: str, message: str
    ) -> None:
        with pytest.raises(KeyError, match=message):
            list(run_cells(EXPLORE, {"catalog": folder / "engines.zarr", name: text}))

    def test_a_run_without_label_maps(
        self, small_photos: list[Path], model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", small_photos[:1])
        tk.segment(catalog, model, small_protocol, labels=False).wait()
        assert small_photos[0].name in self.explore(tmp_path)

    def test_nothing_ran_yet(self, small_photos: list[Path], tmp_path: Path) -> None:
        tk.Catalog.create(tmp_path / "demo.zarr", small_photos[:1])
        with pytest.raises(Exception, match="has no runs yet"):
            self.explore(tmp_path)

    def test_a_catalog_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match=r"there is no catalog at .*demo\.zarr"):
            self.explore(tmp_path)
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_data_catalog(make_photos: MakePhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data catalog whose samples are two small photos."""
    folder = tmp_path / "data_catalog"
    shutil.copytree(paths.data_catalog(), folder, ignore=shutil.ignore_patterns("*.zarr", "samples"))
    names = [photo.name for photo in make_photos(folder / "samples", 2)]
    rows = "".join(f"{name},town,nobody\n" for name in names)
    (folder / "samples" / "samples.csv").write_text(f"uri,scene,source\n{rows}", encoding="utf-8")
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(folder))
    return folder


class TestDefaults:
    def test_segment_and_explore_run_with_their_defaults(self, small_data_catalog: Path, tmp_path: Path) -> None:
        with chdir(tmp_path):
            for name in ("segment", "explore"):
                result = CliRunner().invoke(main, ["run", name])
                assert result.exit_code == 0, result.output
        assert (tmp_path / "output" / "explore.ipynb").is_file()
        assert (tk.Catalog.open(small_data_catalog / "demo.zarr").to_xarray().status == "done").all()

    @pytest.mark.parametrize("given", [{}, {"catalogue": "mine.zarr"}], ids=["left out", "misspelt"])
    def test_other_photos_are_refused_without_a_catalog_though_papermill_ignores_the_misspelt(
        self, small_data_catalog: Path, small_photos: list[Path], tmp_path: Path, given: dict[str, str]
    ) -> None:
        values = {"images": str(small_photos[0].parent), **given}
        output = tmp_path / "out.ipynb"
        with pytest.raises(PapermillExecutionError, match=r"no catalog was given .* the demo's photos only"):
            papermill.execute_notebook(str(SEGMENT), str(output), values, progress_bar=False)
        assert not (small_data_catalog / "demo.zarr").exists()


class TestRefusals:
    def test_a_misspelt_parameter_is_refused_before_anything_runs(
        self, small_photos: list[Path], tmp_path: Path
    ) -> None:
        values = {"imges": small_photos[0].parent, "catalog": tmp_path / "demo.zarr"}
        with chdir(tmp_path):
            ran = run(SEGMENT, tmp_path, **values, **TINY)
        assert ran.exit_code == 2
        assert "no parameter 'imges'; did you mean 'images'?" in ran.terminal
        assert list(tmp_path.iterdir()) == []

    def test_a_value_of_another_type_is_refused_before_anything_runs(self, tmp_path: Path) -> None:
        ran = run(SEGMENT, tmp_path, **TINY | {"engines": "big"})
        assert ran.exit_code == 2
        assert "parameter engines='big' must be a whole number" in ran.terminal
        assert list(tmp_path.iterdir()) == []

    def test_a_value_outside_its_range_ends_with_its_message_on_the_terminal(
        self, small_photos: list[Path], tmp_path: Path
    ) -> None:
        values = {"images": small_photos[0].parent, "catalog": tmp_path / "demo.zarr", **TINY, "scales": "0"}
        ran = run(SEGMENT, tmp_path, **values)
        assert ran.exit_code == 1
        assert "ValueError: scales must lie in (0, 16], but scales=(0,) holds 0" in ran.terminal
        assert str(ran.output) in ran.terminal
        assert "Traceback" not in ran.terminal
        assert any(output.output_type == "error" for output in ran.outputs)
        assert not ran.page.exists()  # a page of an earlier, better run stays
        assert not (tmp_path / "demo.zarr").exists()

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("scales", "0", "scales must lie in"),
            ("scales", "big", "scales must be numbers"),
            ("scales", "", "scales must hold at least one number"),
            ("crop_size", "0", "crop_size must be a whole number of at least 1, not 0"),
            ("stride", "0", "stride must be a whole number of at least 1, not 0"),
            ("stride", "66", "stride=66 exceeds crop_size=65"),
            ("fields", "{merge: nope}", "merge must be one of 'probabilities', 'logits', not 'nope'"),
            ("fields", "{blend: nope}", "blend must be one of 'constant', 'gaussian', not 'nope'"),
            ("model", "nope", "model 'nope': no such name, no such directory"),
            ("types", "{scene: text}", "which is no table; leave types out"),
            ("area", "circel", "did you mean 'circle'"),
            ("projection", "equirectangula", "did you mean 'equirectangular'"),
            ("max_megapixels", "0", "max_pixels must be a whole number of at least 1, not 0"),
            ("max_megabytes", "0", "max_bytes must be a whole number of at least 1, not 0"),
            ("catalog", "", "no catalog was given for images='.*', or -p catalog data_catalog/"),
            ("images", "nope/*.jpg", r"images: 'nope/\*.jpg': no files match this pattern"),
            ("images", "nope", "images: 'nope': the path does not exist"),
            ("catalog", "notes.txt", "catalog 'notes.txt' is not a directory"),
        ],
    )
    def test_wrong_values_are_refused_by_name_and_no_catalog_is_made(
        self, small_photos: list[Path], tmp_path: Path, name: str, text: str, message: str
    ) -> None:
        (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
        typed = {"images": small_photos[0].parent, "catalog": tmp_path / "demo.zarr", **TINY}
        with chdir(tmp_path), pytest.raises(Exception, match=message):
            list(run_cells(SEGMENT, {**typed, name: text}))
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
        assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "notes"

    @pytest.mark.parametrize(
        ("cluster", "engines", "message"),
        [
            ("nope", "2", "'nope' is neither one of 'gpu', 'htcondor', "),
            ("connect:nope", "2", "'nope' is neither one of 'gpu', 'htcondor', "),
            ("local", "0", "n must be a whole number of at least 1, not 0"),
        ],
    )
    def test_engines_that_cannot_be_had_are_refused_before_a_run_begins(
        self, small_photos: list[Path], tmp_path: Path, cluster: str, engines: str, message: str
    ) -> None:
        typed = {"images": small_photos[0].parent, "catalog": tmp_path / "demo.zarr", **TINY}
        with pytest.raises(ValueError, match=message):
            list(run_cells(SEGMENT, {**typed, "cluster": cluster, "engines": engines}))
        assert not list(tmp_path.glob("demo.zarr/runs/*"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
class TestEveryNotebook:
    def test_it_is_stored_without_outputs(self, path: Path) -> None:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert [cell.outputs for cell in cells] == [[]] * len(cells)
        assert [cell.execution_count for cell in cells] == [None] * len(cells)

    def test_it_is_valid(self, path: Path) -> None:
        nbformat.validate(nbformat.read(path, as_version=4))

    def test_one_cell_holds_its_parameters(self, path: Path) -> None:
        tagged = [
            cell for cell in nbformat.read(path, as_version=4).cells if "parameters" in cell.metadata.get("tags", ())
        ]
        assert len(tagged) == 1

    def test_its_parameters_have_types_and_help(self, path: Path) -> None:
        parameters = read_parameters(path)
        assert parameters
        assert [found.name for found in parameters if found.type_name == "None" or not found.help.strip()] == []

    def test_its_defaults_are_of_their_types(self, path: Path) -> None:
        types = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
        types |= {"Optional[int]": int | None, "Optional[float]": float | None}
        for parameter in read_parameters(path):
            assert isinstance(ast.literal_eval(parameter.default), types[parameter.type_name])

    def test_its_help_is_shown_without_running_it(self, path: Path) -> None:
        result = CliRunner().invoke(main, ["run", str(path), "--help-notebook"])
        assert result.exit_code == 0
        for parameter in read_parameters(path):
            assert (
                f"{parameter.name}: {parameter.type_name} = {parameter.default}\n    {parameter.help}" in result.output
            )


def test_one_that_fails_leaves_what_was_executed_before(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("raise ValueError('no')")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL}), tmp_path / "fails.ipynb")
    (tmp_path / "ran.ipynb").write_text("as it ran")
    with pytest.raises(NotebookError, match=r"ValueError: no\n.*ran.ipynb, the one before is .*ran.before.ipynb"):
        run_notebook(tmp_path / "fails.ipynb", tmp_path / "ran.ipynb", {}, None)
    assert (tmp_path / "ran.before.ipynb").read_text() == "as it ran"
