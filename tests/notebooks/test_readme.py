"""README says what is so: each of its lines runs, in order, on small photos; commands of all pages are understood."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import toolkit as tk
from toolkit.catalog.format.codes import ERROR_CODES
from toolkit.cli import main
from toolkit.notebooks import find_notebook, parse_parameters, read_parameters

MakePhotos = Callable[..., list[Path]]

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "data_catalog" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = "<!-- not run by the tests"
ELSEWHERE = ("hf:", "sftp://", "s3://")
"""Words of commands that need a network."""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of the blocks of code of a page that can be run here."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^(<!--.*-->\n)?```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        if not (found[1] or "").startswith(NOT_RUN):
            yield found[2], found[3]


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each call of segscape in a console's text, up to an ellipsis."""
    for line in re.findall(r"^\$ (.*)$", text.replace("\\\n", " "), flags=re.MULTILINE):
        words = shlex.split(line)
        while words and "=" in words[0]:  # variables of the environment
            words.pop(0)
        if words and words[0].rpartition("/")[2] == "segscape":
            yield words[1 : words.index("…") if "…" in words else None]


EVERY_COMMAND = [
    pytest.param(arguments, id=f"{page.name}: {shlex.join(arguments)[:60]}")
    for page in PAGES
    for language, text in blocks(page)
    if language == "console"
    for arguments in commands(text)
]


@pytest.mark.parametrize("arguments", EVERY_COMMAND)
def test_every_command_of_every_page_is_one_that_is_understood(
    arguments: list[str],
) -> None:
    name, *rest = arguments
    context = main.commands[name].make_context(name, rest, parent=click.Context(main))
    if name == "run":
        parameters = read_parameters(find_notebook(context.params["notebook"]))
        parse_parameters(parameters, context.params["given"])


@pytest.fixture
def project(
    make_photos: MakePhotos, small_protocol: tk.Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder in which the demo was made, small, with a folder of photos; the working directory."""
    samples = tmp_path / "data_catalog" / "samples"
    names = [photo.name for photo in make_photos(samples, 4)]
    (samples / "000-basketball1.png").rename(samples / "dog.jpg")
    rows = [f"{name},{scene}\n" for name, scene in zip(["dog.jpg", *names[1:]], ["town", "nature"] * 2, strict=True)]
    (samples / "samples.csv").write_text("uri,scene\n" + "".join(rows), encoding="utf-8")
    demo = tk.Catalog.create(tmp_path / "data_catalog" / "demo.zarr", samples / "samples.csv")
    tk.segment(demo, "deeplabv3-mobilenetv2-voc", small_protocol).wait()
    photos = make_photos(tmp_path / "photos", 3)
    photos[0].rename(photos[0].with_name("blurred.jpg"))
    (tmp_path / "photos" / "survey.csv").write_text(f"uri,score\n{photos[1].name},0.5\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_of_the_readme_runs(project: Path) -> None:
    names: dict[str, object] = {}
    n_run = 0
    for language, text in blocks(ROOT / "README.md"):
        if language == "python":
            exec(compile(text, "README.md", "exec"), names)
            n_run += 1
        for arguments in commands(text) if language == "console" else ():
            if not any(word in argument for argument in arguments for word in ELSEWHERE):
                result = CliRunner().invoke(main, arguments)
                assert result.exit_code == 0, f"segscape {shlex.join(arguments)}\n{result.output}"
                n_run += 1
    assert n_run >= 9
    assert (project / "output" / "photos" / "report.html").is_file()
    assert (project / "photos-2026.zarr").is_dir()


def test_every_error_code_is_explained() -> None:
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    assert [code for code in ERROR_CODES if code and f"`{code}`" not in page] == []
