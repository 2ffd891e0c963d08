"""Numbers and times of texts that come from anybody: bounded before anything is reckoned with them.

``1e999999999`` is a number of ten characters, and would take all memory there is.
"""

import math
import re
from datetime import timedelta
from fractions import Fraction
from typing import Final

LONGEST: Final = timedelta(days=3660)
"""Of all times that are told, and the last moment of a simulation."""
_PART: Final = re.compile(r"[0-9]{0,9}(\.[0-9]{0,18}|/[0-9]{1,18})?")


def read_part(text: str) -> Fraction:
    """Return the number that ``1/2``, ``0.5`` or ``3`` stands for. ``ValueError``."""
    if not _PART.fullmatch(text):
        message = f"{text[:40]!r} is no number such as 1/2, 0.5 or 3"
        raise ValueError(message)
    try:
        return Fraction(text)
    except ZeroDivisionError as error:
        message = "nothing is divided by 0"
        raise ValueError(message) from error


def read_seconds(text: str) -> timedelta:
    """Return the time that a number of seconds is. ``ValueError``: it is none, or too long."""
    seconds = float(text)
    if not -math.inf < seconds <= LONGEST.total_seconds():
        message = f"at most {LONGEST.days} days are possible"
        raise ValueError(message)
    return timedelta(seconds=max(seconds, -1.0))
