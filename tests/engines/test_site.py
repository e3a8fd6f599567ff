"""Profiles that were adapted for an earlier version do what they did."""

import logging
import shutil
from pathlib import Path
from typing import Any

import ipyparallel
import pytest
from traitlets.config.loader import PyFileConfigLoader

from toolkit.engines.inside import devices
from toolkit.paths import clusters

OLD = Path(__file__).parents[1] / "assets" / "profiles-0.1"
PROFILES = sorted(path.name for path in OLD.iterdir())


def copied(profile: Path, folder: Path) -> Path:
    shutil.copytree(profile, folder, ignore=lambda _, names: {"log", "security", "pid"}.intersection(names))
    (folder / "hosts").write_text("box engines=2\n")
    return folder


def settings(folder: Path) -> list[dict[str, Any]]:
    """What ipyparallel reads from the three files."""
    return [PyFileConfigLoader(file.name, path=str(folder)).load_config() for file in sorted(folder.glob("*.py"))]


@pytest.mark.parametrize("name", PROFILES)
def test_an_old_profile_means_what_the_new_one_means(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "check_pinned", lambda: None)  # here are no GPUs
    monkeypatch.setattr("toolkit.engines.site.check_pinned", lambda: None)
    folder, meant, classes = tmp_path / name, [], []
    for profile in (OLD / name, clusters() / name):
        copied(profile, folder)
        meant.append(settings(folder))
        cluster = ipyparallel.Cluster(
            profile_dir=str(folder), parent=None, log=logging.Logger("test"), shutdown_atexit=False
        )
        classes.append(cluster.engine_launcher_class)
        meant[-1][0]["Cluster"].pop("engine_launcher_class")
        shutil.rmtree(folder)
    assert meant[0] == meant[1]
    assert classes[0] is classes[1]
