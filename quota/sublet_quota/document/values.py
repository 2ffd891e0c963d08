"""The kinds of values in a quota document, and how each may be written.

Each kind is read by one function that says, when it refuses, what may be written instead; it is
written back in a form that reads the same.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, parse_compute, parse_memory

_DURATION: Final = re.compile(r"^\s*(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]*)\s*$", re.ASCII)
_SECONDS_OF_UNIT: Final = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_LONGEST: Final = timedelta(days=366)
_SHARE: Final = re.compile(r"^\s*(?:(\d{1,4})\s*/\s*(\d{1,4})|(\d{1,3})\s*%)\s*$", re.ASCII)
_LARGEST_OVERCOMMIT: Final = 100


class Unlimited(StrEnum):
    """The word for "no limit", which no number stands for."""

    UNLIMITED = "unlimited"


UNLIMITED: Final = Unlimited.UNLIMITED


@dataclass(frozen=True, slots=True)
class GpuShare:
    """A part of a GPU's memory: of what can be given away, that is without the margin."""

    part: Fraction

    def __str__(self) -> str:
        """Return the share as it is written in a document: ``1/4``."""
        return f"{self.part.numerator}/{self.part.denominator}"


def read_duration(value: Any) -> timedelta:
    """Return the time that ``"10m"``, ``"30 s"`` or a number of seconds stands for."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    found = None if isinstance(value, bool) else _DURATION.match(str(value).lower())
    unit_s = None if found is None else _SECONDS_OF_UNIT.get(found[2])
    if found is None or unit_s is None:
        message = "is no duration: write '30 s', '10m', '2h', '7d' or a number of seconds"
        raise ValueError(message)
    duration = timedelta(seconds=float(Decimal(found[1]) * unit_s))
    if duration > _LONGEST:
        message = f"is longer than {_LONGEST.days} days: write less"
        raise ValueError(message)
    return duration


def read_positive_duration(value: Any) -> timedelta:
    """Return a duration that is not zero."""
    duration = read_duration(value)
    if not duration:
        message = "is zero: write a duration above zero, such as '30 s'"
        raise ValueError(message)
    return duration


def read_memory(value: Any) -> int:
    """Return the MiB that ``"40 GiB"`` or a number of MiB stands for."""
    try:
        return parse_memory(value)
    except ValueError as error:
        message = "is no amount of memory: write '40 GiB', '512 MiB' or a whole number of MiB"
        raise ValueError(message) from error


def read_memory_or_share(value: Any) -> int | GpuShare:
    """Return MiB, or the part of a GPU that ``"1/4"`` or ``"25%"`` stands for."""
    if isinstance(value, GpuShare):
        return value
    found = _SHARE.match(value) if isinstance(value, str) else None
    if found is not None:
        over, under = (found[1], found[2]) if found[3] is None else (found[3], "100")
        part = Fraction(int(over), int(under)) if int(under) else Fraction(0)
        if not 0 < part <= 1:
            message = "is no part of one GPU: write a part above 0 and up to 1, such as '1/4'"
            raise ValueError(message)
        return GpuShare(part)
    try:
        mib = parse_memory(value)
    except ValueError as error:
        message = "is no amount of memory: write '40 GiB', '512 MiB' or a part such as '1/4'"
        raise ValueError(message) from error
    if mib == 0:
        message = "is no memory at all: write '40 GiB', '512 MiB' or a part such as '1/4'"
        raise ValueError(message)
    return mib


def read_compute(value: Any) -> int:
    """Return the milli-GPU that ``"500m"`` or a number of GPUs stands for."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    try:
        return parse_compute(value)
    except ValueError as error:
        message = "is no share of GPUs: write '500m' or 0.5 for half a GPU, 2 for two"
        raise ValueError(message) from error


