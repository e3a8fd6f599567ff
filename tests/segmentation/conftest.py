"""Networks that are quick to run, images, and the comparison of the fast path with the reference."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Before any hub client is imported: nothing here may wait for a network.
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from toolkit.models import Model, Normalization, PSPNet, define_missing_operators, load_model
from toolkit.paths import data_catalog
from toolkit.segmentation import Execution, Protocol, mean_probabilities, reference_probabilities
from toolkit.segmentation.fused import is_possible

# Small tensors are no quicker with more, and threads of several test processes wait for each other's turn on a core.
torch.set_num_threads(1)

NORMALIZATION = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
TOLERANCE = 1e-4
"""Largest difference of a probability and of a class fraction; the promise of the fast path."""
N_CLASSES = 6
"""Of the small copies of published networks."""

MakeModel = Callable[..., Model]


class _RandomNetwork(nn.Module):
    """Stride 8 and a global mean, so that a pixel's logits depend on where the tile lies and what it holds."""

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
        for side in image.shape[-2:]:
            assert side >= 1, f"a side of {side} pixels"
            assert (side - self.remainder) % self.divisor == 0, f"a side of {side} pixels"
        features = image
        for stage in self.stages:
            features = F.relu(stage(features))
        context = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
        logits: Tensor = 2 * self.head(torch.cat([features, context], dim=1))
        return logits


class _FullSize(nn.Module):
    """A network whose logits are as large as its input, whatever those of the one inside it."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(self.inside(image), size=image.shape[-2:], mode="bilinear", align_corners=False)


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


class _Spread(nn.Module):
    """An untrained network whose logits differ enough that every class occurs: deviation 2 per class on a photo."""

    def __init__(self, inside: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.inside = inside
        with torch.no_grad():
            deviation, mean = torch.std_mean(inside(image), dim=(0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 2 / deviation)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = (self.inside(image) - self.mean) * self.scale
        return logits


def _model(network: nn.Module, n_classes: int, *, align_corners: bool = False) -> Model:
    return Model(
        network=network.eval().requires_grad_(False),
        class_names=tuple(f"class {index}" for index in range(n_classes)),
        normalization=NORMALIZATION,
        name="random",
        size_divisor=getattr(network, "size_divisor", 1),
        size_remainder=getattr(network, "size_remainder", 0),
        align_corners=align_corners,
    )


@pytest.fixture(scope="session")
def random_model() -> MakeModel:
    """Make a model with fixed random weights, whose network refuses sides other than k · divisor + remainder.

    Its logits are an eighth of its input's size along each side, or of its size.
    """

    def make(
        n_classes: int = 5,
        divisor: int = 1,
        remainder: int = 0,
        *,
        full_size: bool = False,
        align_corners: bool = False,
    ) -> Model:
        network: nn.Module = _RandomNetwork(n_classes, divisor, remainder)
        model = _model(_FullSize(network) if full_size else network, n_classes, align_corners=align_corners)
        return dataclasses.replace(model, size_divisor=divisor, size_remainder=remainder)

    return make


@pytest.fixture(scope="session")
def small_model(random_model: MakeModel) -> Model:
    """Five classes, any size, output stride 8."""
    return random_model()


@pytest.fixture(scope="session")
def make_pixel_model() -> MakeModel:
    """Make a model whose network sees every pixel by itself: any size, no context."""
    return lambda n_classes: _model(_PixelNetwork(n_classes), n_classes)


@pytest.fixture(scope="session")
def pixel_model(make_pixel_model: MakeModel) -> Model:
    """Five classes, any size, no context."""
    return make_pixel_model(5)


@pytest.fixture(scope="session")
def built_in() -> Model:
    """The model that comes with the toolkit."""
    return load_model("deeplabv3-mobilenetv2-voc")


@pytest.fixture(scope="session")
def small_pspnet() -> Model:
    """The paper's PSPNet with few channels and blocks: sides of 8k + 1, aligned corners."""
    torch.manual_seed(1)
    return _spread(_model(PSPNet(50, N_CLASSES, width=8, blocks=(1, 1, 1, 1)), N_CLASSES, align_corners=True))


