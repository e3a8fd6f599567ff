"""Which pixels of a picture are transparent."""

import numpy as np
import numpy.typing as npt

from toolkit.sources.decoding import decode_alpha
from toolkit.sources.reading import DEFAULT_LIMITS, ReadLimits

_LEAST_ALPHA = 128


def opaque_pixels(data: bytes, uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> npt.NDArray[np.bool_] | None:
    """Which pixels of a picture are not transparent: those whose alpha is at least 128 of 255.

    Parameters
    ----------
    data : bytes
        A picture that `decode_image` could decode.
    uri : str
        Where it came from; only named in errors.
    limits : ReadLimits
        As for `decode_image`.

    Returns
    -------
    numpy.ndarray or None
        bool ``(height, width)``, upright as the pixels are; None if the picture knows no transparency.

    Raises
    ------
    SourceError
        Those of `decode_image`.
    """
    alpha = decode_alpha(data, uri, limits)
    return None if alpha is None else alpha >= _LEAST_ALPHA
