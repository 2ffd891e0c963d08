"""The unit of quotas: a card of a type, of which a slice is its dominant share.

Amounts are exact. What overcommit promises beyond the card never counts: a slice is measured by
what the card can give away.
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from math import lcm
from typing import Final

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.errors import AmountError

NO_CARD: Final = Fraction(0)
WHOLE_CARD: Final = Fraction(1)


def cards_of(amount: GpuAmount, kind: GpuKind) -> Fraction:
    """Return which part of a card an amount is: its larger share, of memory or of compute.

    A whole GPU is 1. Raises ``AmountError`` for more than one card can give.
    """
    if not amount.fits_in(GpuAmount(kind.usable_mib, WHOLE_GPU_MILLI)):
        message = f"{amount} is more than one {kind.type} gives: {kind.usable_mib} MiB, 1 GPU"
        raise AmountError(message)
    compute = Fraction(amount.compute_milli, WHOLE_GPU_MILLI)
    if kind.usable_mib == 0:
        return compute
    return max(Fraction(amount.memory_mib, kind.usable_mib), compute)


def total(amounts: Iterable[Fraction]) -> Fraction:
    """Return the sum; quicker than ``sum`` for many amounts of few denominators."""
    numerators: defaultdict[int, int] = defaultdict(int)
    for amount in amounts:
        numerators[amount.denominator] += amount.numerator
    return sum((Fraction(number, of) for of, number in numerators.items()), NO_CARD)


def whole_units(amounts: Iterable[Fraction]) -> int:
    """Return into how many units a card must be cut so that each amount is whole ones of them.

    Whole numbers are added and compared several times as fast as fractions, and as exactly.
    """
    return lcm(*{amount.denominator for amount in amounts})


def in_units(amount: Fraction, units: int) -> int:
    """Return an amount as a number of these units; ``whole_units`` was told it."""
    return amount.numerator * (units // amount.denominator)
