"""Which pictures are the same, or nearly: found by their digests, over all images at once.

Nearly the same are perceptual hashes of which at most `MOST_BITS` bits differ. Cut into 6 bands, two such hashes have
at least two bands in common; so all that can be near lies side by side when hashes are sorted by each pair of bands
(Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", WWW 2007).
"""

import itertools

import numpy as np

MOST_BITS = 4
"""So many of the 64 bits of two perceptual hashes may differ if the pictures are nearly the same."""

_BANDS = tuple(np.linspace(0, 64, MOST_BITS + 3).round().astype(int).tolist())
_NEIGHBOURS = 64
"""A hash is compared with so many before it, and as many of the first, among those that have two bands in common."""
_NONE = -1


def first_with_same(digests: np.ndarray) -> np.ndarray:
    """Row of the first image with the same digest.

    Parameters
    ----------
    digests : numpy.ndarray
        uint64 ``(n_images,)``; 0 where nothing is known.

    Returns
    -------
    numpy.ndarray
        int64 ``(n_images,)``: a smaller row; -1 where there is none, or nothing is known.
    """
    _, first, of_image = np.unique(digests, return_index=True, return_inverse=True)
    found = first[of_image].astype(np.int64)
    found[(found == np.arange(len(digests))) | (digests == 0)] = _NONE
    return found


def first_near(hashes: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Row of the first image that looks nearly the same.

    Parameters
    ----------
    hashes : numpy.ndarray
        Perceptual hashes, uint64 ``(n_images,)``.
    counted : numpy.ndarray
        Of which images the hash means something, bool ``(n_images,)``.

    Returns
    -------
    numpy.ndarray
        int64 ``(n_images,)``: a smaller row; -1 where there is none, or the hash means nothing. Of groups of
        hundreds that look alike, some may be told from a later image than the first.
    """
    rows = np.flatnonzero(counted)
    found = np.full(len(hashes), _NONE, dtype=np.int64)
    if not rows.size:
        return found
    different, first, of_image = np.unique(hashes[rows], return_index=True, return_inverse=True)
    order = np.argsort(first)  # of the hashes by their first images, so that the smaller position is the earlier image
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    earliest = _earliest_near(different[order])
    firsts = rows[first[order]]
    near = firsts[earliest[place[of_image]]]
    found[rows] = np.where(near < rows, near, _NONE)
    return found


def _earliest_near(hashes: np.ndarray) -> np.ndarray:
    """Of hashes that are all different, the position of the first that is near; its own, if none before it is."""
    earliest = np.arange(len(hashes))
    bands = list(itertools.pairwise(_BANDS))
    for one, other in itertools.combinations(bands, 2):
        key = (_bits(hashes, *one) << np.uint64(other[1] - other[0])) | _bits(hashes, *other)
        order = np.argsort(key, kind="stable")  # so positions grow among those of equal keys
        starts = np.r_[True, np.diff(key[order]) != 0]
        begin = np.flatnonzero(starts)[np.cumsum(starts) - 1]
        rank = np.arange(len(order)) - begin
        for step in range(1, min(int(rank.max(initial=0)), _NEIGHBOURS) + 1):
            later = np.flatnonzero(rank >= step)
            _note_near(hashes, order[later - step], order[later], earliest)
            far = later[rank[later] > _NEIGHBOURS + step]
            _note_near(hashes, order[begin[far] + step - 1], order[far], earliest)
    return earliest


def _note_near(hashes: np.ndarray, before: np.ndarray, after: np.ndarray, earliest: np.ndarray) -> None:
    near = _count_bits(hashes[before] ^ hashes[after]) <= MOST_BITS
    np.minimum.at(earliest, after[near], before[near])


def _bits(hashes: np.ndarray, begin: int, end: int) -> np.ndarray:
    bits: np.ndarray = (hashes >> np.uint64(begin)) & np.uint64((1 << (end - begin)) - 1)
    return bits


def _count_bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each uint64 are set; NumPy has that from version 2 on only."""
    masks = [np.uint64(mask) for mask in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F)]
    values = values - ((values >> np.uint64(1)) & masks[0])
    values = (values & masks[1]) + ((values >> np.uint64(2)) & masks[1])
    values = (values + (values >> np.uint64(4))) & masks[2]
    return (values * np.uint64(0x0101010101010101)) >> np.uint64(56)
