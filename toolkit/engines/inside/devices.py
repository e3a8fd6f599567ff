"""The GPU that this process works on, as NVIDIA's management library sees it; without torch, which takes seconds."""

import contextlib
import functools
import os
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GpuUsage:
    """What a GPU's memory and cores are used for, by all processes together."""

    memory: int
    """Bytes in use."""
    load: float
    """Percent of the time in which something ran on it, lately."""


def visible_gpus() -> list[str]:
    """UUIDs of the GPUs that this process may use, in order: those of ``CUDA_VISIBLE_DEVICES`` where it is set."""
    nvml = _nvml()
    if nvml is None:
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        if chosen is not None:
            return [_uuid(nvml, _handle(nvml, name.strip())) for name in chosen.split(",") if name.strip()]
        return [_uuid(nvml, nvml.nvmlDeviceGetHandleByIndex(i)) for i in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:  # such as an index that does not exist
        return []


def check_pinned() -> None:
    """Make sure that this engine has the GPU that it was started for, and no other, and that torch can use it.

    Raises
    ------
    SystemExit
        It has not; the message says what was found.
    """
    import torch

    wanted = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not torch.cuda.is_available():
        raise SystemExit(f"engine for GPU {wanted!r}: torch {torch.__version__} finds none; install a build for CUDA")
    if torch.cuda.device_count() != 1:
        raise SystemExit(f"engine for GPU {wanted!r}: it sees {torch.cuda.device_count()} GPUs instead of one")
    found = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    if wanted.startswith("GPU-") and found != wanted:
        raise SystemExit(f"engine for GPU {wanted!r}: it sees {found!r}")
    try:
        torch.zeros(1, device="cuda").item()
    except RuntimeError as error:
        raise SystemExit(f"engine for GPU {wanted!r}: it cannot be used: {error}") from error


def device() -> str:
    """Where a network would run here: ``"cpu"``, or such as ``"cuda:0 NVIDIA A40"``."""
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)  # torch may just be on its way in, in another thread
    if hasattr(cuda, "is_available") and not cuda.is_available():  # such as a build for CPUs, on a machine with a GPU
        return "cpu"
    nvml, handle = _nvml(), _first_handle()
    return "cpu" if handle is None else f"cuda:0 {_text(nvml.nvmlDeviceGetName(handle))}"


def gpu_usage() -> GpuUsage | None:
    """How this process's GPU is used; None if it has none, or it does not say."""
    nvml, handle = _nvml(), _first_handle()
    if nvml is None or handle is None:
        return None
    try:
        memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).used)
        return GpuUsage(memory, float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
    except nvml.NVMLError:
        return None


@functools.cache
def _nvml() -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # noqa: BLE001  not installed, no driver, or one that is broken: there is no GPU to speak of
        return None
    return pynvml


@functools.cache
def _first_handle() -> Any:
    gpus, nvml = visible_gpus(), _nvml()
    if not gpus:
        return None
    with contextlib.suppress(nvml.NVMLError):
        return nvml.nvmlDeviceGetHandleByUUID(gpus[0])
    return None


def _handle(nvml: Any, name: str) -> Any:
    """A GPU by its index or (a beginning of) its UUID."""
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    for i in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(i)
        if _uuid(nvml, handle).startswith(name):
            return handle
    return nvml.nvmlDeviceGetHandleByUUID(name)  # part of a GPU (MIG), or an error that says what it is


def _uuid(nvml: Any, handle: Any) -> str:
    return _text(nvml.nvmlDeviceGetUUID(handle))


def _text(words: Any) -> str:
    return words.decode() if isinstance(words, bytes) else str(words)
