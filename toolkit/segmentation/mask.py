"""A picture that says which pixels of other pictures count."""

import functools
import hashlib
import os
import zlib
from dataclasses import dataclass, field

import numpy as np

from toolkit.sources import ReadLimits, SourceError, decode_image, read_bytes
from toolkit.sources.decoding import decode_alpha
from toolkit.sources.reading import DEFAULT_LIMITS


@dataclass(frozen=True)
class Mask:
    """A picture of two values, of which the bright one says what counts. It holds its content, so it travels.

    Make one with `Mask.read` or `Mask.of`.
    """

    height: int
    """Pixels."""
    width: int
    """Pixels."""
    content: bytes = field(repr=False)
    """Its bits, row by row, compressed."""

    @classmethod
    def of(cls, values: np.ndarray) -> "Mask":
        """A mask of pixels, numbers or booleans ``(height, width)`` or ``(height, width, 3)``.

        What is above half of the greatest value counts: of 0 and 255 as of 0 and 1 the greater, and JPEG does no harm.
        """
        values = np.asarray(values)
        if values.ndim not in (2, 3) or not values.size:
            raise ValueError(f"a mask must have shape (height, width) or (height, width, 3), not {values.shape}")
        grey = values.astype(np.float64) if values.ndim == 2 else values.mean(axis=2)
        counted = grey > grey.max() / 2
        height, width = counted.shape
        return cls(height, width, zlib.compress(np.packbits(counted).tobytes()))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Mask":
        """The mask in a picture's file.

        Raises
        ------
        SourceError
            It cannot be read as an image, or has transparent pixels.
        """
        return cls.decode(read_bytes(str(path)), str(path))

    @classmethod
    def decode(cls, data: bytes, uri: str, limits: ReadLimits = DEFAULT_LIMITS) -> "Mask":
        """The mask in the bytes of a picture's file; errors as for `read`."""
        alpha = decode_alpha(data, uri, limits)
        if alpha is not None and alpha.min() < 255:  # does black on nothing count, or what is around it?
            reason = "is a mask with transparent pixels; save it in black and white, what counts in white"
            raise SourceError("unsupported_format", uri, reason)
        return cls.of(decode_image(data, uri, limits))

    @functools.cached_property
    def digest(self) -> str:
        """sha256 that is equal where size and pixels are, however they were stored."""
        size = f"{self.height} {self.width} ".encode()
        return hashlib.sha256(size + zlib.decompress(self.content)).hexdigest()

    def resized(self, height: int, width: int) -> np.ndarray:
        """What counts of a picture of that size, bool ``(height, width)``: the mask's nearest pixel says so."""
        bits = np.unpackbits(np.frombuffer(zlib.decompress(self.content), np.uint8), count=self.height * self.width)
        counted = bits.view(bool).reshape(self.height, self.width)
        rows, columns = (
            (2 * np.arange(side) + 1) * own // (2 * side) for side, own in ((height, self.height), (width, self.width))
        )
        nearest: np.ndarray = counted[rows[:, None], columns]
        return nearest
