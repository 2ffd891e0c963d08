"""Memory and compute in a quota document, and how each may be written.

A number alone is a part of a GPU, never MiB or thousandths: ``memory: 40`` once was 40 MiB.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from sublet_quota.amounts.gpu_amounts import (
    MIB_PER_GIB,
    MOST_OF_A_CARD_MIB,
    WHOLE_GPU_MILLI,
    parse_memory,
)
from sublet_quota.document.values import UNLIMITED, Unlimited

MIB_PER_TIB: Final = MIB_PER_GIB * MIB_PER_GIB
MOST_OF_ALL_MIB: Final = 65_536 * MIB_PER_TIB
"""More memory than all cards of any hub have."""
_NO_NUMBER_OF_GPUS: Final = 10
"""From so much compute on, thousandths of a GPU are meant."""
_PART: Final = re.compile(r"^\s*(?:(\d{1,4})\s*/\s*(\d{1,4})|(\d{1,3})\s*%)\s*$", re.ASCII)
_NUMBER: Final = re.compile(r"^\s*(\d{1,9}(?:\.\d{1,9})?)\s*$", re.ASCII)
_MILLI: Final = re.compile(r"^\s*(\d{1,9})\s*m\s*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class GpuShare:
    """A part of a GPU's memory: of what can be given away, that is without the margin."""

    part: Fraction

    def __str__(self) -> str:
        """Return the share as it is written in a document: ``1/4``."""
        whole = self.part.denominator == 1
        return "1" if whole else f"{self.part.numerator}/{self.part.denominator}"


def read_memory_or_share(value: Any) -> int | GpuShare:
    """Return MiB, or the part of a GPU that ``"1/4"``, ``"25%"`` or ``0.25`` stands for."""
    if isinstance(value, GpuShare):
        return value
    part = _part_of(value)
    if part is not None:
        return GpuShare(_within_one_gpu(value, part))
    mib = _mib_of(value, "or a part such as '1/4'", MOST_OF_A_CARD_MIB, "any card has")
    if mib == 0:
        message = "is no memory at all: write '40 GiB', '512 MiB' or a part such as '1/4'"
        raise ValueError(message)
    return mib


def read_memory_limit(value: Any) -> int | Unlimited:
    """Return MiB, or ``UNLIMITED``."""
    if value == UNLIMITED:
        return UNLIMITED
    if (number := _number_of(value)) is not None:
        message = f"is memory without a unit: write {_with_units(number)}, or 'unlimited'"
        raise ValueError(message)
    return _mib_of(value, "or 'unlimited'", MOST_OF_ALL_MIB, "all cards have")


def read_compute_share(value: Any) -> int:
    """Return the milli-GPU of a part of one GPU: ``"250m"``, ``0.25``, ``"1/4"``, ``"25%"``."""
    found = _MILLI.match(value) if isinstance(value, str) else None
    part = Fraction(int(found[1]), WHOLE_GPU_MILLI) if found else _part_of(value)
    if part is None:
        message = "is no part of a GPU: write 0.25, '250m' or '1/4'"
        raise ValueError(message)
    milli = part * WHOLE_GPU_MILLI
    if milli > WHOLE_GPU_MILLI:
        raise ValueError(_more_than_one_gpu(part))
    nearest = milli.numerator // milli.denominator
    if nearest < 1:
        message = "is less than a thousandth of a GPU: write '1m' or more"
        raise ValueError(message)
    if milli.denominator != 1 and _number_of(value) is not None:
        message = (
            f"is {float(milli):g} thousandths of a GPU, and the least part is one: write "
            f"'{nearest}m' or '{nearest + 1}m', or a fraction such as '1/3'"
        )
        raise ValueError(message)
    return nearest


def _more_than_one_gpu(part: Fraction) -> str:
    meant = ""
    if part.denominator == 1 and part >= _NO_NUMBER_OF_GPUS:
        meant = f"; {part} thousandths are '{part}m'"
        meant += "" if part <= WHOLE_GPU_MILLI else f", {float(part / WHOLE_GPU_MILLI):g} GPUs"
    return (
        f"is {float(part):g} GPUs, and a size lies on one: write 1 for all of it, 0.25 or '250m' "
        f"for a quarter{meant}"
    )


