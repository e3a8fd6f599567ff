"""An image that makes engines die, or hang: it fails alone, with the reason; its neighbours are done."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import toolkit as tk
from toolkit.models import Normalization
from toolkit.testing.waiting import PATIENCE

N_IMAGES = 200
POISON = 77

CODE = '''"""A network that dies of red pictures and never comes back from green ones."""

import os
import time

import torch
from torch import nn


class Touchy(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("sign", torch.tensor([1.0, -1.0]))

    def forward(self, image):
        red, green, blue = image.mean(dim=(0, 2, 3)).tolist()
        if red > 0.9 and green < 0.1:
            os._exit(1)
        if green > 0.9 and red < 0.1:
            time.sleep(3600)
        return self.sign[:, None, None] * (image.mean(dim=1, keepdim=True) - 0.5)
'''


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("touchy")
    (folder / "touchy.py").write_text(CODE)
    from toolkit.models.definitions import NetworkDefinition, SourceCode
    from toolkit.models.user_code import load_class

    source = SourceCode("touchy.py", "Touchy", CODE.encode())
    network = load_class(source)().eval()
    model = tk.Model(
        network,
        ("bright", "dark"),
        Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
        name="touchy",
        definition=NetworkDefinition(arguments={}, code=source),
    )
    return model.save_bundle(folder / "bundle")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tk.Cluster]:
    """Two engines, to be lost and replaced."""
    with tk.Cluster.start("local", n=2, timeout=PATIENCE) as cluster:
        yield cluster


def make_images(folder: Path, n: int) -> list[Path]:
    paths = [folder / f"{number:03d}.png" for number in range(n)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((8, 8, 3), number % 200, np.uint8)).save(path)
    return paths


def paint(path: Path, red: int, green: int) -> None:
    Image.new("RGB", (8, 8), (red, green, 0)).save(path)


def test_one_among_two_hundred_that_kills_its_engine(tmp_path: Path, bundle: Path, cluster: tk.Cluster) -> None:
    images = make_images(tmp_path, N_IMAGES)
    paint(images[POISON], 255, 0)
    cat = tk.Catalog.create(tmp_path / "demo.zarr", images)
    run = tk.segment(cat, str(bundle), tk.Protocol(crop_size=8), cluster=cluster, flush_seconds=0.5)
    run.wait(PATIENCE)
    progress = run.progress
    assert (progress.state, progress.done, progress.failed) == ("finished", N_IMAGES - 1, 1)
    errors = cat.errors()
    assert errors.index.tolist() == [POISON]
    assert errors["error"].tolist() == ["engine_lost"]
    assert "3 engines died while they worked on it" in errors["message"].iloc[0]
    assert str(images[POISON]) in errors["message"].iloc[0]
    assert progress.engines_lost >= 3


def test_one_from_which_an_engine_never_comes_back(tmp_path: Path, bundle: Path, cluster: tk.Cluster) -> None:
    images = make_images(tmp_path, 20)
    paint(images[3], 0, 255)
    cat = tk.Catalog.create(tmp_path / "demo.zarr", images)
    options = {"flush_seconds": 0.5, "image_seconds": 1.5}
    run = tk.segment(cat, str(bundle), tk.Protocol(crop_size=8), cluster=cluster, **options)  # type: ignore[arg-type]
    run.wait(PATIENCE)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", 19, 1)
    assert cat.errors()["error"].tolist() == ["timeout"]
    assert "got no further with it for 1.5 s" in cat.errors()["message"].iloc[0]
