"""JupyterLab on copies of the notebooks: whose changes are kept, and where kernels start."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolkit import cli, paths
from toolkit.lab import ProjectKernels, copy_notebooks, lab_command


@pytest.fixture
def originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of notebooks that may change, as those that came with the toolkit."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("segment", "explore"):
        (folder / f"{name}.ipynb").write_text(f"{name}, first version", encoding="utf-8")
    monkeypatch.setattr(paths, "notebooks", lambda: folder)
    return folder


class TestCopies:
    def test_there_is_one_of_each(self, originals: Path, tmp_path: Path) -> None:
        assert copy_notebooks(tmp_path / "mine") == []
        copied = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "mine").glob("*.ipynb")}
        assert copied == {path.name: path.read_text(encoding="utf-8") for path in originals.iterdir()}

    def test_a_changed_one_is_kept(self, originals: Path, tmp_path: Path) -> None:
        copy_notebooks(tmp_path / "mine")
        (tmp_path / "mine" / "segment.ipynb").write_text("mine", encoding="utf-8")
        assert copy_notebooks(tmp_path / "mine") == []
        assert (tmp_path / "mine" / "segment.ipynb").read_text(encoding="utf-8") == "mine"

    def test_one_as_it_was_follows_its_original(self, originals: Path, tmp_path: Path) -> None:
        copy_notebooks(tmp_path / "mine")
        (originals / "segment.ipynb").write_text("second version", encoding="utf-8")
        assert copy_notebooks(tmp_path / "mine") == []
        assert (tmp_path / "mine" / "segment.ipynb").read_text(encoding="utf-8") == "second version"

    def test_a_changed_one_is_kept_and_named_when_its_original_changes(self, originals: Path, tmp_path: Path) -> None:
        copy_notebooks(tmp_path / "mine")
        (tmp_path / "mine" / "segment.ipynb").write_text("mine", encoding="utf-8")
        (originals / "segment.ipynb").write_text("second version", encoding="utf-8")
        for _ in range(2):
            assert copy_notebooks(tmp_path / "mine") == ["segment.ipynb"]
        assert (tmp_path / "mine" / "segment.ipynb").read_text(encoding="utf-8") == "mine"

    def test_one_that_was_there_before_is_somebodys(self, originals: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "explore.ipynb").write_text("mine", encoding="utf-8")
        assert copy_notebooks(tmp_path / "mine") == ["explore.ipynb"]
        assert (tmp_path / "mine" / "explore.ipynb").read_text(encoding="utf-8") == "mine"

    def test_one_that_was_renamed_is_copied_again(self, originals: Path, tmp_path: Path) -> None:
        copy_notebooks(tmp_path / "mine")
        (tmp_path / "mine" / "segment.ipynb").rename(tmp_path / "mine" / "bern.ipynb")
        copy_notebooks(tmp_path / "mine")
        assert {path.name for path in (tmp_path / "mine").glob("*.ipynb")} == {
            "bern.ipynb", "explore.ipynb", "segment.ipynb"
        }  # fmt: skip

    def test_git_ignores_their_folder(self) -> None:
        ignored = (Path(__file__).parent.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
        assert f"{paths.WORKING_COPIES}/" in ignored


class TestKernels:
    @pytest.mark.parametrize("notebook", ["", "segment.ipynb", "my_notebooks/segment.ipynb", "a/b/c.ipynb"])
    def test_they_start_where_the_lab_opened(self, tmp_path: Path, notebook: str) -> None:
        (tmp_path / "my_notebooks").mkdir()
        kernels = ProjectKernels(root_dir=str(tmp_path))
        assert kernels.cwd_for_path(notebook) == str(tmp_path)
        assert kernels.cwd_for_path(notebook, env={}) == str(tmp_path)


class TestCommand:
    def test_root_is_allowed_on_loopback_only(self, tmp_path: Path) -> None:
        command = lab_command(tmp_path, "a.ipynb", is_root=True)
        assert {"--allow-root", "--ServerApp.ip=127.0.0.1"} <= set(command)

    def test_nobody_else_is_told_to_be_root(self, tmp_path: Path) -> None:
        command = lab_command(tmp_path, "a.ipynb", is_root=False)
        assert [option for option in command if "root" in option and "root_dir" not in option] == []

    def test_jupyters_own_options_come_last(self, tmp_path: Path) -> None:
        assert lab_command(tmp_path, "a.ipynb", ["--no-browser"], is_root=True)[-1] == "--no-browser"

    def test_it_opens_here_with_copies(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        started: list[list[str]] = []
        monkeypatch.setattr(cli.os, "execv", lambda program, command: started.append(command))
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(cli.main, ["lab", "--no-browser", "--port", "8890"])
        assert result.exit_code == 0, result.output
        ((program, *options),) = started
        assert program == sys.executable
        assert f"--ServerApp.root_dir={tmp_path}" in options
        assert options[-3:] == ["--no-browser", "--port", "8890"]
        names = {path.name for path in (tmp_path / "my_notebooks").glob("*.ipynb")}
        assert names == {path.name for path in paths.notebooks().glob("*.ipynb")}
