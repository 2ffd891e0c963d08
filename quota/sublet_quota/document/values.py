"""The kinds of values in a quota document, and how each may be written.

Each kind is read by one function that says, when it refuses, what may be written instead; it is
written back in a form that reads the same. Cards, memory and compute are in ``value_kinds``.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

_DURATION: Final = re.compile(r"^\s*(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]*)\s*$", re.ASCII)
_SECONDS_OF_UNIT: Final = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
LONGEST: Final = timedelta(days=366)
_LARGEST_OVERCOMMIT: Final = 100
_DAY: Final = re.compile(r"^\s*(\d{4}-\d{2}-\d{2})\s*$", re.ASCII)
_MOMENT: Final = re.compile(
    r"^\s*(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(Z|[+-]\d{2}:\d{2})\s*$",
    re.ASCII,
)


HubName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""The name of a user or a group, as JupyterHub has it."""

_WORDS_OF_FLAGS: Final = {"true": True, "yes": True, "on": True} | dict.fromkeys(
    ("false", "no", "off"), False
)
_FLAGS: Final = {
    spelled: flag
    for word, flag in _WORDS_OF_FLAGS.items()
    for spelled in (word, word.capitalize(), word.upper())
}


class Unlimited(StrEnum):
    """The word for "no limit", which no number stands for."""

    UNLIMITED = "unlimited"


UNLIMITED: Final = Unlimited.UNLIMITED


class WhenFull(StrEnum):
    """What becomes of a request for a notebook's slice that finds no room."""

    REFUSE = "refuse"
    QUEUE = "queue"


_WRITTEN_UNITS: Final = (("d", 86400, 2), ("h", 3600, 1), ("m", 60, 1))
"""A unit, its seconds, and how many of it there are at least where it is written."""


def is_duration(value: Any) -> bool:
    """Whether a value is written as a time is, however long that may be."""
    found = None if isinstance(value, bool) else _DURATION.match(str(value).lower())
    return found is not None and found[2] in _SECONDS_OF_UNIT


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
    if duration > LONGEST:
        message = f"is longer than {LONGEST.days} days: write less"
        raise ValueError(message)
    return duration


def read_positive_duration(value: Any) -> timedelta:
    """Return a duration that is not zero."""
    duration = read_duration(value)
    if not duration:
        message = "is zero: write a duration above zero, such as '30 s'"
        raise ValueError(message)
    return duration


