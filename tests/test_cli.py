"""The command ``segscape``, and how it reads a notebook's parameters."""

import dataclasses
import importlib.metadata
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import toolkit as tk
from toolkit import paths
from toolkit.cli import main
from toolkit.notebooks import Parameter, ParameterError, parse_parameters


def segscape(*arguments: object) -> Result:
    """What the command prints, and its exit code."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def parse(type_name: str, text: str) -> object:
    """One value as a notebook would get it."""
    return parse_parameters([Parameter("value", type_name, "", "")], [("value", text)])["value"]


class TestParameters:
    @pytest.mark.parametrize(
        ("type_name", "text", "value"),
        [
            ("str", "photos", "photos"),
            ("str", "", ""),
            ("str", "12", "12"),
            ("str", "null", "null"),
            ("str", "[a, b]", "[a, b]"),
            ("str", "a: b", "a: b"),
            ("int", "473", 473),
            ("int", "-1", -1),
            ("float", "0.25", 0.25),
            ("float", ".5", 0.5),
            ("float", "1", 1.0),
            ("float", "1e-3", 0.001),
            ("bool", "true", True),
            ("bool", "True", True),
            ("bool", "false", False),
            ("bool", "False", False),
            ("list", "0.5", [0.5]),
            ("list", "0.5,1", [0.5, 1]),
            ("list", "0.5, 1", [0.5, 1]),
            ("list", "[0.5, 1]", [0.5, 1]),
            ("list", " [0.5,1] ", [0.5, 1]),
            ("list", "", []),
            ("list[float]", "0.5,1", [0.5, 1]),
            ("tuple", "0.5,1", [0.5, 1]),
            ("dict", "{a: 1}", {"a": 1}),
            ("int | None", "3", 3),
            ("int | None", "null", None),
        ],
    )
    def test_text_becomes_a_value_of_the_parameters_type(self, type_name: str, text: str, value: object) -> None:
        parsed = parse(type_name, text)
        assert parsed == value
        assert type(parsed) is type(value)

    @pytest.mark.parametrize(
        ("type_name", "text"),
        [
            ("int", "65.0"),
            ("int", "big"),
            ("int", "true"),
            ("int", "null"),
            ("int", ""),
            ("int", "1,2"),
            ("float", "big"),
            ("float", "true"),
            ("float", "0.5,1"),
            ("bool", "1"),
            ("bool", "0"),
            ("bool", "maybe"),
            ("dict", "1"),
            ("int | None", "big"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name_value_and_type(self, type_name: str, text: str) -> None:
        with pytest.raises(ParameterError) as refused:
            parse(type_name, text)
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "None": "null for none"}
        words |= {"dict": "pairs such as {name: value}"}
        wanted = ", or ".join(words[kind] for kind in type_name.split(" | "))
        assert str(refused.value) == f"parameter value={text!r} must be {wanted}"

    @pytest.mark.parametrize(("type_name", "text"), [("list", "[0.5"), ("list", "0.5,,1"), ("dict", "{a: ")])
    def test_what_cannot_be_read_is_refused(self, type_name: str, text: str) -> None:
        with pytest.raises(ParameterError, match=r"parameter value=.* cannot be read as (list|dict)"):
            parse(type_name, text)

    def test_text_cannot_make_objects(self) -> None:
        with pytest.raises(ParameterError, match="cannot be read"):
            parse("list", "[!!python/object/apply:os.getcwd []]")

    def test_the_nearest_name_is_offered_for_one_that_is_unknown(self) -> None:
        parameters = [Parameter("images", "str", "", ""), Parameter("scales", "list", "", "")]
        with pytest.raises(ParameterError, match=r"no parameter 'scale'; did you mean 'scales'\? .*: images, scales"):
            parse_parameters(parameters, [("scale", "1")])

    def test_a_name_like_no_other_is_refused_in_a_whole_sentence(self) -> None:
        with pytest.raises(ParameterError, match=r"no parameter 'zzz'[.;:] [Ii]t takes: value"):
            parse_parameters([Parameter("value", "int", "", "")], [("zzz", "1")])

    def test_a_name_given_twice_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="'value' is given twice"):
            parse_parameters([Parameter("value", "int", "", "")], [("value", "1"), ("value", "1")])

    def test_what_is_not_given_is_left_to_the_notebook(self) -> None:
        assert parse_parameters([Parameter("value", "int", "7", "")], []) == {}


class TestRun:
    def test_a_notebook_that_does_not_exist_is_refused_by_name(self, tmp_path: Path) -> None:
        result = segscape("run", "missing.ipynb", "-o", tmp_path / "out" / "missing.ipynb")
        assert result.exit_code == 2
        assert "there is no notebook 'missing.ipynb'" in result.output
        assert not (tmp_path / "out").exists()

    def test_without_a_notebook_it_names_those_that_come_along(self) -> None:
        result = segscape("run")
        assert result.exit_code == 2
        assert "which notebook? Give one of segment, explore, evaluate, or a path" in result.output

    @pytest.mark.parametrize("typed", ["segmant", "Segment", "segment.ipynb", "notebooks/segment.ipynb"])
    def test_the_nearest_of_those_is_offered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
        monkeypatch.chdir(tmp_path)
        result = segscape("run", typed)
        assert result.exit_code == 2
        assert f"there is no notebook '{typed}'; did you mean 'segment'?" in result.output

    def test_a_name_is_found_from_anywhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        result = segscape("run", "segment", "--help-notebook")
        assert result.exit_code == 0
        assert result.output.startswith("images: str = ")

    def test_a_persons_own_notebook_of_that_name_is_reached_by_its_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        shutil.copy(paths.notebooks() / "explore.ipynb", "segment.ipynb")
        assert segscape("run", "segment.ipynb", "--help-notebook").output.startswith("catalog: str = ")
        assert segscape("run", "segment", "--help-notebook").output.startswith("images: str = ")

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            (("-p", "engines", "two"), "parameter engines='two' must be a whole number\n"),
            (("-p", "engines", "2.5"), "parameter engines='2.5' must be a whole number\n"),
            (("-p", "flip", "ja"), "parameter flip='ja' must be true or false\n"),
            (("-p", "cache_gb", "100 GB"), "parameter cache_gb='100 GB' must be a number\n"),
            (("-p", "crop_size", "big"), "parameter crop_size='big' must be a whole number, or null for none\n"),
            (("-p", "fields", "gaussian"), "parameter fields='gaussian' must be pairs such as {name: value}\n"),
            (("-p", "scale", "1"), "no parameter 'scale'; did you mean 'scales'?"),
            (("-p", "scales"), "-p scales: the value is missing, -p NAME VALUE"),
            (("-p", "images=photos"), "-p images=photos: write name and value apart, -p images photos"),
            (("-p", "images=photos", "-p", "flip", "false"), "write name and value apart, -p images photos"),
            (("images", "photos"), "Got unexpected extra arguments (images photos)"),
            (("-o", "."), "File '.' is a directory"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_what_is_typed_wrongly_is_refused_with_the_remedy_before_anything_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = segscape("run", "segment", *typed)
        assert result.exit_code == 2
        assert message in result.output
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("option", ["-o", "--html"])
    def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "file").write_text("", encoding="utf-8")
        result = segscape("run", "segment", option, "file/page.html")
        assert result.exit_code == 1
        assert "'file/page.html' cannot be written: " in result.output
        assert result.output.rstrip().endswith("choose another path")

    def test_a_page_is_no_notebook(self, tmp_path: Path) -> None:
        (tmp_path / "report.html").write_text("<html>", encoding="utf-8")
        result = segscape("run", tmp_path / "report.html")
        assert result.exit_code == 2
        assert "is not a notebook: its name does not end in .ipynb" in result.output

    def test_a_file_that_is_no_notebook_is_refused_without_a_traceback(self, tmp_path: Path) -> None:
        (tmp_path / "notes.ipynb").write_text("no notebook", encoding="utf-8")
        result = segscape("run", tmp_path / "notes.ipynb", "-o", tmp_path / "out.ipynb")
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code != 0
        assert "notes.ipynb" in result.output


class TestStatus:
    @pytest.fixture
    def catalog(self, small_photos: list[Path], tmp_path: Path) -> tk.Catalog:
        """Two photos, and one that is missing; nothing ran yet."""
        return tk.Catalog.create(tmp_path / "demo.zarr", images=[*small_photos[:2], tmp_path / "gone.jpg"])

    def test_without_runs_it_counts_the_images(self, catalog: tk.Catalog, tmp_path: Path) -> None:
        result = segscape("status", tmp_path / "demo.zarr")
        assert result.exit_code == 0
        assert result.output == f"{tmp_path / 'demo.zarr'}: 3 images, 0 runs\n"

    def test_it_says_what_is_done_what_failed_and_why(
        self, catalog: tk.Catalog, model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        result = segscape("status", tmp_path / "demo.zarr")
        assert result.exit_code == 0
        assert "3 images, 1 run\n" in result.output
        header, row = (line.split() for line in lines_with(result.output, ("last_write", run.id)))
        assert dict(zip(header, row[1:], strict=False)) == {
            "model": model.name, "images": "3", "done": "2", "failed": "1", "pending": "0", "last_write": row[6]
        }  # fmt: skip
        (failure,) = lines_with(result.output, ("gone.jpg",))
        assert "[missing]" in failure

    def test_it_shows_what_tells_runs_apart(
        self, catalog: tk.Catalog, model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        for stride in (48, 64):
            tk.segment(catalog, model, dataclasses.replace(small_protocol, stride=stride)).wait()
        header, _, *rows = segscape("status", tmp_path / "demo.zarr").output.splitlines()[1:5]
        assert header.split()[-1] == "stride"
        assert [row.split()[-1] for row in rows] == ["48", "64"]

    def test_it_shows_compositions_if_asked(
        self,
        catalog: tk.Catalog,
        model: tk.Model,
        small_protocol: tk.Protocol,
        small_photos: list[Path],
        tmp_path: Path,
    ) -> None:
        tk.segment(catalog, model, small_protocol).wait()
        result = segscape("status", tmp_path / "demo.zarr", "--images")
        assert result.exit_code == 0
        for photo in small_photos[:2]:
            (line,) = lines_with(result.output, (photo.name,))
            assert "%" in line

    def test_it_says_what_was_noticed_of_the_pictures(
        self, model: tk.Model, small_protocol: tk.Protocol, small_photos: list[Path], tmp_path: Path
    ) -> None:
        Image.new("RGB", (40, 30)).save(tmp_path / "black.png")
        with Image.open(small_photos[0]) as photo:
            photo.convert("RGB").save(tmp_path / "copy.bmp")
        images = [small_photos[0], tmp_path / "black.png", tmp_path / "copy.bmp"]
        tk.segment(tk.Catalog.create(tmp_path / "c.zarr", images), model, small_protocol).wait()
        output = segscape("status", tmp_path / "c.zarr").output
        assert "\nnoticed: 1 blank, 1 with the same pixels as another, 0 nearly the same; all are counted" in output

    def test_compositions_of_no_image_are_no_error(
        self, model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path
    ) -> None:
        tk.segment(tk.Catalog.create(tmp_path / "c.zarr", [tmp_path / "gone.jpg"]), model, small_protocol).wait()
        assert segscape("status", tmp_path / "c.zarr", "--images").exit_code == 0

    def test_where_nothing_is_it_says_so_and_makes_nothing(self, tmp_path: Path) -> None:
        result = segscape("status", tmp_path / "nowhere.zarr")
        assert result.exit_code == 1
        assert "there is no catalog at" in result.output
        assert not (tmp_path / "nowhere.zarr").exists()

    def test_a_file_is_refused(self, small_photos: list[Path]) -> None:
        result = segscape("status", small_photos[0])
        assert result.exit_code == 1
        assert "is not a directory" in result.output

    def test_a_folder_of_something_else_is_refused(self, small_photos: list[Path]) -> None:
        result = segscape("status", small_photos[0].parent)
        assert result.exit_code == 1
        assert "holds something that is not a catalog" in result.output


@pytest.fixture
def catalog(model: tk.Model, small_protocol: tk.Protocol, small_photos: list[Path], tmp_path: Path) -> Path:
    """Two photos, segmented."""
    catalog = tk.Catalog.create(tmp_path / "demo.zarr", images=small_photos[:2])
    tk.segment(catalog, model, small_protocol).wait()
    return tmp_path / "demo.zarr"


class TestVerify:
    def test_a_whole_catalog_is_clean(self, catalog: Path) -> None:
        result = segscape("verify", catalog, "--labels")
        assert (result.exit_code, result.output) == (0, "clean: 2 results checked\n")

    def test_damage_is_told_and_mended(self, catalog: Path) -> None:
        (chunk,) = catalog.rglob("composition/c/0/0")
        chunk.write_bytes(b"damaged")
        result = segscape("verify", catalog)
        assert result.exit_code == 1
        assert result.output.startswith("damaged: unreadable at ")
        assert "segscape verify --repair mends" in result.output
        assert segscape("verify", catalog, "--repair").exit_code == 0
        assert segscape("verify", catalog).output == "clean: 0 results checked\n"
        assert tk.Catalog.open(catalog).runs().pending.tolist() == [2]

    def test_no_catalog_is_refused(self, tmp_path: Path) -> None:
        result = segscape("verify", tmp_path / "mistyped.zarr")
        assert result.exit_code == 1
        assert "there is no catalog at" in result.output


class TestPublish:
    def test_it_writes_the_newest_run(self, catalog: Path, small_photos: list[Path], tmp_path: Path) -> None:
        result = segscape("publish", catalog, tmp_path / "run.csv")
        run_id = tk.Catalog.open(catalog).runs().index[-1]
        assert result.exit_code == 0
        assert result.output.startswith(f"published: {tmp_path / 'run.csv'}, run {run_id} of ")
        assert result.output.endswith(": 2 images done, 0 failed, 0 pending\n")
        header, *rows = (tmp_path / "run.csv").read_text(encoding="utf-8").splitlines()
        assert header.startswith(
            "uri,status,error,confidence,valid_fraction,blank,duplicate_of,near_duplicate_of,background,"
        )
        assert [photo.name in row for photo, row in zip(small_photos[:2], rows, strict=True)] == [True, True]

    def test_a_place_that_cannot_be_written_is_an_error_in_words(self, catalog: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        result = segscape("publish", catalog, tmp_path / "file" / "run.csv")
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")

    def test_it_replaces_only_if_told(self, catalog: Path, tmp_path: Path) -> None:
        run_id = tk.Catalog.open(catalog).runs().index[0]
        assert segscape("publish", catalog, tmp_path / "run.zarr", "--run-id", run_id).exit_code == 0
        refused = segscape("publish", catalog, tmp_path / "run.zarr")
        assert refused.exit_code == 1
        assert "is there already" in refused.output
        assert segscape("publish", catalog, tmp_path / "run.zarr", "--overwrite").exit_code == 0

    def test_pending_images_are_refused_unless_told(self, catalog: Path, tmp_path: Path) -> None:
        tk.Catalog.open(catalog).add([tmp_path / "new.jpg"])
        refused = segscape("publish", catalog, tmp_path / "run.parquet")
        assert refused.exit_code == 1
        assert "1 pending images" in refused.output
        assert segscape("publish", catalog, tmp_path / "run.parquet", "--partial").exit_code == 0


class TestRemove:
    def test_images_are_taken_out_and_shown_again(self, catalog: Path, small_photos: list[Path]) -> None:
        taken = segscape("remove", catalog, small_photos[0])
        assert (taken.exit_code, taken.output) == (0, "1 image taken out; 1 are shown\n")
        again = segscape("remove", catalog, small_photos[0], "--restore")
        assert (again.exit_code, again.output) == (0, "1 image shown again; 2 are shown\n")

    def test_of_one_that_is_not_there_an_error_says_so(self, catalog: Path) -> None:
        refused = segscape("remove", catalog, "nowhere.jpg")
        assert refused.exit_code == 1
        assert "has none of nowhere.jpg" in refused.output


class TestEstimate:
    def test_it_says_what_is_to_come_and_writes_nothing(self, small_photos: list[Path], tmp_path: Path) -> None:
        catalog = tk.Catalog.create(tmp_path / "demo.zarr", images=small_photos[:2])
        given = ("--preset", "segformer", "--scales", "0.5,1", "--no-flip", "--crop-size", 65, "--stride", 65)
        result = segscape("estimate", tmp_path / "demo.zarr", *given)
        assert result.exit_code == 0, result.output
        assert "2 of 2 images are pending for deeplabv3-mobilenetv2-voc at scales 0.5, 1\n" in result.output
        assert "on 2 images" in result.output
        assert catalog.runs().empty

    def test_limits_and_areas_are_those_of_the_run(self, small_photos: list[Path]) -> None:
        small = ("--scales", "1", "--crop-size", 97, "--sample", "1")
        refused = segscape("estimate", small_photos[0], *small, "--max-megapixels", "0.0001")
        assert "more than max_pixels=100; raise" in refused.output
        misspelt = segscape("estimate", small_photos[0], *small, "--area", "{botom: 0.1}")
        assert (misspelt.exit_code, "did you mean 'bottom'" in misspelt.output) == (1, True)

    def test_before_there_is_a_catalog(self, small_photos: list[Path], tmp_path: Path) -> None:
        result = segscape("estimate", small_photos[0].parent, "--scales", "1", "--sample", "1", "--crop-size", 97)
        assert result.exit_code == 0, result.output
        assert f"{len(small_photos)} of {len(small_photos)} images are pending" in result.output
        assert "at scale 1, mirrored too" in result.output  # as the notebook does it

    def test_without_models_it_says_so(
        self, small_photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path / "mistyped"))
        result = segscape("estimate", small_photos[0])
        assert result.exit_code == 1
        assert "holds no models" in result.output

    @pytest.mark.parametrize("given", [("--preset", "semsge"), ("--model", "deeplabv4")])
    def test_what_is_not_there_is_refused(
        self, small_photos: list[Path], tmp_path: Path, given: tuple[str, str]
    ) -> None:
        tk.Catalog.create(tmp_path / "demo.zarr", images=small_photos[:1])
        result = segscape("estimate", tmp_path / "demo.zarr", *given)
        assert result.exit_code == 1
        assert given[1] in result.output


class TestDoctor:
    def test_it_segments_a_photo(self) -> None:
        result = segscape("doctor")
        assert result.exit_code == 0
        assert result.output.startswith(f"segscape {tk.__version__}, Python ")
        assert "deeplabv3-mobilenetv2-voc" in result.output
        assert "All well." in result.output

    def test_without_models_it_says_what_is_missing_where(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path / "mistyped"))
        result = segscape("doctor")
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code != 0
        assert str(tmp_path / "mistyped") in result.output


class TestCommand:
    def test_version(self) -> None:
        assert segscape("--version").output == f"segscape, version {importlib.metadata.version('segscape')}\n"

    @pytest.mark.parametrize("option", ["-h", "--help"])
    def test_help_lists_the_commands(self, option: str) -> None:
        result = segscape(option)
        assert result.exit_code == 0
        for name in ("run", "lab", "status", "verify", "publish", "estimate", "doctor"):
            assert f"\n  {name} " in result.output

    @pytest.mark.parametrize("name", ["run", "lab", "status", "verify", "publish", "estimate", "doctor"])
    def test_each_command_has_help(self, name: str) -> None:
        result = segscape(name, "--help")
        assert result.exit_code == 0
        assert f"Usage: main {name}" in result.output

    @pytest.mark.parametrize(("typed", "meant"), [("runn", "run"), ("stats", "status"), ("--verison", "--version")])
    def test_what_is_unknown_is_refused_with_the_nearest(self, typed: str, meant: str) -> None:
        result = segscape(typed)
        assert result.exit_code == 2
        assert meant in result.output.splitlines()[-1]

    def test_nothing_at_all_shows_the_commands(self) -> None:
        assert "\n  run " in segscape().output

    @pytest.mark.parametrize("command", ["status", "verify", "publish"])
    def test_where_there_is_no_catalog_it_says_what_makes_one(self, command: str, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        result = segscape(command, tmp_path / "empty", *[tmp_path / "run.csv"] * (command == "publish"))
        assert result.exit_code == 1
        assert "there is no catalog at" in result.output
        assert "segscape run segment" in result.output

    @pytest.mark.parametrize("target", ["run", "run.xlsx", "run.CSV "])
    def test_a_publication_of_an_unknown_kind_is_refused_with_those_that_there_are(
        self, catalog: Path, tmp_path: Path, target: str
    ) -> None:
        result = segscape("publish", catalog, tmp_path / target)
        assert result.exit_code == 1
        assert ".zarr, .parquet, .csv or .icechunk" in result.output


def lines_with(text: str, words: Iterable[str]) -> list[str]:
    """The first line with each of these words."""
    return [next(line for line in text.splitlines() if word in line) for word in words]
