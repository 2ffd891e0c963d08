"""Amounts of CPU and memory as Kubernetes writes them, such as ``500m`` and ``4Gi``."""

import re
from decimal import Decimal
from math import ceil, floor
from typing import Any, Final

from sublet_quota.errors import AmountError

_QUANTITY: Final = re.compile(
    r"([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})([num]|[kKMGTPE]i?|[eE][+-]?[0-9]{1,2})?"
)
_POWERS: Final = {
    "n": -3,
    "u": -2,
    "m": -1,
    "k": 1,
    "K": 1,
    "M": 2,
    "G": 3,
    "T": 4,
    "P": 5,
    "E": 6,
}
_MIB: Final = 2**20
_MILLI: Final = 1000
_MOST: Final = 2**53
"""Of CPUs or bytes: more is a mistake, and some that read it could not tell it from others."""


def quantity_of(written: Any) -> Decimal:
    """Return an amount, of CPUs or of bytes; ``AmountError``."""
    found = _QUANTITY.fullmatch(str(written))
    if found is None:
        message = f"{written!r} is no amount that Kubernetes takes: write 500m, 4Gi or 1e9"
        raise AmountError(message)
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei":
        return number * Decimal(10) ** int(suffix[1:])
    if suffix.endswith("i"):
        return number * Decimal(1024) ** _POWERS[suffix[0]]
    return number * Decimal(10) ** (3 * _POWERS[suffix[0]] if suffix else 0)


def _to_reckon_with(written: Any) -> Decimal:
    exact = quantity_of(written)
    if exact > _MOST:
        message = f"{written!r} is too much: at most {_MOST} can be reckoned with"
        raise AmountError(message)
    return exact


def cpu_milli_asked(written: Any) -> int:
    """Return CPU that is asked for, in thousandths of one, never too little. ``AmountError``."""
    return ceil(_to_reckon_with(written) * _MILLI)


def memory_mib_asked(written: Any) -> int:
    """Return memory that is asked for, in MiB, never too little. ``AmountError``."""
    return ceil(_to_reckon_with(written) / _MIB)


def cpu_milli_there(written: Any) -> int:
    """Return CPU that there is, in thousandths of one, never too much. ``AmountError``."""
    return floor(_to_reckon_with(written) * _MILLI)


def memory_mib_there(written: Any) -> int:
    """Return memory that there is, in MiB, never too much. ``AmountError``."""
    return floor(_to_reckon_with(written) / _MIB)
