"""What tests of models share: no hub, no noise, and networks that are quick to build."""

import os

# Before any hub client is imported: nothing here may wait for a network.
os.environ["HF_HUB_OFFLINE"] = "1"

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from toolkit.models import Model, load_model

SMALL_PSPNET = "pspnet-resnet50?n_classes=5&width=4"

RunPython = Callable[[str], str]


@pytest.fixture(scope="session")
def run_python() -> RunPython:
    """Run a program in a fresh interpreter; what it prints."""

    def run(program: str) -> str:
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="session")
def noise() -> Callable[..., Tensor]:
    """Make normalised images ``(n, 3, height, width)`` of noise, always the same."""

    def make(height: int = 65, width: int = 65, n: int = 2) -> Tensor:
        return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(3))

    return make


@pytest.fixture(scope="session")
def small_pspnet() -> Model:
    """A quick PSPNet of five classes with random weights."""
    with pytest.warns(UserWarning, match="random weights"):
        return load_model(SMALL_PSPNET)


@pytest.fixture(scope="session")
def small_weights(small_pspnet: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its state dict as a training program writes it: in a dictionary, each name with a prefix."""
    path = tmp_path_factory.mktemp("weights") / "train_epoch_100.pth"
    state_dict = {f"module.{name}": tensor for name, tensor in small_pspnet.network.state_dict().items()}
    torch.save({"epoch": 100, "state_dict": state_dict}, path)
    return path
