"""The command from a wheel: it brings its notebooks, and leaves nothing among the installed packages."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TINY = {"scales": "0.25", "crop_size": "65", "stride": "65", "flip": "false", "engines": "1"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as installing the wheel leaves it, from the same list that the wheel is built from."""
    site = tmp_path_factory.mktemp("site-packages")
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    files = {name: name for name in targets["wheel"]["packages"]} | targets["wheel"]["force-include"]
    for source, target in files.items():
        (site / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copyfile
        copy(ROOT / source, site / target)
    return site


def segscape(installed: Path, folder: Path, *arguments: str) -> str:
    """What the installed command prints, run in a folder of a person who has settings of their own nowhere."""
    own = {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": str(folder / ".numba")}
    done = subprocess.run(
        [sys.executable, "-c", "from toolkit.cli import main; main()", *arguments],
        cwd=folder,
        env={**os.environ, **own, "HOME": str(folder), "IPYTHONDIR": str(folder / ".ipython")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listed(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


def test_its_notebooks_are_found_by_name_and_results_go_to_the_working_directory(
    installed: Path, tmp_path: Path
) -> None:
    before = listed(installed)
    given = [part for name, value in TINY.items() for part in ("-p", name, value)]
    segscape(installed, tmp_path, "run", "segment", *given)
    segscape(installed, tmp_path, "run", "explore", "-p", "overlays", "1")
    assert (tmp_path / "data_catalog" / "demo.zarr" / "zarr.json").is_file()
    assert {path.name for path in (tmp_path / "output").iterdir()} == {"segment.ipynb", "explore.ipynb"}
    assert listed(installed) == before


def test_every_notebook_comes_along(installed: Path) -> None:
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in (installed / "toolkit" / "_share" / "notebooks").iterdir()} == names
