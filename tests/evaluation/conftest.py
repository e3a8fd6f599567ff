"""Catalogs whose label maps are known: a model that reads the class of a pixel off its brightness."""

import hashlib
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

import toolkit as tk
from toolkit.models import Normalization, define_missing_operators

define_missing_operators()  # torchmetrics imports torchvision

STEP = 10  # brightness between classes
CLASS_NAMES = ("road", "sky", "tree")

MakeModel = Callable[..., tk.Model]
Segment = Callable[..., str]


@pytest.fixture(scope="session")
def brightness_model() -> MakeModel:
    """Makes a model that predicts class c where a pixel has brightness 10 · c, or what `confused` says instead."""

    def make(class_names: Sequence[str] = CLASS_NAMES, confused: dict[int, int] | None = None) -> tk.Model:
        head = nn.Conv2d(3, len(class_names), 1)
        meant = torch.tensor([float(STEP * index) for index in range(len(class_names))])
        with torch.no_grad():
            head.weight.zero_()
            # The nearest brightness has the smallest (x - meant)²; x² is the same for all classes.
            head.weight[:, 0, 0, 0] = 2 * meant
            head.bias.copy_(-(meant**2))  # type: ignore[union-attr]
            for index, taken_for in (confused or {}).items():
                head.weight[[index, taken_for]] = head.weight[[taken_for, index]]
                head.bias[[index, taken_for]] = head.bias[[taken_for, index]]  # type: ignore[index]
        return tk.Model(
            network=head.eval().requires_grad_(False),
            class_names=tuple(class_names),
            normalization=Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
            name="brightness",
            digest=hashlib.sha256(repr((tuple(class_names), confused)).encode()).hexdigest(),
        )

    return make


@pytest.fixture(scope="session")
def segment() -> Segment:
    """Segments a catalog in this process; the run's id."""

    def run(catalog: tk.Catalog, model: tk.Model, **options: object) -> str:
        started = tk.segment(catalog, model, tk.Protocol(crop_size=17), **options)  # type: ignore[arg-type]
        started.wait()
        return started.id

    return run
