"""Which pixels lie near the seams between slices."""

import numpy as np
import numpy.typing as npt


def near_seams(height: int, width: int, slices: tuple[int, int], distance: int) -> npt.NDArray[np.bool_]:
    """The pixels near the lines that part an image into slices.

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    slices : tuple of int
        (rows, columns) of slices of equal size, without overlap; at most as many as there are pixels.
    distance : int
        Pixels on each side of a seam that are near: 1 means those that touch it.

    Returns
    -------
    numpy.ndarray
        bool ``(height, width)``; all False for a single slice.

    Examples
    --------
    >>> near_seams(1, 6, (1, 2), 1).astype(int).tolist()
    [[0, 0, 1, 1, 0, 0]]
    """
    rows, columns = (_near(side, n, distance) for side, n in zip((height, width), slices, strict=True))
    near: npt.NDArray[np.bool_] = np.zeros((height, width), dtype=np.bool_)
    near[rows] = True
    near[:, columns] = True
    return near


def _near(side: int, n_slices: int, distance: int) -> npt.NDArray[np.bool_]:
    n_slices = min(n_slices, side)
    seams = np.arange(1, n_slices) * (side / n_slices)
    centres = np.arange(side) + 0.5
    nearest = np.abs(centres[:, None] - seams).min(axis=1, initial=np.inf)
    near: npt.NDArray[np.bool_] = nearest < distance
    return near
