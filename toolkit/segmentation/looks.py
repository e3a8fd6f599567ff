"""What is noticed of a picture while it is segmented: whether it is a placeholder, and by what its copies are told."""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

_SIDE = 32
"""Cells along each side that the picture is averaged into."""
_FREQUENCIES = 8
_AVERAGED, _SAMPLED = 2**21, 2**14
"""About so many pixels are averaged at most, and looked at one by one: of large pictures a part says as much."""

_TOLERANCE = 5
"""Values (0…255) by which colours differ that are taken for one: what JPEG and noise do."""
_SHARE_OF_CELLS = 0.99
_SHARE_OF_CARD = 0.75
_SHARE_OF_RIM = 0.9
_RIM = (0.02, 0.08)
"""Where it begins and ends, from each border, in sides of the picture."""
_DARK = 24
"""Below this value in all channels, a colour may be night instead of a card's."""
_MOST_SPREAD = 0.3
_BINS = 32


@dataclass(frozen=True)
class Looks:
    """What a picture looks like, in a few numbers."""

    blank: bool
    """Whether it is of one colour or nearly: a black frame, an empty picture, a card that says "no imagery here"."""
    pixels_digest: int
    """64 bits, never 0, that are equal where size and pixels are."""
    perceptual_hash: int
    """64 bits of which few differ where pictures look alike: a picture saved anew, or made smaller."""


def look_at(pixels: np.ndarray) -> Looks:
    """Notice what is to be known of a picture.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 ``(height, width, 3)``, RGB.

    Returns
    -------
    Looks
        A digest, a hash, and whether the picture is blank.

    Notes
    -----
    The digest is BLAKE2b's. The perceptual hash is the one known as pHash (Zauner, "Implementation and benchmarking of
    perceptual image hash functions", 2010): the signs, about their median, of the 64 lowest frequencies of the discrete
    cosine transform of the picture averaged into 32 × 32 grey cells.

    A picture is blank if nearly all of its cells are of one colour, within the noise of a camera; or if most of its
    pixels are of one colour, and so is its rim: a card with words on it. What people photograph reaches the rim. But
    lamps in the night are surrounded by black: what is on a dark card must lie in few rows and columns, as words do.
    """
    pixels = np.ascontiguousarray(pixels)
    picture = Image.fromarray(_sampled(pixels, _AVERAGED))
    cells = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    return Looks(_is_of_one_colour(cells) or _is_card(pixels), _digest(pixels), _perceptual_hash(cells))


def _sampled(pixels: np.ndarray, most: int) -> np.ndarray:
    """Every second pixel, or third, …, so that they are about so many at most."""
    step = max(int((pixels.shape[0] * pixels.shape[1] / most) ** 0.5), 1)
    return np.ascontiguousarray(pixels[::step, ::step])


def _digest(pixels: np.ndarray) -> int:
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=8)
    digest.update(pixels.data)
    return int.from_bytes(digest.digest(), "little") or 1


def _perceptual_hash(cells: np.ndarray) -> int:
    grey = cells @ np.array([0.299, 0.587, 0.114])
    transform = _cosines()
    lowest = (transform @ grey @ transform.T).ravel()
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")


@functools.cache
def _cosines() -> np.ndarray:
    """The lowest frequencies of the discrete cosine transform, float64 ``(8, 32)``."""
    places = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.cos(np.arange(_FREQUENCIES)[:, None] * places)


def _is_of_one_colour(cells: np.ndarray) -> bool:
    values = cells.reshape(-1, 3)
    return bool(_alike(values, np.median(values, axis=0)).mean() >= _SHARE_OF_CELLS)


def _is_card(pixels: np.ndarray) -> bool:
    sampled = _sampled(pixels, _SAMPLED)
    ground = _ground(sampled.reshape(-1, 3))
    is_ground = _alike(sampled, ground)
    if is_ground.mean() < _SHARE_OF_CARD:
        return False
    if min(is_ground.shape) > 2 and ground.max() < _DARK and _spread(~is_ground) > _MOST_SPREAD:
        return False
    rim = is_ground[_rim(is_ground.shape)]
    return bool(rim.size and rim.mean() >= _SHARE_OF_RIM)


def _spread(which: np.ndarray) -> float:
    """How much of the picture lies in rows and in columns that some pixels are in: little of it for lines of text."""
    rows, columns = (max(round(side * _RIM[0]), 1) for side in which.shape)
    which = which[rows:-rows, columns:-columns]
    return float(which.any(axis=0).mean() * which.any(axis=1).mean())


def _rim(size: tuple[int, ...]) -> np.ndarray:
    """The pixels near the border, but for those at it, where a card may have a line around it."""
    rim = np.zeros(size, bool)
    for part, is_in in zip(_RIM, (True, False), strict=True):
        rows, columns = (max(round(side * part), 1) for side in size)
        rim[rows:-rows, columns:-columns] = is_in
    return rim


def _ground(values: np.ndarray) -> np.ndarray:
    """The colour that most pixels have, of values ``(n, 3)``: the median of those in the fullest of 32³ bins."""
    bins = values.astype(np.int32) // (256 // _BINS) @ np.array([_BINS * _BINS, _BINS, 1], np.int32)
    fullest = np.bincount(bins, minlength=_BINS**3).argmax()
    median: np.ndarray = np.median(values[bins == fullest], axis=0)
    return median


def _alike(values: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Which colours ``(…, 3)`` are one colour, for all that noise does."""
    differences = np.abs(values.astype(np.int16) - colour.astype(np.int16))
    return np.asarray((differences <= _TOLERANCE).all(axis=-1))
