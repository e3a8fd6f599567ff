"""Images as they are given, checked and as tensors."""

import numpy as np
import torch
from torch import Tensor


def checked_pixels(pixels: object) -> np.ndarray:
    """The pixels, if they are an RGB image.

    Raises
    ------
    TypeError, ValueError
        They are not uint8 ``(height, width, 3)``.
    """
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pixels must be a numpy array or the path of an image, not {type(pixels).__name__}")
    if pixels.dtype != np.uint8:
        raise TypeError(f"pixels must be uint8, not {pixels.dtype}; scale other types to 0…255 first")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"pixels must have shape (height, width, 3) and at least one pixel, not {pixels.shape}")
    return pixels


def tensor_of(pixels: np.ndarray) -> Tensor:
    """The pixels as a tensor of their shape; shares their memory where torch can."""
    # torch takes no view that runs backwards, such as BGR turned into RGB, nor memory that it may not write to.
    backwards = any(stride < 0 for stride in pixels.strides)
    return torch.from_numpy(pixels.copy() if backwards else np.require(pixels, requirements=["C", "W"]))


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; a GPU fetches it behind our back."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def extended(image: Tensor, around: int) -> Tensor:
    """A panorama ``(3, height, width)`` with so many columns more at each side, which are those of its other end."""
    if not around:
        return image
    return torch.cat([image[..., -around:], image, image[..., :around]], dim=-1)
