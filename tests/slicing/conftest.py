"""Networks whose mistakes at seams can be worked out by hand, and studies that were made up."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from torch import Tensor, nn

from toolkit.models import Model, Normalization
from toolkit.segmentation import Protocol
from toolkit.slicing.cuts import Cut
from toolkit.slicing.study import Measures, slicing_dataset

RADIUS = 8
"""Pixels that the wide network sees to each side."""

MakeModel = Callable[..., Model]
MakeStudy = Callable[..., xr.Dataset]


class _Wide(nn.Module):
    """Class 1 where three quarters of a row's 17 pixels around a pixel are white; black is seen beyond the edge."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("box", torch.full((1, 1, 1, 2 * RADIUS + 1), 1 / (2 * RADIUS + 1)))

    def forward(self, image: Tensor) -> Tensor:
        brightness = F.conv2d(image[:, :1], self.box, padding=(0, RADIUS))
        return torch.cat([torch.full_like(brightness, 0.75), brightness], dim=1)


class _Convolutional(nn.Module):
    """Output stride 8 and fixed random weights: a pixel's logits depend on what lies around it in its slice."""

    def __init__(self, n_classes: int, divisor: int) -> None:
        super().__init__()
        self.divisor = divisor
        self.calls: list[tuple[int, ...]] = []
        self.stages = nn.ModuleList(nn.Conv2d(n_in, 8, 3, stride=2, padding=1) for n_in in (3, 8, 8))
        self.head = nn.Conv2d(8, n_classes, 1)
        generator = torch.Generator().manual_seed(3)
        for parameter in self.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.data = torch.randn(parameter.shape, generator=generator) * (3 / fan_in) ** 0.5

    def forward(self, image: Tensor) -> Tensor:
        self.calls.append(tuple(image.shape))
        assert all(side % self.divisor == 0 for side in image.shape[-2:])
        for stage in self.stages:
            image = F.relu(stage(image))
        logits: Tensor = self.head(image)
        return logits


def model_of(network: nn.Module, n_classes: int, **fields: Any) -> Model:
    return Model(
        network=network.eval().requires_grad_(False),
        class_names=tuple(f"class {index}" for index in range(n_classes)),
        normalization=Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
        name="made up",
        **fields,
    )


@pytest.fixture
def two_cores() -> Iterator[None]:
    """Torch computes on two cores, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Make a model of any network."""
    return model_of


@pytest.fixture(scope="session")
def wide_model() -> Model:
    """Two classes; wrong in the 4 columns at each side of a white slice."""
    return model_of(_Wide(), 2)


@pytest.fixture(scope="session")
def pixel_model() -> Model:
    """Three classes; sees every pixel by itself."""
    head = nn.Conv2d(3, 3, 1, bias=False)
    head.weight.data = torch.eye(3)[:, :, None, None]
    return model_of(head, 3)


@pytest.fixture
def convolutional_model() -> Model:
    """Five classes, output stride 8, any size. Its network remembers the shapes that it was called with."""
    return model_of(_Convolutional(5, 1), 5)


@pytest.fixture(scope="session")
def multiples_of_16_model() -> Model:
    """Five classes; its network refuses sides that are no multiples of 16."""
    return model_of(_Convolutional(5, 16), 5, size_divisor=16)


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Make an image of coarse blobs."""

    def make(height: int, width: int, seed: int = 0) -> np.ndarray:
        coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width])

    return make


@pytest.fixture(scope="session")
def made_up_study() -> MakeStudy:
    """Make a study of what it found: ``{(slices, overlap): (mIoU, {way: (seconds, MiB)})}``, all of one shape."""

    def make(
        found: Mapping[tuple[tuple[int, int], float], tuple[float, Mapping[str, tuple[float, int]]]],
        overlaps: Sequence[float] = (0.0,),
        **quality: float,
    ) -> xr.Dataset:
        grids = list(dict.fromkeys(slices for slices, _ in found))
        ways: Any = list(next(iter(found.values()))[1])
        cuts = {Cut(*key): key for key in found}
        others = {"mF1": 0.5, "aAcc": 0.5, "border_error": 0.3, "interior_error": 0.1, "agreement": 0.9} | quality
        return slicing_dataset(
            grids,
            overlaps,
            ways,
            {
                (cut, way): Measures(
                    mIoU=found[key][0],
                    border_error_unsliced=0.2,
                    n_slices=cut.slices[0] * cut.slices[1],
                    redundancy=1.0,
                    seconds=found[key][1][way][0],
                    memory=found[key][1][way][1] * 2**20,
                    way_agreement=1.0,
                    **others,
                )
                for cut, key in cuts.items()
                for way in ways
            },
            memory_measure="made up",
            attributes={
                "protocol": json.dumps(Protocol(scales=(0.5, 1.0)).to_dict()),
                "model": "m",
                "device": "cpu",
                "n_images": 2,
                "border_width": 8,
            },
        )

    return make
