"""Exact amounts of GPU: memory in MiB and compute in milli-GPU (1000 is a whole GPU)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Self

from sublet_quota.errors import AmountError

WHOLE_GPU_MILLI: Final = 1000
MIB_PER_GIB: Final = 1024
MOST_OF_A_CARD_MIB: Final = 4 * MIB_PER_GIB**2
"""4 TiB: more memory than any card has."""
BEYOND_ALL_GPUS: Final = 10**9
"""A number of MiB, and of milli-GPU, above any that a request can mean."""

_MEMORY: Final = re.compile(r"^\s*(\d{1,12}(?:\.\d{1,6})?)\s*(MiB|Mi|GiB|Gi|TiB|Ti)\s*$", re.ASCII)
_COMPUTE: Final = re.compile(r"^\s*(?:(\d{1,9})m|(\d{1,6}(?:\.\d{1,6})?))\s*$", re.ASCII)
_MIB_OF_UNIT: Final = {"M": 1, "G": MIB_PER_GIB, "T": MIB_PER_GIB * MIB_PER_GIB}


@dataclass(frozen=True, slots=True)
class GpuAmount:
    """An amount of GPUs: memory and compute, both whole and not negative."""

    memory_mib: int
    compute_milli: int

    def __post_init__(self) -> None:
        """Refuse what is negative or not a whole number."""
        both = self.memory_mib, self.compute_milli
        if type(both[0]) is type(both[1]) is int and both[0] >= 0 and both[1] >= 0:
            # So it is of nearly all of the many that every decision makes.
            return
        for name, value in (("memory_mib", self.memory_mib), ("compute_milli", self.compute_milli)):
            if isinstance(value, bool) or not isinstance(value, int):
                message = f"{name} is {value!r}: give a whole number"
                raise AmountError(message)
            if value < 0:
                message = f"{name} is {value}: give zero or more"
                raise AmountError(message)

    def __add__(self, other: Self) -> "GpuAmount":
        """Return both parts added."""
        return GpuAmount(
            self.memory_mib + other.memory_mib, self.compute_milli + other.compute_milli
        )

    def __sub__(self, other: Self) -> "GpuAmount":
        """Return both parts subtracted; ``AmountError`` where a part would be negative."""
        return GpuAmount(
            self.memory_mib - other.memory_mib, self.compute_milli - other.compute_milli
        )

    def left_by(self, taken: Self) -> "GpuAmount":
        """Return what is left of both parts; nothing of one of which more is taken."""
        return GpuAmount(
            max(0, self.memory_mib - taken.memory_mib),
            max(0, self.compute_milli - taken.compute_milli),
        )

    def lesser(self, other: Self) -> "GpuAmount":
        """Return of each part the lesser one."""
        return GpuAmount(
            min(self.memory_mib, other.memory_mib), min(self.compute_milli, other.compute_milli)
        )

    def fits_in(self, room: Self) -> bool:
        """Whether neither part is more than ``room`` has."""
        return self.memory_mib <= room.memory_mib and self.compute_milli <= room.compute_milli

    def __str__(self) -> str:
        """Return the amount for people: ``40 GiB, 0.5 GPU``."""
        return f"{format_memory(self.memory_mib)}, {format_compute(self.compute_milli)}"


NOTHING: Final = GpuAmount(0, 0)


def parse_memory(text: str | int) -> int:
    """Return MiB from ``"40 GiB"``, ``"40Gi"``, ``"512 MiB"`` or a whole number of MiB.

    Raises ``AmountError`` for anything else, also for parts of a MiB.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return GpuAmount(text, 0).memory_mib
    found = _MEMORY.match(text) if isinstance(text, str) else None
    if found is None:
        message = f"{text!r} is no amount of memory: write '40 GiB' or '512 MiB'"
        raise AmountError(message)
    mib = Decimal(found[1]) * _MIB_OF_UNIT[found[2][0]]
    if mib != int(mib):
        message = f"{text!r} is not a whole number of MiB"
        raise AmountError(message)
    return int(mib)


def parse_compute(text: str | float) -> int:
    """Return milli-GPU from ``"500m"``, ``"0.5"`` or ``0.5`` (GPUs).

    Raises ``AmountError`` for anything else, also for parts of a milli-GPU.
    """
    found = None if isinstance(text, bool) else _COMPUTE.match(str(text))
    if found is None:
        message = f"{text!r} is no share of a GPU: write '500m' or 0.5 for half a GPU"
        raise AmountError(message)
    if found[1] is not None:
        return int(found[1])
    milli = Fraction(found[2]) * WHOLE_GPU_MILLI
    if milli.denominator != 1:
        message = f"{text!r} is not a whole number of milli-GPU"
        raise AmountError(message)
    return int(milli)


def format_memory(mib: int) -> str:
    """Return ``10 GiB``, ``1.5 GiB`` or ``512 MiB``: to a tenth, but a round GiB is exact."""
    whole, rest = divmod(abs(mib), MIB_PER_GIB)
    sign = "-" if mib < 0 else ""
    if rest == 0 and whole:
        return f"{sign}{whole} GiB"
    tenths = (rest * 10 + MIB_PER_GIB // 2) // MIB_PER_GIB
    if not whole or tenths in (0, 10):
        return f"{mib} MiB"
    return f"{sign}{whole}.{tenths} GiB"


def format_held(mib: int, *, told: bool) -> str:
    """Return what is held on a GPU: ``10 GiB``, ``at least 10 GiB`` or ``an unknown amount``.

    ``told``: whether the GPU tells all of it; else ``mib`` is only the least.
    """
    if told:
        return format_memory(mib)
    return f"at least {format_memory(mib)}" if mib else "an unknown amount"


def format_compute(milli: int) -> str:
    """Return ``0.25 GPU``, exact."""
    whole, rest = divmod(abs(milli), WHOLE_GPU_MILLI)
    part = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{'-' if milli < 0 else ''}{whole}{part} GPU"


def format_number(number: float | Fraction, digits: int) -> str:
    """Return ``1.5`` or ``6``: to so many digits behind the point, without zeros at the end."""
    return f"{float(number):.{digits}f}".rstrip("0").rstrip(".")


def format_cards(cards: float | Fraction) -> str:
    """Return ``1 card``, ``0.5 cards`` or ``6 cards``, to a thousandth."""
    number = format_number(cards, 3)
    return f"{number} {'card' if number == '1' else 'cards'}"