def read_compute_share(value: Any) -> int:
    """Return the milli-GPU of a part of one GPU."""
    if isinstance(value, str) and (found := _SHARE.match(value)) is not None and found[2] != "0":
        part = Fraction(int(found[1] or found[3]), int(found[2] or 100))
        milli = part * WHOLE_GPU_MILLI
        value = f"{milli.numerator // milli.denominator}m"
    milli_gpu = read_compute(value)
    if not 1 <= milli_gpu <= WHOLE_GPU_MILLI:
        message = "is no part of one GPU: write from '1m' to '1000m', or 0.25 for a quarter"
        raise ValueError(message)
    return milli_gpu


def read_memory_limit(value: Any) -> int | Unlimited:
    """Return MiB, or ``UNLIMITED``."""
    if value == UNLIMITED:
        return UNLIMITED
    try:
        return parse_memory(value)
    except ValueError as error:
        message = "is no limit of memory: write '40 GiB', a whole number of MiB, or 'unlimited'"
        raise ValueError(message) from error


def read_cards(value: Any) -> Fraction:
    """Return the cards that ``6``, ``0.5`` or ``"1/2"`` stands for, exactly."""
    found = _CARDS.match(str(value)) if isinstance(value, int | float | str) else None
    if found is None or isinstance(value, bool) or (found[2] is not None and int(found[2]) == 0):
        message = "is no number of cards: write 1, 6, 0.5 or '1/2'"
        raise ValueError(message)
    return Fraction(found[1]) / int(found[2] or 1)


def read_part(value: Any) -> Fraction:
    """Return the part that ``"25%"``, ``"1/4"`` or ``0.25`` stands for: from 0 to 1."""
    text = str(value).strip()
    try:
        part = read_cards(text[:-1]) / 100 if text.endswith("%") else read_cards(value)
    except ValueError:
        part = Fraction(-1)
    if not 0 <= part <= 1:
        message = "is no part: write '25%', '1/4' or 0.25, from 0 to 1"
        raise ValueError(message)
    return part


def read_rate(value: Any) -> Fraction:
    """Return a rate above zero, up to 1000."""
    try:
        rate = read_cards(value)
    except ValueError:
        rate = Fraction(0)
    if not 0 < rate <= 1000:  # noqa: PLR2004
        message = "is no rate: write a number above 0 and up to 1000, such as 4 or 0.5"
        raise ValueError(message)
    return rate


def read_count_limit(value: Any) -> int | Unlimited:
    """Return how many at most, or ``UNLIMITED``."""
    if value == UNLIMITED:
        return UNLIMITED
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:  # noqa: PLR2004
        message = "is no limit of a number: write 0, 1, 2, up to 1000000, or 'unlimited'"
        raise ValueError(message)
    return value


@dataclass(frozen=True, slots=True)
class AmountLimit:
    """The most of each kind, as far as it is said; ``UNLIMITED`` lifts what others say."""

    types: Mapping[str, Fraction | Unlimited] = field(default_factory=dict)
    """Cards by GPU type."""
    cards: Fraction | Unlimited | None = None
    """Cards of all types."""
    memory: int | Unlimited | None = None
    """In MiB."""
    slices: int | Unlimited | None = None


def read_overcommit(value: Any) -> Decimal:
    """Return a factor of at least 1, with at most three digits after the point."""
    message = f"is no factor: write a number from 1 to {_LARGEST_OVERCOMMIT}, such as 2 or 1.5"
    if isinstance(value, bool):
        raise ValueError(message)  # noqa: TRY004 - pydantic takes ValueError
    try:
        factor = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError(message) from error
    if not factor.is_finite() or not 1 <= factor <= _LARGEST_OVERCOMMIT:
        raise ValueError(message)
    if factor != round(factor, 3):
        raise ValueError(message + "; at most three digits after the point")
    return factor.normalize()


