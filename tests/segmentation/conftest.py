"""Networks that are quick to run, and the one that comes with the toolkit."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolkit.models import Model, Normalization, load_model

NORMALIZATION = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


class _RandomNetwork(nn.Module):
    """Output stride 8 and a global mean, so that a pixel's logits depend on where the tile lies and what it holds."""

    def __init__(self, n_classes: int, divisor: int, remainder: int, seed: int = 7) -> None:
        super().__init__()
        self.divisor, self.remainder = divisor, remainder
        self.stages = nn.ModuleList(nn.Conv2d(n_in, 8, 3, stride=2, padding=1) for n_in in (3, 8, 8))
        self.head = nn.Conv2d(16, n_classes, 1)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.data = torch.randn(parameter.shape, generator=generator) * (3 / fan_in) ** 0.5

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[-2:]
        for side in size:
            assert side >= 1, f"a side of {side} pixels"
            assert (side - self.remainder) % self.divisor == 0, f"a side of {side} pixels"
        features = image
        for stage in self.stages:
            features = F.relu(stage(features))
        context = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
        logits = 2 * self.head(torch.cat([features, context], dim=1))
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


class _PixelNetwork(nn.Module):
    """Sees every pixel by itself: where the tiles lie must not matter."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, n_classes, 1)
        generator = torch.Generator().manual_seed(11)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(image)
        return logits


def _model(network: nn.Module, n_classes: int, divisor: int = 1, remainder: int = 0) -> Model:
    return Model(
        network=network.eval().requires_grad_(False),
        class_names=tuple(f"class {index}" for index in range(n_classes)),
        normalization=NORMALIZATION,
        name="random",
        size_divisor=divisor,
        size_remainder=remainder,
    )


@pytest.fixture(scope="session")
def random_model() -> Callable[..., Model]:
    """Make a model with fixed random weights, whose network refuses sides other than k · divisor + remainder."""

    def make(n_classes: int = 5, divisor: int = 1, remainder: int = 0) -> Model:
        return _model(_RandomNetwork(n_classes, divisor, remainder), n_classes, divisor, remainder)

    return make


@pytest.fixture(scope="session")
def small_model(random_model: Callable[..., Model]) -> Model:
    """Five classes, any size."""
    return random_model()


@pytest.fixture(scope="session")
def pixel_model() -> Model:
    """Five classes, any size, no context."""
    return _model(_PixelNetwork(5), 5)


@pytest.fixture(scope="session")
def built_in() -> Model:
    """The model that comes with the toolkit."""
    return load_model("deeplabv3-mobilenetv2-voc")
