"""JupyterLab as `segscape lab` starts it: a real server, and the kernel of a notebook in a folder."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from toolkit.lab import copy_notebooks, lab_command
from toolkit.testing.waiting import wait_until

TOKEN = "of-this-test-only"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of JupyterLab, open at a folder with copies of the notebooks; and its process."""
    copy_notebooks(tmp_path / "my_notebooks")
    options = ["--no-browser", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}"]
    command = lab_command(tmp_path, "my_notebooks/segment.ipynb", options)
    log = tmp_path / "lab.log"
    with log.open("wb") as stream, subprocess.Popen(command, cwd=tmp_path, stdout=stream, stderr=stream) as process:
        try:
            address = re.compile(r"http://127\.0\.0\.1:(\d+)/lab")
            wait_until(lambda: process.poll() is not None or address.search(log.read_text()), seconds=60)
            found = address.search(log.read_text())
            assert found, log.read_text()
            yield f"http://127.0.0.1:{found[1]}", process
        finally:
            process.terminate()
            process.wait(30)


def test_a_notebooks_kernel_starts_where_the_lab_opened(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    address, process = server
    session = {
        "path": "my_notebooks/segment.ipynb",
        "name": "segment.ipynb",
        "type": "notebook",
        "kernel": {"name": "python3"},
    }
    request = urllib.request.Request(
        f"{address}/api/sessions",
        data=json.dumps(session).encode(),
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 201
    kernels = [child for child in psutil.Process(process.pid).children() if "ipykernel_launcher" in child.cmdline()]
    assert [Path(kernel.cwd()) for kernel in kernels] == [tmp_path]
