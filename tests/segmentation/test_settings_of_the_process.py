"""What other code of the process, or its environment, sets in torch and numpy changes no result of a segmentation."""

import hashlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import toolkit as tk
from toolkit import paths
from toolkit.models.usual_torch import usual_torch
from toolkit.sources import read_image
from toolkit.testing.servers import UnavailableError

PROTOCOLS = (
    tk.Protocol(crop_size=65, scales=(0.5, 1.0), flip=True),
    tk.Protocol(crop_size=65, resize="pil", blend="gaussian", merge="logits"),
    tk.Protocol(mode="whole", resize="bilinear_uint8", merge="logits", upsample="image", fit="stretch"),
)


def pixels() -> np.ndarray:
    return read_image(str(paths.data_catalog() / "samples" / "dog.jpg"))[::8, ::8].copy()


def results() -> dict[str, Any]:
    """All that is told of an image, and of the model."""
    model = tk.load_model("deeplabv3-mobilenetv2-voc")
    found: dict[str, Any] = {"digest": model.digest}
    for number, protocol in enumerate(PROTOCOLS):
        result = tk.segment_image(pixels(), model, protocol, soft_composition=True)
        found |= {f"{name} {number}": value for name, value in vars(result).items()}
    return found


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    return results()


@contextmanager
def switched(get: Callable[[], Any], switch: Callable[[Any], Any], value: object) -> Iterator[None]:
    before = get()
    switch(value)
    try:
        yield
    finally:
        switch(before)


def default_dtype(dtype: torch.dtype) -> AbstractContextManager[None]:
    return switched(torch.get_default_dtype, torch.set_default_dtype, dtype)


def matmul_precision(name: str) -> AbstractContextManager[None]:
    return switched(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, name)


def onednn_precision(kind: str) -> AbstractContextManager[None]:
    backend = getattr(torch.backends.mkldnn, kind)
    return switched(lambda: "none", lambda value: setattr(backend, "fp32_precision", value), "bf16")


def threads(n: int) -> AbstractContextManager[None]:
    return switched(torch.get_num_threads, torch.set_num_threads, n)


