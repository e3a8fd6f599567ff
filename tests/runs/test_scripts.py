"""Runs in scripts: ended without waiting, and with nobody left to read what they print."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit as tk
from toolkit import Catalog

SCRIPT = """
import sys
import toolkit as tk
catalog = tk.Catalog.open(sys.argv[1])
run = tk.segment(catalog, "deeplabv3-mobilenetv2-voc", tk.Protocol(crop_size=97))
"""


def _run(catalog: Catalog, script: str, **streams: int) -> "subprocess.CompletedProcess[str]":
    location = str(catalog.store.root)  # type: ignore[attr-defined]
    command = [sys.executable, "-c", script, location]
    return subprocess.run(command, text=True, timeout=120, check=False, **streams)


def test_a_script_that_ends_without_waiting_finishes_its_run(catalog: Catalog) -> None:
    ended = _run(catalog, SCRIPT, stderr=subprocess.PIPE)
    assert ended.returncode == 0
    assert "10 of 10 images done" in ended.stderr
    assert (catalog.to_xarray().status == "done").all()


def test_a_terminal_that_was_closed_does_not_stop_the_run(catalog: Catalog) -> None:
    close = "import os\nread, write = os.pipe()\nos.dup2(write, 2)\nos.close(read)\nos.close(write)\n"
    ended = _run(catalog, close + SCRIPT + "run.wait()")
    assert ended.returncode in (0, 120)  # with which Python says that it could not flush what nobody reads
    assert (catalog.to_xarray().status == "done").all()


def test_a_catalog_without_images_is_refused(tmp_path: Path, small_photos: list[Path]) -> None:
    catalog = Catalog.create(tmp_path / "gone.zarr", small_photos)
    shutil.rmtree(tmp_path / "gone.zarr")
    with pytest.raises(ValueError, match="has no images"):
        tk.segment(catalog, "deeplabv3-mobilenetv2-voc")
    assert not (tmp_path / "gone.zarr").exists()