def _within_one_gpu(value: Any, part: Fraction) -> Fraction:
    if 0 < part <= 1:
        return part
    if part and (number := _number_of(value)) is not None:
        message = f"is memory without a unit: write {_with_units(number)}, or a part such as '1/4'"
        raise ValueError(message)
    message = "is no part of one GPU: write a part above 0 and up to 1, such as '1/4'"
    raise ValueError(message)


def _with_units(number: Fraction) -> str:
    mib = f"'{int(number)} MiB'" if number.denominator == 1 else f"'{int(number) + 1} MiB'"
    return f"'{float(number):.15g} GiB' or {mib}"


def _mib_of(value: Any, otherwise: str, most: int, whose: str) -> int:
    try:
        mib = parse_memory(value) if isinstance(value, str) else -1
    except ValueError:
        mib = -1
    if mib < 0:
        message = f"is no amount of memory: write '40 GiB', '512 MiB' {otherwise}"
        raise ValueError(message)
    if mib > most:
        message = f"is more memory than {whose}: write {most // MIB_PER_TIB} TiB or less"
        raise ValueError(message)
    return mib


def _part_of(value: Any) -> Fraction | None:
    """Return a part, or a number, as it is written; ``None`` for what is neither."""
    found = _PART.match(value) if isinstance(value, str) else None
    if found is None:
        return _number_of(value)
    over, under = (found[1], found[2]) if found[3] is None else (found[3], "100")
    return Fraction(int(over), int(under)) if int(under) else Fraction(0)


def _number_of(value: Any) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _NUMBER.match(str(value))
    return None if found is None else Fraction(found[1])


def _write_memory(value: int | GpuShare | Unlimited) -> str:
    if isinstance(value, Unlimited):
        return value.value
    if not isinstance(value, int):
        return str(value)
    return f"{value} MiB" if value % MIB_PER_GIB or not value else f"{value // MIB_PER_GIB} GiB"


_MEMORY_TEXT: Final = {
    "type": "string",
    "pattern": r"^\s*\d{1,12}(\.\d{1,6})?\s*(MiB|Mi|GiB|Gi|TiB|Ti)\s*$",
}
_PART_TEXT: Final = {
    "type": "string",
    "pattern": (
        r"^\s*(\d{1,4}\s*/\s*\d{1,4}|(0?\d{1,2}|100)\s*%"
        r"|0{1,9}\.\d{1,9}|0{0,8}1(\.0{1,9})?)\s*$"
    ),
    "not": {"pattern": r"^\s*0+(\.0+)?\s*(%|/|$)|/\s*0+\s*$"},
}
_PART_NUMBER: Final = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_MILLI_TEXT: Final = {
    "type": "string",
    "pattern": r"^\s*0{0,5}([1-9]\d{0,2}|1000)\s*m\s*$",
}
_SOME_MEMORY_TEXT: Final = {**_MEMORY_TEXT, "not": {"pattern": r"^\s*0+(\.0+)?\s*[A-Za-z]"}}

MemoryOrShare = Annotated[
    int | GpuShare,
    PlainValidator(read_memory_or_share),
    PlainSerializer(_write_memory, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [_PART_NUMBER, _SOME_MEMORY_TEXT, _PART_TEXT],
            "examples": ["1/4", "25%", "20 GiB"],
        }
    ),
]
MemoryLimit = Annotated[
    int | Unlimited,
    PlainValidator(read_memory_limit),
    PlainSerializer(_write_memory, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [_MEMORY_TEXT, {"const": UNLIMITED.value}],
            "examples": ["160 GiB", "unlimited"],
        }
    ),
]
ComputeShare = Annotated[
    int,
    PlainValidator(read_compute_share),
    PlainSerializer(lambda value: f"{value}m", when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [_PART_NUMBER, _MILLI_TEXT, _PART_TEXT],
            "examples": ["250m", 0.25, "1/4"],
        }
    ),
]