def read_flag(value: Any) -> bool:
    """Return true or false, however YAML's versions spell them."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in ("true", "yes", "on"):
        return True
    if word in ("false", "no", "off"):
        return False
    message = "is neither true nor false: write true or false"
    raise ValueError(message)


def _write_duration(value: timedelta) -> int | float:
    seconds = value.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _write_milli(value: int | Unlimited) -> str:
    return value.value if isinstance(value, Unlimited) else f"{value}m"


def _write_factor(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _write_memory_or_share(value: int | GpuShare) -> int | str:
    return value if isinstance(value, int) else str(value)


_DURATION_SCHEMA: Final = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d{1,9}(\.\d{1,3})?\s*[A-Za-z]*\s*$"},
    ],
    "examples": ["30 s", "10m", "2h", "7d", 90],
}
_MEMORY_PATTERN: Final = r"^\s*\d{1,12}(\.\d{1,6})?\s*(MiB|Mi|GiB|Gi|TiB|Ti)\s*$"
_SHARE_PATTERN: Final = r"^\s*(\d{1,4}\s*/\s*\d{1,4}|\d{1,3}\s*%)\s*$"
_COMPUTE_PATTERN: Final = r"^\s*(\d{1,9}m|\d{1,6}(\.\d{1,6})?)\s*$"
_MIB: Final = {"type": "integer", "minimum": 0}
_MEMORY_TEXT: Final = {"type": "string", "pattern": _MEMORY_PATTERN}
_SHARE_TEXT: Final = {"type": "string", "pattern": _SHARE_PATTERN}
_COMPUTE_TEXT: Final = {"type": "string", "pattern": _COMPUTE_PATTERN}
_GPUS: Final = {"type": "number", "minimum": 0}
_UNLIMITED: Final = {"const": UNLIMITED.value}

Duration = Annotated[
    timedelta,
    PlainValidator(read_duration),
    PlainSerializer(_write_duration, when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
PositiveDuration = Annotated[
    timedelta,
    PlainValidator(read_positive_duration),
    PlainSerializer(_write_duration, when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
Memory = Annotated[
    int,
    PlainValidator(read_memory),
    WithJsonSchema({"anyOf": [_MIB, _MEMORY_TEXT], "examples": ["40 GiB", "512 MiB", 40960]}),
]
MemoryOrShare = Annotated[
    int | GpuShare,
    PlainValidator(read_memory_or_share),
    PlainSerializer(_write_memory_or_share, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, _MEMORY_TEXT, _SHARE_TEXT],
            "examples": ["1/4", "25%", "20 GiB"],
        }
    ),
]
Compute = Annotated[
    int,
    PlainValidator(read_compute),
    PlainSerializer(_write_milli, when_used="json"),
    WithJsonSchema({"anyOf": [_GPUS, _COMPUTE_TEXT], "examples": ["500m", 0.5, 2]}),
]
ComputeShare = Annotated[
    int,
    PlainValidator(read_compute_share),
    PlainSerializer(_write_milli, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                _COMPUTE_TEXT,
                _SHARE_TEXT,
            ],
            "examples": ["250m", 0.25, "1/4"],
        }
    ),
]
MemoryLimit = Annotated[
    int | Unlimited,
    PlainValidator(read_memory_limit),
    PlainSerializer(lambda value: value, when_used="json"),
    WithJsonSchema({"anyOf": [_MIB, _MEMORY_TEXT, _UNLIMITED], "examples": ["160 GiB"]}),
]
ComputeLimit = Annotated[
    int | Unlimited,
    PlainValidator(read_compute_limit),
    PlainSerializer(_write_milli, when_used="json"),
    WithJsonSchema({"anyOf": [_GPUS, _COMPUTE_TEXT, _UNLIMITED], "examples": [2, "1500m"]}),
]
CountLimit = Annotated[
    int | Unlimited,
    PlainValidator(read_count_limit),
    PlainSerializer(lambda value: value, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": 1_000_000}, _UNLIMITED],
            "examples": [2, "unlimited"],
        }
    ),
]
Overcommit = Annotated[
    Decimal,
    PlainValidator(read_overcommit),
    PlainSerializer(_write_factor, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": _LARGEST_OVERCOMMIT}),
]
Flag = Annotated[bool, BeforeValidator(read_flag)]
