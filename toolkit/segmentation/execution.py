"""How the network is called: device, precision, compilation and batches; none of it a matter of the protocol."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from toolkit.arguments import choice, flag, whole_number
from toolkit.models import Model
from toolkit.models.usual_torch import usual_torch

Precision = Literal["float32", "tf32", "bfloat16", "float16"]
_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
MAX_BATCH_SIZE = 4096

# torch has one such setting for all threads.
_SETTINGS_OF_THE_PROCESS = threading.RLock()

# Of different shapes; torch.compile goes back to eager execution, silently, after 8.
_MOST_COMPILED = 256


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What trades speed against memory or the last digits.

    Raises
    ------
    TypeError, ValueError
        A value is not allowed; the message names the argument.
    """

    precision: Precision = "float32"
    """Arithmetic inside the network: ``"float32"`` throughout; ``"tf32"`` matrix products on NVIDIA GPUs; or automatic
    mixed precision. Softmax, merging and counting are always float32. Recorded in a run's settings."""
    compile: bool = False
    """Whether the network goes through ``torch.compile``: some minutes once, then faster. Recorded too."""
    batch_size: int | None = None
    """Tiles per call of the network; None: found while working. Changes speed and memory, not the result."""

    def __post_init__(self) -> None:
        choice("precision", self.precision, get_args(Precision))
        flag("compile", self.compile)
        if self.batch_size is not None:
            size = whole_number("batch_size", self.batch_size, least=1, most=MAX_BATCH_SIZE)
            object.__setattr__(self, "batch_size", size)


class PreparedNetwork:
    """A model's network, ready to be called on batches of normalised crops.

    Parameters
    ----------
    model : Model
        Its network may be laid out anew in memory, which changes no value.
    execution : Execution
        Precision and compilation.

    Raises
    ------
    ValueError
        The precision is not one that the network's device has, or the network is in training mode or not of float32.
    """

    def __init__(self, model: Model, execution: Execution) -> None:
        _check_network(model)
        self.device = device_of(model)
        self._model = model
        self._execution = execution
        if execution.precision in ("tf32", "float16") and self.device.type != "cuda":
            raise ValueError(
                f"precision={execution.precision!r} needs a GPU, but the network is on {self.device}; "
                "choose 'bfloat16' or 'float32'"
            )
        self.memory_format = quickest_format(self.device, execution.precision)
        network = model.network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self._call: Callable[[Tensor], Tensor] = _compiled(network) if execution.compile else network

    @property
    def fixed_shape(self) -> bool:
        """Whether every batch must be as large as the first, because each size is compiled anew."""
        return self._execution.compile

    def __call__(self, crops: Tensor) -> Tensor:
        """Logits ``(n, n_classes, h, w)`` float32 of crops ``(n, 3, height, width)``, h and w at most theirs."""
        with usual_torch(), torch.inference_mode(), _arithmetic(self._execution.precision, self.device):
            logits = self._call(crops)
        expected = (len(crops), self._model.n_classes)
        if not isinstance(logits, Tensor) or logits.ndim != 4 or logits.shape[:2] != expected:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"{self._model.name} gave {given} for {tuple(crops.shape)}; it must give logits "
                f"({expected[0]}, {expected[1]}, height, width){_remedy(given, self._model)}"
            )
        return logits.float()


def _remedy(given: object, model: Model) -> str:
    if isinstance(given, tuple) and len(given) == 4 and given[1] == 1 and model.n_classes == 2:
        return "; if its only channel is the logit of the second class, give Model a SigmoidNetwork(network)"
    return ""


def quickest_format(device: torch.device, precision: Precision) -> torch.memory_format:
    """How crops and weights had best lie in memory."""
    # A GPU's convolutions in full float32 of many crops are very slow with channels last.
    first = device.type == "cuda" and precision == "float32"
    return torch.contiguous_format if first else torch.channels_last


def device_of(model: Model) -> torch.device:
    """Where a model's network is."""
    tensor: Tensor | None = next(model.network.parameters(), None)
    return torch.device("cpu") if tensor is None else tensor.device


def _check_network(model: Model) -> None:
    if model.network.training:
        raise ValueError(f"{model.name} is in training mode, in which images change each other; call network.eval()")
    for parameter in model.network.parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            raise ValueError(
                f"{model.name} has weights of {parameter.dtype}; call network.float(), and choose a precision instead"
            )


def _compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    compiled: Any = torch.compile(network, dynamic=False)

    def call(crops: Tensor) -> Tensor:
        limits = {"recompile_limit": _MOST_COMPILED, "accumulated_recompile_limit": 4 * _MOST_COMPILED}
        with torch._dynamo.config.patch(limits):
            logits: Tensor = compiled(crops)
        return logits.clone()  # a compiled network may give the same memory again

    return call


def _arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    if precision in _AUTOCAST:
        return torch.autocast(device.type, _AUTOCAST[precision])
    return float32_arithmetic(device, tf32=precision == "tf32")


@contextmanager
def float32_arithmetic(device: torch.device, *, tf32: bool = False) -> Iterator[None]:
    """Matrix products and convolutions in full float32, or in TF32; torch's own default is TF32 for convolutions."""
    if device.type != "cuda":
        yield
        return
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    with _SETTINGS_OF_THE_PROCESS:
        before = [one.fp32_precision for one in settings]
        try:
            for one in settings:
                one.fp32_precision = "tf32" if tf32 else "ieee"
            yield
        finally:
            for one, precision in zip(settings, before, strict=True):
                one.fp32_precision = precision
