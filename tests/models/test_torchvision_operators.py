"""torchvision can be imported whether or not its compiled operators fit the torch that is installed."""

import importlib.util
from collections.abc import Callable

import pytest
import torch

from toolkit.models import define_missing_operators
from toolkit.models import torchvision_operators as module

RunPython = Callable[[str], str]

BEFORE = "import sys\nfrom toolkit.models import define_missing_operators\n"


@pytest.mark.parametrize(
    "program",
    [
        "define_missing_operators(); define_missing_operators(); assert 'torchvision' not in sys.modules",
        "try: import torchvision\nexcept RuntimeError: pass\ndefine_missing_operators()",
    ],
    ids=["twice", "after a failed import"],
)
def test_the_user_can_import_torchvision_afterwards(run_python: RunPython, program: str) -> None:
    check = "\nimport torchvision, torchvision.transforms.v2, torch; print(torch.ops.torchvision.nms)"
    assert run_python(BEFORE + program + check).strip() == "torchvision.nms"


def test_nothing_is_defined_where_the_compiled_operators_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("defined")

    monkeypatch.setattr(module, "_compiled_operators_load", lambda: True)
    monkeypatch.setattr(torch.library, "define", refuse)
    define_missing_operators()


def test_a_library_that_cannot_be_loaded_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> None:
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr(torch.ops, "load_library", fail)
    assert not module._compiled_operators_load()


def test_without_torchvision_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.ops, "load_library", refuse)
    define_missing_operators()