@pytest.fixture(scope="session")
def small_segformer(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A SegFormer of transformers with few channels, read from a directory as a published one is; output stride 4."""
    define_missing_operators()
    import transformers

    folder = tmp_path_factory.mktemp("segformer")
    config = transformers.SegformerConfig(
        depths=[1] * 4,
        hidden_sizes=[8, 16, 16, 16],
        num_attention_heads=[1] * 4,
        decoder_hidden_size=16,
        num_labels=N_CLASSES,
    )
    torch.manual_seed(2)
    network = transformers.SegformerForSemanticSegmentation(config)
    for parameter in network.parameters():  # transformers begins with weights of nearly nothing
        if parameter.ndim > 1:
            parameter.data = 2 * torch.randn(parameter.shape) / parameter[0].numel() ** 0.5
    network.save_pretrained(folder)
    transformers.SegformerImageProcessor().save_pretrained(folder)
    return _spread(load_model(f"hf:{folder}"))


@pytest.fixture(scope="session")
def small_lraspp() -> Model:
    """LR-ASPP of torchvision with random weights; output stride 8."""
    with pytest.warns(UserWarning, match="random weights"):
        return _spread(load_model(f"torchvision:lraspp_mobilenet_v3_large?num_classes={N_CLASSES}"))


def _spread(model: Model) -> Model:
    pixels = _photo("horses.jpg", 97)[:65, :65]
    mean, std = (torch.tensor(values) for values in (model.normalization.mean, model.normalization.std))
    image = ((torch.from_numpy(pixels.copy()) - mean) / std).permute(2, 0, 1)[None]
    return dataclasses.replace(model, network=_Spread(model.network.eval(), image).eval().requires_grad_(False))


@contextlib.contextmanager
def _merging(way: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if way != "fused":
            patch.setattr("toolkit.segmentation.fused._kernels", lambda: None)
        if way == "as on a GPU":
            patch.setattr("toolkit.segmentation.merging._CHANNELS_LAST", ("cpu",))
            patch.setattr("toolkit.segmentation.batching._FILLED_UP", ("cpu",))
            patch.setattr("toolkit.segmentation.segmenter._WAITING_FOR_FULL_BATCHES", ("cpu",))
            patch.setattr("toolkit.segmentation.canvas._PILLOW_ITSELF", ())
        assert is_possible(torch.device("cpu")) == (way == "fused")
        yield


@pytest.fixture(scope="module", params=["fused", "step by step"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have everything merged by the kernels for a CPU, and once more by tensors, as where numba is not."""
    with _merging(request.param):
        yield


@pytest.fixture(scope="module", params=["fused", "step by step", "as on a GPU"])
def every_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """As `both_ways`, and a third time with all that is done otherwise on a GPU."""
    with _merging(request.param):
        yield


def _photo(name: str, longest: int | None = None) -> np.ndarray:
    with Image.open(data_catalog() / "samples" / name) as image:
        if longest is not None:
            image.thumbnail((longest, longest))
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def photo() -> Callable[..., np.ndarray]:
    """Read a sample photo, uint8 ``(height, width, 3)``; made smaller, if its long side shall be of so many pixels."""
    return _photo


@pytest.fixture(scope="session")
def photos() -> list[str]:
    """Names of the sample photos."""
    return sorted(path.name for path in Path(data_catalog() / "samples").glob("*.[jp][pn]g"))


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Make an image of coarse blobs with noise on them, so that neighbouring tiles differ."""

    def make(height: int, width: int, seed: int = 0) -> np.ndarray:
        generator = np.random.default_rng(seed)
        coarse = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
        blobs = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
        return np.clip(blobs + generator.integers(-40, 41, blobs.shape), 0, 255).astype(np.uint8)

    return make


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How alike two label maps are."""

    share: float
    """Fraction of the pixels with equal labels."""
    classes: set[int]
    """The classes that occur."""


@pytest.fixture(scope="session")
def compare_with_reference() -> Callable[..., Agreement]:
    """Hold probabilities, labels and composition against the reference's."""

    def compare(pixels: np.ndarray, model: Model, protocol: Protocol, batch_size: int | None = 4) -> Agreement:
        expected = reference_probabilities(pixels, model, protocol)
        found = mean_probabilities(pixels, model, protocol, execution=Execution(batch_size=batch_size))
        assert found.shape == (model.n_classes, *pixels.shape[:2])
        assert found.dtype == torch.float32
        probabilities = found.numpy()
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(probabilities.sum(0), 1, rtol=0, atol=1e-5)

        second, first = np.sort(expected, axis=0)[-2:]
        tied = first - second <= TOLERANCE
        labels, expected_labels = probabilities.argmax(0), expected.argmax(0)
        assert (labels == expected_labels)[~tied].all()
        difference = np.abs(_composition(labels, model) - _composition(expected_labels, model)).max()
        assert difference <= TOLERANCE + tied.mean()
        return Agreement(float((labels == expected_labels).mean()), set(np.unique(expected_labels).tolist()))

    return compare


def _composition(labels: np.ndarray, model: Model) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=model.n_classes) / labels.size