class Function(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


class Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


@contextmanager
def decimal_comma() -> Iterator[None]:
    import locale

    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
    except locale.Error as error:
        raise UnavailableError("this machine has no German locale: localedef -i de_DE -f UTF-8 de_DE.UTF-8") from error
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "default dtype float64": lambda: default_dtype(torch.float64),
    "default dtype bfloat16": lambda: default_dtype(torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "autocast to bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", torch.float16),
    "matrix products of medium precision": lambda: matmul_precision("medium"),
    "oneDNN's convolutions in bfloat16": lambda: onednn_precision("conv"),
    "oneDNN's matrix products in bfloat16": lambda: onednn_precision("matmul"),
    "gradients off": torch.no_grad,
    "inference mode": torch.inference_mode,
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "deterministic algorithms": lambda: switched(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "cuDNN's benchmark": lambda: torch.backends.cudnn.flags(benchmark=True),
    "no denormals": lambda: switched(lambda: False, torch.set_flush_denormal, True),
    "a function mode": Function,
    "a dispatch mode": Dispatch,
    "numpy raises": lambda: np.errstate(all="raise"),
    "numpy prints": lambda: np.printoptions(precision=1, threshold=1),
    "shallow recursion": lambda: switched(sys.getrecursionlimit, sys.setrecursionlimit, 400),
    "decimal comma": decimal_comma,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_nothing(setting: str, usual: dict[str, Any]) -> None:
    with SETTINGS[setting]():
        found = results()
    for name, value in usual.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert np.asarray(found[name]).dtype == np.asarray(value).dtype


@pytest.mark.parametrize(
    "setting",
    [lambda: threads(1), lambda: threads(3), lambda: torch.backends.mkldnn.flags(enabled=False)],
    ids=["one thread", "three threads", "no oneDNN"],
)
def test_the_order_of_sums_changes_no_more_than_the_last_digits(
    setting: Callable[[], AbstractContextManager[Any]], usual: dict[str, Any]
) -> None:
    with setting():
        found = results()
    for name, value in usual.items():
        if name.startswith("labels"):
            assert (found[name] != value).mean() < 1e-3
        elif name != "digest":
            np.testing.assert_allclose(found[name], value, atol=1e-3 if name.startswith("composition") else 1e-5)


def random_states() -> tuple[Any, ...]:
    """Of all generators that a process has."""
    return random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002


def test_random_numbers_of_others_are_left_alone_and_decide_nothing(usual: dict[str, Any]) -> None:
    for seed in (0, 1):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        before = random_states()
        assert results()["confidence 0"] == usual["confidence 0"]
        assert random_states() == before


def test_random_weights_are_drawn_as_float32_whatever_the_default() -> None:
    name = "torchvision:lraspp_mobilenet_v3_large?num_classes=3"
    with pytest.warns(tk.models.UntrainedNetworkWarning):
        usual_digest = tk.load_model(name).digest
    with default_dtype(torch.float64), torch.device("meta"), pytest.warns(tk.models.UntrainedNetworkWarning):
        assert tk.load_model(name).digest == usual_digest


def test_what_others_set_is_as_they_set_it_afterwards() -> None:
    with default_dtype(torch.float64), matmul_precision("medium"), torch.autocast("cpu", torch.bfloat16):
        with torch.device("meta"):
            results()
            assert torch.get_default_device().type == "meta"
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.is_autocast_enabled("cpu")
    assert torch.get_float32_matmul_precision() == "highest"


def test_settings_of_all_threads_come_back_when_the_last_thread_has_left() -> None:
    entered, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with usual_torch():
            entered.set()
            may_leave.wait()

    with default_dtype(torch.float64):
        other = threading.Thread(target=stay)
        other.start()
        entered.wait()
        with usual_torch():
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float32  # the other is at work
        may_leave.set()
        other.join()
        assert torch.get_default_dtype() == torch.float64


def test_a_precision_that_follows_a_general_one_goes_on_following_it() -> None:
    torch.backends.fp32_precision = "bf16"  # type: ignore[attr-defined]
    try:
        with usual_torch():
            assert torch.backends.mkldnn.conv.fp32_precision == "ieee"  # type: ignore[attr-defined]
    finally:
        torch.backends.fp32_precision = "none"  # type: ignore[attr-defined]
    assert torch.backends.mkldnn.conv.fp32_precision == "none"  # type: ignore[attr-defined]


ENVIRONMENTS = {
    "a Turkish locale, far away, without assertions": {
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "tr_TR.UTF-8",
        "TZ": "Pacific/Auckland",
        "PYTHONOPTIMIZE": "2",
        "PYTHONHASHSEED": "7",
        "PYTHONUTF8": "0",
        "HF_HUB_OFFLINE": "1",
    },
    "another kind of processor": {
        "ATEN_CPU_CAPABILITY": "default",
        "NUMBA_CPU_NAME": "generic",
        "OMP_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    },
}


def told() -> str:
    """The labels' hash, and the compositions to four digits."""
    found = results()
    labels = hashlib.sha256(b"".join(np.ascontiguousarray(found[f"labels {n}"]).tobytes() for n in range(3)))
    shares = [f"{share:.4f}" for n in range(3) for share in found[f"soft_composition {n}"]]
    return " ".join([found["digest"], labels.hexdigest(), *shares])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_environment_changes_nothing(environment: str, tmp_path: Path) -> None:
    here = Path(__file__)
    code = f"import sys; sys.path[:0] = [{str(here.parent)!r}]; import {here.stem} as test; print(test.told())"
    variables = {**os.environ, "PYTHONPATH": str(here.parents[2]), **ENVIRONMENTS[environment]}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == told().split()
