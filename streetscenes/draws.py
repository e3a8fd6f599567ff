"""Random numbers that are the same on every machine and with every version of NumPy."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Choice = TypeVar("Choice")


class Draws:
    """A stream of random numbers, drawn from the raw bits of PCG64.

    NumPy promises that the bits of a bit generator never change, but not what ``Generator`` makes of them; hence the
    few distributions that are needed here are made from the bits, by arithmetic that rounds alike everywhere.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Where the stream starts.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._seed = seed
        self._bits = np.random.PCG64(seed)

    def part(self, number: int) -> "Draws":
        """A stream of its own for one part of a scene: what is drawn there changes nothing elsewhere."""
        return Draws(np.random.SeedSequence(self._seed.entropy, spawn_key=(*self._seed.spawn_key, number)))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number from ``low`` to ``high``."""
        return low + (high - low) * (int(self._bits.random_raw() >> 11) / 2**53)

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self._bits.random_raw() >> 32) * (high - low + 1) // 2**32

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self.uniform() < probability

    def choice(self, options: Sequence[Choice]) -> Choice:
        """One of several; what is listed twice is twice as likely."""
        return options[self.integer(0, len(options) - 1)]

    def octets(self, count: int, start: int = 0) -> npt.NDArray[np.uint8]:
        """Bytes ``start`` to ``start + count`` of a stream that begins with the seed; both are multiples of eight."""
        bits = np.random.PCG64(self._seed)
        bits.advance(start // 8)
        return np.asarray(bits.random_raw(count // 8)).astype("<u8").view(np.uint8)
