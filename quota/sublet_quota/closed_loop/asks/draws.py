"""Numbers that look drawn by chance, and follow from a seed and a name alone.

Each name has a row of its own: what one person does hangs on nothing that is drawn for another, so
leaving a person out, or telling them in another order, changes nobody else's days.
"""

import hashlib
from datetime import timedelta
from math import cos, exp, log, pi, sqrt
from typing import Final

_BITS: Final = 64
_MASK: Final = (1 << _BITS) - 1
_FRACTION_BITS: Final = 53
_PARTS: Final = 1 << _FRACTION_BITS


class Draws:
    """One row of numbers (SplitMix64)."""

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=_BITS // 8).digest()
        self._state = int.from_bytes(digest, "big")

    def uniform(self) -> float:
        """Return a number from 0 to below 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        drawn: int = (mixed ^ (mixed >> 31)) >> (_BITS - _FRACTION_BITS)
        return drawn / _PARTS

    def below(self, number: int) -> int:
        """Return a whole number from 0 to below ``number``."""
        return int(self.uniform() * number)

    def chance(self, probability: float) -> bool:
        """Return whether something happens that has this probability."""
        return self.uniform() < probability

    def between(self, least: timedelta, most: timedelta) -> timedelta:
        """Return a time between two, all alike probable."""
        return least + (most - least) * self.uniform()

    def exponential(self, mean: timedelta) -> timedelta:
        """Return a time until something that happens as often as not, whenever it did last."""
        return mean * -log(1 - self.uniform())

    def lognormal(self, median: timedelta, sigma: float) -> timedelta:
        """Return a time of which the logarithm is normal, as those of cells and jobs are."""
        normal = sqrt(-2 * log(1 - self.uniform())) * cos(2 * pi * self.uniform())
        return median * exp(sigma * normal)
