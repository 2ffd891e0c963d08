"""Amounts as Kubernetes writes them: ``79``, ``1k``, ``500m``, ``4Gi``, ``1e3``.

The API server writes them its own way whatever it was given: 1000 comes back as ``1k``.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

_QUANTITY: Final = re.compile(
    r"([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))(?:[eE]([+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]))?",
    re.ASCII,
)
_FACTORS: Final = {
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)},
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", start=1)},
    **{letter: Fraction(1, 1000**power) for power, letter in enumerate("mun", start=1)},
}


def parse_quantity(written: object) -> Fraction:
    """Return the amount, exactly; ``ValueError`` where it is none."""
    found = _QUANTITY.fullmatch(str(written))
    if found is None:
        message = f"{written!r} is no amount of Kubernetes': such are 79, 1k, 500m and 4Gi"
        raise ValueError(message)
    number, exponent, suffix = found.groups()
    amount = Fraction(Decimal(number))
    if exponent:
        return amount * Fraction(10) ** int(exponent)
    return amount * _FACTORS[suffix] if suffix else amount
