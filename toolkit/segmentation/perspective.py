"""Flat pictures cut out of a panorama, as a camera would take them that stood in its middle."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from toolkit import arguments

Interpolation = Literal["bilinear", "nearest"]
_WIDEST = 179.0


def perspective_views(
    pixels: np.ndarray,
    fov: float = 90.0,
    yaw: float | Sequence[float] = (0.0, 90.0, 180.0, 270.0),
    pitch: float | Sequence[float] = 0.0,
    *,
    roll: float | Sequence[float] = 0.0,
    size: tuple[int, int] | int | None = None,
    interpolation: Interpolation | None = None,
) -> np.ndarray:
    """Cut perspective (gnomonic) views out of an equirectangular panorama of the whole sphere.

    Parameters
    ----------
    pixels : numpy.ndarray
        The panorama, of any type, ``(height, width)`` or ``(height, width, n_channels)``; twice as wide as high, its
        middle column straight ahead, its upper border the zenith. A label map is one as well.
    fov : float
        Angle of view from the left to the right border of a view, degrees.
    yaw : float or sequence of float
        Where views look, degrees to the right of straight ahead; the four sides by default.
    pitch : float or sequence of float
        Degrees above the horizon.
    roll : float or sequence of float
        How far the camera is turned clockwise about its axis, degrees. One number holds for all views.
    size : (int, int) or int, optional
        (height, width) of a view, pixels; or the side of a square. By default a square as fine in its middle as the
        panorama is at its horizon.
    interpolation : "bilinear" or "nearest", optional
        How values between pixels are found; nearest by default for ``(height, width)``, which may be classes, else
        bilinear.

    Returns
    -------
    numpy.ndarray
        ``(n_views, height, width)`` or ``(n_views, height, width, n_channels)``, of the panorama's type. Over the seam
        and the poles values go on as they do on the sphere.

    Raises
    ------
    TypeError, ValueError
        An argument is not what it must be; the message names it.

    Examples
    --------
    >>> panorama = np.zeros((512, 1024, 3), np.uint8)
    >>> perspective_views(panorama, fov=90, yaw=[0, 120, 240]).shape
    (3, 326, 326, 3)
    """
    _check_panorama(pixels)
    fov = arguments.number("fov", fov, least=1, most=_WIDEST, what="an angle in degrees")
    angles = _angles(yaw=yaw, pitch=pitch, roll=roll)
    height, width = _size(size, fov, pixels.shape[1])
    choice = arguments.choice("interpolation", interpolation, (None, *get_args(Interpolation)))
    nearest = pixels.ndim == 2 if choice is None else choice == "nearest"
    rays = _rays(height, width, fov)
    views = np.empty((len(angles), height, width, *pixels.shape[2:]), pixels.dtype)
    for view, (one_yaw, one_pitch, one_roll) in zip(views, angles, strict=True):
        rows, columns = _places(rays @ _rotation(one_yaw, one_pitch, one_roll).T, pixels.shape[:2])
        view[:] = _nearest(pixels, rows, columns) if nearest else _bilinear(pixels, rows, columns)
    return views


def _check_panorama(pixels: object) -> None:
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pixels must be a numpy array, not {type(pixels).__name__}")
    if pixels.ndim not in (2, 3) or pixels.size == 0 or pixels.dtype.kind not in "buif":
        raise ValueError(
            f"pixels must be numbers (height, width) or (height, width, n_channels), not {pixels.dtype} {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    if abs(width / (2 * height) - 1) > 0.01:
        raise ValueError(f"pixels must be a panorama twice as wide as high, not {width} × {height}")


def _angles(**given: float | Sequence[float]) -> list[tuple[float, ...]]:
    """(yaw, pitch, roll) of each view."""
    lists = {}
    for name, value in given.items():
        each = [value] if isinstance(value, float | int | str) or np.isscalar(value) else list(value)
        lists[name] = [arguments.number(name, one, what="an angle in degrees") for one in each]
    n_views = max(map(len, lists.values()))
    for name, angles in lists.items():
        if len(angles) not in (1, n_views):
            raise ValueError(f"{name} has {len(angles)} angles, others have {n_views}; give one, or one per view")
    return list(zip(*(angles * (n_views // len(angles)) for angles in lists.values()), strict=True))


def _size(size: tuple[int, int] | int | None, fov: float, panorama_width: int) -> tuple[int, int]:
    if size is None:
        side = max(round(2 * np.tan(np.radians(fov) / 2) * panorama_width / (2 * np.pi)), 1)
        return side, side
    if isinstance(size, Sequence):
        if len(size) != 2:
            raise ValueError(f"size must be (height, width), not {size!r}")
        height, width = (arguments.whole_number("size", side, least=1) for side in size)
        return height, width
    side = arguments.whole_number("size", size, least=1)
    return side, side


def _rays(height: int, width: int, fov: float) -> np.ndarray:
    """Where each pixel of a view looks, (right, up, ahead), float64 ``(height, width, 3)``; not of unit length."""
    step = 2 * np.tan(np.radians(fov) / 2) / width
    right = (np.arange(width) + 0.5 - width / 2) * step
    up = -(np.arange(height) + 0.5 - height / 2) * step
    rays = np.ones((height, width, 3))
    rays[..., 0], rays[..., 1] = right, up[:, None]
    return rays


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """From a view's axes to the panorama's: rolled, then pitched, then turned."""
    (sin_y, sin_p, sin_r), (cos_y, cos_p, cos_r) = (f(np.radians([yaw, pitch, roll])) for f in (np.sin, np.cos))
    turned = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    pitched = np.array([[1, 0, 0], [0, cos_p, sin_p], [0, -sin_p, cos_p]])
    rolled = np.array([[cos_r, sin_r, 0], [-sin_r, cos_r, 0], [0, 0, 1]])
    rotation: np.ndarray = turned @ pitched @ rolled
    return rotation


def _places(rays: np.ndarray, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the panorama that rays meet; whole numbers are centres of pixels."""
    height, width = size
    right, up, ahead = np.moveaxis(rays, -1, 0)
    longitude, latitude = np.arctan2(right, ahead), np.arctan2(up, np.hypot(right, ahead))
    return (0.5 - latitude / np.pi) * height - 0.5, (0.5 + longitude / (2 * np.pi)) * width - 0.5


def _at(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values at whole rows and columns; beyond a pole one goes down on the other side."""
    height, width = pixels.shape[:2]
    beyond = (rows < 0) | (rows >= height)
    rows = np.where(rows < 0, -1 - rows, np.where(rows >= height, 2 * height - 1 - rows, rows))
    values: np.ndarray = pixels[rows, np.where(beyond, columns + width // 2, columns) % width]
    return values


def _nearest(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return _at(pixels, np.floor(rows + 0.5).astype(np.int64), np.floor(columns + 0.5).astype(np.int64))


def _bilinear(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    further = (1,) * (pixels.ndim - 2)
    down, across = (rows - top).reshape(*rows.shape, *further), (columns - left).reshape(*rows.shape, *further)
    upper, lower = (
        _at(pixels, row, left) * (1 - across) + _at(pixels, row, left + 1) * across for row in (top, top + 1)
    )
    values: np.ndarray = upper * (1 - down) + lower * down
    return values if pixels.dtype.kind == "f" else np.rint(values)
