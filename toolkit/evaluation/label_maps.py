"""Label maps as they come, from numpy or torch, as tensors that agree in shape and lie on one device."""

import numpy as np
import torch
from torch import Tensor

from toolkit.arguments import whole_number

LabelMap = np.ndarray | Tensor
"""Class index per pixel: integers of any width."""


def matching_tensors(prediction: LabelMap, target: LabelMap) -> tuple[Tensor, Tensor]:
    """Prediction and target as tensors, on the prediction's device unless only the target lies on an accelerator.

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
    """Refuse what cannot be the value of a pixel; None ignores none.

    Raises
    ------
    TypeError
        It is neither a whole number nor None.
    """
    if ignore_index is not None:
        whole_number("ignore_index, unless None,", ignore_index)


def _integer_tensor(name: str, labels: object) -> Tensor:
    if isinstance(labels, np.ndarray):
        if labels.dtype.kind in "iu":
            # A copy, as torch takes neither another byte order, nor what runs backwards or may not be written to; and
            # signed, as torch hardly computes with other integers.
            signed = np.uint8 if labels.dtype == np.uint8 else np.int32 if labels.dtype.itemsize <= 2 else np.int64
            return torch.from_numpy(np.array(labels, signed, order="C"))
    elif isinstance(labels, Tensor):
        if not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool):
            return labels.to(torch.int32) if labels.dtype == torch.uint16 else labels
    else:
        raise TypeError(f"{name} must be a numpy array or a torch tensor of class indices, not {type(labels).__name__}")
    raise TypeError(f"{name} must hold integers, not {labels.dtype}; take the argmax over the classes first")
