"""A run so small that it can be repeated for each of its writes: a few tiny images, and a network of one layer."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from PIL import Image
from torch import nn
from zarr.abc.store import Store

import toolkit as tk
from toolkit.catalog.store.objects import open_store
from toolkit.models import Normalization
from toolkit.testing.failing_store import DisturbedStore

N_IMAGES = 5
PROTOCOL = tk.Protocol(crop_size=16, stride=16)
COMPARED = ["composition", "confidence", "status", "error", "height", "width"]


def make_images(folder: Path) -> list[Path]:
    """Tiny images of noise, and one file that is none."""
    generator = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(N_IMAGES)]
    for path in paths[:-1]:
        Image.fromarray(generator.integers(0, 256, (6, 9, 3), dtype=np.uint8)).save(path)
    paths[-1].write_text("no picture")
    return paths


def small_model() -> tk.Model:
    """Two classes by brightness."""
    torch.set_num_threads(1)
    network = nn.Conv2d(3, 2, 1)
    weights = torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 3, 1, 1)
    network.load_state_dict({"weight": weights, "bias": torch.tensor([-1.5, 1.5])})
    return tk.Model(
        network.eval().requires_grad_(False),
        ("bright", "dark"),
        Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
        name="small",
        digest=hashlib.sha256(b"small").hexdigest(),
    )


def run(store: Store, images: list[Path], model: tk.Model | None = None) -> tk.Catalog:
    """Create the catalog, or open it if it is there, add what is known of its images, and segment it."""
    catalog = tk.Catalog.create(store, images, block_size=2, exist_ok=True)
    catalog.add(pd.DataFrame({"uri": images, "number": range(len(images))}))
    tk.segment(catalog, model or small_model(), PROTOCOL, flush_seconds=3600).wait()
    return catalog


def run_disturbed(
    environment: dict[str, str],
    location: str,
    images: list[Path],
    at: int,
    disturb: Callable[[], None],
    after: bool,
) -> None:
    """As `run`, but something happens before or after a certain write."""
    os.environ.update(environment)
    run(DisturbedStore(open_store(location), at, disturb, after=after), images)


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    """The tables agree in all but who worked on an image, and when."""
    for name in (*COMPARED, "number", "given_uri"):
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)
