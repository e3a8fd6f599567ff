"""From the name of a cluster to the ipyparallel profile directory that it runs in."""

import difflib
import os
import shutil
from pathlib import Path

from toolkit import paths


def profile_names() -> list[str]:
    """Names of the profiles that came with the toolkit."""
    return sorted(folder.name for folder in paths.clusters().glob("*") if _is_profile(folder))


def find_profile(profile: str | os.PathLike[str]) -> Path:
    """Return the folder of a profile, given its name or the folder itself.

    Raises
    ------
    ValueError
        There is no such profile.
    """
    for folder in (paths.clusters() / profile, Path(profile)):
        if str(profile) and _is_profile(folder):
            return folder.resolve()
    names = profile_names()
    near = difflib.get_close_matches(str(profile).lower(), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"the cluster's profile {str(profile)!r} is neither one of {', '.join(map(repr, names)) or '(none found)'} in "
        f"{paths.clusters()} nor the path of a folder with ipyparallel's ip*_config.py files{hint}"
    )


def runtime_directory(profile: str | os.PathLike[str]) -> Path:
    """Return the folder in which a profile can run: connection, log and pid files are written there.

    This is the profile's own folder, or, if that cannot be written or lies inside an installed package, a copy of its
    settings in IPython's folder, brought up to date each time.

    Raises
    ------
    ValueError
        There is no such profile.
    """
    folder = find_profile(profile)
    is_installed = paths.is_wheel() and folder.is_relative_to(paths.clusters().resolve())
    return folder if os.access(folder, os.W_OK) and not is_installed else _copy_for_this_user(folder)


def _is_profile(folder: Path) -> bool:
    return any(folder.glob("ip*_config.py"))


def _copy_for_this_user(folder: Path) -> Path:
    from IPython.paths import get_ipython_dir

    copy = Path(get_ipython_dir()) / f"profile_segscape_{folder.name}"
    copy.mkdir(parents=True, exist_ok=True)
    for settings in filter(Path.is_file, folder.iterdir()):
        shutil.copyfile(settings, copy / settings.name)
    return copy
