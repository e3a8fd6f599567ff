"""JupyterLab on copies of the notebooks, in which relative paths mean what they mean in the shell."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from toolkit import paths

_ORIGINALS = ".originals"  # beside the copies: what each was copied from, to tell whose change a difference is


class ProjectKernels(AsyncMappingKernelManager):
    """Kernels that start where the lab opened, whatever folder their notebook lies in."""

    def cwd_for_path(self, path: str, **options: object) -> str:
        """Return that folder."""
        return str(self.root_dir)


def copy_notebooks(folder: Path) -> list[str]:
    """Copy the notebooks that came with the toolkit to where a person works on them, and never over what they changed.

    Parameters
    ----------
    folder : pathlib.Path
        Where the copies lie; made if need be.

    Returns
    -------
    list of str
        Names of the notebooks of which there is a newer original, but a copy that was changed; it was kept.
    """
    originals = folder / _ORIGINALS
    originals.mkdir(parents=True, exist_ok=True)
    kept = []
    for original in sorted(paths.notebooks().glob("*.ipynb")):
        copy, origin = folder / original.name, originals / original.name
        is_changed = copy.exists() and not (origin.exists() and _are_same(copy, origin))
        is_newer = not (origin.exists() and _are_same(original, origin))
        if is_changed and is_newer and not _are_same(copy, original):
            kept.append(original.name)
        elif is_newer or not copy.exists():
            shutil.copyfile(original, copy)
            shutil.copyfile(original, origin)
    return kept


def _are_same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def lab_command(folder: Path, notebook: str, options: Sequence[str] = (), *, is_root: bool | None = None) -> list[str]:
    """The command that opens JupyterLab.

    Parameters
    ----------
    folder : pathlib.Path
        Where it opens, and where its kernels start.
    notebook : str
        The notebook to open first, relative to that.
    options : sequence of str
        Further options of JupyterLab.
    is_root : bool, optional
        Whether it is root who asks: the only user of many containers, whom Jupyter refuses unless told. It listens on
        the loopback address then. Found out if left out.

    Returns
    -------
    list of str
        Program and arguments.
    """
    kernels = f"{ProjectKernels.__module__}.{ProjectKernels.__name__}"
    command = [sys.executable, "-m", "jupyterlab", notebook, f"--ServerApp.root_dir={folder}"]
    command.append(f"--ServerApp.kernel_manager_class={kernels}")
    if os.geteuid() == 0 if is_root is None else is_root:
        command += ["--allow-root", "--ServerApp.ip=127.0.0.1"]
    return [*command, *options]
