"""Label maps as they come, from numpy or torch, as tensors that agree in shape and lie on one device."""

import numpy as np
import torch
from torch import Tensor

LabelMap = np.ndarray | Tensor
"""Class index per pixel: integers of any width."""


def matching_tensors(prediction: LabelMap, target: LabelMap) -> tuple[Tensor, Tensor]:
    """Prediction and target as tensors, on the prediction's device unless only the target lies on an accelerator.

    Parameters
    ----------
    prediction, target : numpy.ndarray or torch.Tensor
        Integers, of one shape.

    Returns
    -------
    tuple of torch.Tensor
        Both, sharing memory with what was given where that is possible.

    Raises
    ------
    TypeError
        One is not an array or tensor of integers.
    ValueError
        Their shapes differ.
    """
    tensors = _integer_tensor("prediction", prediction), _integer_tensor("target", target)
    if tensors[0].shape != tensors[1].shape:
        raise ValueError(
            f"prediction has shape {tuple(tensors[0].shape)} and target {tuple(tensors[1].shape)}; give label maps of "
            "one size"
        )
    device = next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), tensors[0].device)
    return tensors[0].to(device), tensors[1].to(device)


def check_ignore_index(ignore_index: object) -> None:
    """Refuse what cannot be the value of a pixel.

    Raises
    ------
    TypeError
        It is neither a whole number nor None.
    """
    if ignore_index is not None and (not isinstance(ignore_index, int) or isinstance(ignore_index, bool)):
        raise TypeError(f"ignore_index must be a whole number or None, not {ignore_index!r}")


def _integer_tensor(name: str, labels: object) -> Tensor:
    if isinstance(labels, np.ndarray):
        if labels.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integers, not {labels.dtype}; take the argmax over the classes first")
        # Torch wraps only memory that it may write to, in the machine's byte order, and computes with signed types.
        native = labels.astype(labels.dtype.newbyteorder("="), copy=False)
        signed = (
            native if native.dtype.kind == "i" or native.dtype == np.uint8 else native.astype(_signed(native.dtype))
        )
        backwards = any(stride < 0 for stride in signed.strides)
        return torch.from_numpy(signed.copy() if backwards else np.require(signed, requirements=["C", "W"]))
    if isinstance(labels, Tensor):
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise TypeError(f"{name} must hold integers, not {labels.dtype}; take the argmax over the classes first")
        return labels.to(torch.int32) if labels.dtype == torch.uint16 else labels
    raise TypeError(f"{name} must be a numpy array or a torch tensor of class indices, not {type(labels).__name__}")


def _signed(dtype: np.dtype) -> type[np.signedinteger]:
    return np.int32 if dtype == np.uint16 else np.int64