def read_end(value: Any) -> datetime:
    """Return the moment at which something ends: a day is included, and ends at midnight UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    text = value.isoformat() if isinstance(value, date) else value
    day = _DAY.match(text) if isinstance(text, str) else None
    moment = _MOMENT.match(text) if isinstance(text, str) else None
    try:
        if day is not None:
            return datetime.fromisoformat(day[1]).replace(tzinfo=UTC) + timedelta(days=1)
        if moment is not None:
            written = f"{moment[1]}T{moment[2]}{moment[3].replace('Z', '+00:00')}"
            return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"is no day of the calendar ({error}): write 2026-12-14"
        raise ValueError(message) from error
    message = (
        "is no end: write a day, which is included (2026-12-14, till midnight UTC), or a moment "
        "with its zone (2026-12-14 18:00+01:00)"
    )
    raise ValueError(message)


def read_time_limit(value: Any) -> timedelta | Unlimited:
    """Return how long at most, which is not zero, or ``UNLIMITED``."""
    if value == UNLIMITED:
        return UNLIMITED
    try:
        return read_positive_duration(value)
    except ValueError as error:
        message = f"{error}; or 'unlimited'"
        raise ValueError(message) from error


def read_count_limit(value: Any) -> int | Unlimited:
    """Return how many at most, or ``UNLIMITED``."""
    if value == UNLIMITED:
        return UNLIMITED
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:  # noqa: PLR2004
        message = "is no limit of a number: write 0, 1, 2, up to 1000000, or 'unlimited'"
        raise ValueError(message)
    return value


def read_when_full(value: Any) -> WhenFull:
    """Return what becomes of a notebook for which there is no room."""
    if isinstance(value, str) and value in {each.value for each in WhenFull}:
        return WhenFull(value)
    message = "is not known: write 'refuse', or 'queue' for notebooks that wait in line"
    raise ValueError(message)


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
    if (flag := _FLAGS.get(str(value))) is not None:
        return flag
    message = "is neither true nor false: write true or false"
    raise ValueError(message)


def read_pattern(value: str) -> str:
    """Return a pattern each of whose brackets is closed: an open one would be a mere letter."""
    rest = value
    while "[" in rest:
        _, _, rest = rest.partition("[")
        # A bracket that stands first in it is one of the letters.
        first = 2 if rest.startswith("!") else 1
        end = rest.find("]", first)
        if end < 0:
            message = "has a '[' without its ']': write '[HA]100', or '[[]' for a bracket itself"
            raise ValueError(message)
        rest = rest[end + 1 :]
    return value


def read_one_line(value: str) -> str:
    """Return text on one line, without what is not to be seen."""
    if not value.isprintable():
        message = "is no line of text: write one line, without tabs and the like"
        raise ValueError(message)
    return value


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def write_duration(value: timedelta) -> str:
    """Return a duration as people write it in a document: ``7d``, ``24h``, ``10m``, ``90s``."""
    seconds = value.total_seconds()
    for unit, unit_s, least in _WRITTEN_UNITS:
        if seconds >= least * unit_s and not seconds % unit_s:
            return f"{int(seconds // unit_s)}{unit}"
    return f"{int(seconds) if seconds.is_integer() else seconds}s"


def _write_end(value: datetime) -> str:
    """Return an end as it is written: at midnight the day before it, which is included."""
    moment = value.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if moment == midnight:
        return (moment - timedelta(days=1)).date().isoformat()
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'auto').removesuffix(':00')}Z"


def _write_factor(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


_UNITS: Final = "|".join(
    "".join(f"[{letter.upper()}{letter}]" for letter in unit) for unit in _SECONDS_OF_UNIT if unit
)
_DURATION_TEXT: Final = {
    "type": "string",
    "pattern": rf"^\s*\d{{1,9}}(\.\d{{1,3}})?\s*({_UNITS})?\s*$",
}
_DURATION_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": LONGEST.total_seconds()},
        _DURATION_TEXT,
    ],
    "examples": ["30 s", "10m", "2h", "7d", 90],
}
POSITIVE_DURATION_TEXT: Final = {
    **_DURATION_TEXT,
    "not": {"pattern": r"^\s*0+(\.0+)?\s*[A-Za-z]*\s*$"},
}
_POSITIVE_DURATION_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST.total_seconds()},
        POSITIVE_DURATION_TEXT,
    ],
    "examples": ["30 s", "10m", "2h", "7d", 90],
}
MONTH_AND_DAY_PATTERN: Final = r"-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_END_PATTERN: Final = (
    rf"^\s*\d{{4}}{MONTH_AND_DAY_PATTERN}([T ]([01]\d|2[0-4]):[0-5]\d(:[0-5]\d(\.\d{{1,6}})?)?"
    r"\s*(Z|[+-]\d{2}:[0-5]\d))?\s*$"
)

Duration = Annotated[
    timedelta,
    PlainValidator(read_duration),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
PositiveDuration = Annotated[
    timedelta,
    PlainValidator(read_positive_duration),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema(_POSITIVE_DURATION_SCHEMA),
]
TimeLimit = Annotated[
    timedelta | Unlimited,
    PlainValidator(read_time_limit),
    PlainSerializer(
        lambda value: value if value is UNLIMITED else write_duration(value), when_used="json"
    ),
    WithJsonSchema(
        {
            "anyOf": [*_POSITIVE_DURATION_SCHEMA["anyOf"], {"const": UNLIMITED.value}],
            "examples": ["8h", "unlimited"],
        }
    ),
]
Instant = Annotated[
    datetime,
    PlainValidator(read_end),
    PlainSerializer(_write_end, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _END_PATTERN,
            "examples": ["2026-12-14", "2026-12-14 18:00+01:00"],
        }
    ),
]
"""When something ends: aware, in UTC; from then on it is over."""
CountLimit = Annotated[
    int | Unlimited,
    PlainValidator(read_count_limit),
    PlainSerializer(lambda value: value, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 1_000_000},
                {"const": UNLIMITED.value},
            ],
            "examples": [2, "unlimited"],
        }
    ),
]
FullRule = Annotated[
    WhenFull,
    PlainValidator(read_when_full),
    PlainSerializer(lambda value: value.value, when_used="json"),
    WithJsonSchema({"enum": [each.value for each in WhenFull]}),
]
Overcommit = Annotated[
    Decimal,
    PlainValidator(read_overcommit),
    PlainSerializer(_write_factor, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": _LARGEST_OVERCOMMIT}),
]
Flag = Annotated[
    bool,
    PlainValidator(read_flag),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"enum": sorted(_FLAGS)},
            ]
        }
    ),
]
_PATTERN: Final = {"type": "string", "minLength": 1, "maxLength": 255}
Pattern = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(read_pattern)
]
Patterns = Annotated[
    tuple[Pattern, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_several),
    WithJsonSchema(
        {
            "anyOf": [_PATTERN, {"type": "array", "items": _PATTERN, "minItems": 1}],
            "examples": ["*H100*", ["*L4*", "Tesla T4"]],
        }
    ),
]
"""A pattern, or a list of them."""
WholeNumber = Annotated[int, Field(strict=True)]
OneLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    AfterValidator(read_one_line),
    Field(json_schema_extra={"pattern": r"^\s*[^\r\n]+\s*$"}),
]
"""Text that others are told in a sentence."""
