"""Hours and periods of budgets in a quota document, and how each may be written."""

import re
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from sublet_quota.document.section import refused_as_empty
from sublet_quota.document.value_kinds.cards import write_cards
from sublet_quota.document.values import (
    LONGEST,
    POSITIVE_DURATION_TEXT,
    UNLIMITED,
    Unlimited,
    is_duration,
    read_duration,
    write_duration,
)

_HOURS: Final = re.compile(r"^\s*(\d{1,9}(?:\.\d{1,3})?)\s*h?\s*$", re.ASCII)
_SHORTEST: Final = timedelta(days=1)


class Calendar(StrEnum):
    """A period of the calendar, from midnight of its first day by the wall clock of a zone."""

    DAY = "day"
    WEEK = "week"
    """From Monday on."""
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class AtEnd(StrEnum):
    """What holds for new slices and jobs when a budget is over."""

    SOFT_LANDING = "soft-landing"
    """They count as borrowed with weight 0, as does what runs."""
    NO_NEW = "no-new"
    """They are refused; what runs goes on, and counts as borrowed with weight 0."""


def read_hours(value: Any) -> Fraction | Unlimited:
    """Return hours, exactly, or ``UNLIMITED``."""
    if value is None:
        raise refused_as_empty()
    if value == UNLIMITED:
        return UNLIMITED
    if isinstance(value, Fraction) and value >= 0:
        return value
    numeric = isinstance(value, int | float | str) and not isinstance(value, bool)
    found = _HOURS.match(str(value)) if numeric else None
    if found is None:
        message = "is no number of hours: write 400, 0.5 or 'unlimited'"
        raise ValueError(message)
    return Fraction(found[1])


def read_period(value: Any) -> timedelta | Calendar:
    """Return a period of the calendar, or the length of a rolling one: a day or more."""
    if isinstance(value, str) and value in set(Calendar):
        return Calendar(value)
    try:
        length = read_duration(value)
    except ValueError as error:
        if is_duration(value):
            raise
        words = ", ".join(Calendar)
        message = f"is no period: write {words}, or the length of one, such as '30d'"
        raise ValueError(message) from error
    if length < _SHORTEST:
        message = "is shorter than a day: write '1d' or more"
        raise ValueError(message)
    return length


def read_at_end(value: Any) -> AtEnd:
    """Return what holds at the end of a budget."""
    if isinstance(value, str) and value in set(AtEnd):
        return AtEnd(value)
    message = f"is no end of a budget: write {' or '.join(AtEnd)}"
    raise ValueError(message)


def _write_period(value: timedelta | Calendar) -> str:
    return value.value if isinstance(value, Calendar) else write_duration(value)


HoursLimit = Annotated[
    Fraction | Unlimited,
    PlainValidator(read_hours),
    PlainSerializer(write_cards, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 999_999_999.999},
                {"type": "string", "pattern": r"^\s*\d{1,9}(\.\d{1,3})?\s*h?\s*$"},
                {"const": UNLIMITED.value},
            ],
            "examples": [2000, 400.5, "unlimited"],
        }
    ),
]
Period = Annotated[
    timedelta | Calendar,
    PlainValidator(read_period),
    PlainSerializer(_write_period, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [each.value for each in Calendar]},
                {
                    "type": "number",
                    "minimum": _SHORTEST.total_seconds(),
                    "maximum": LONGEST.total_seconds(),
                },
                POSITIVE_DURATION_TEXT,
            ],
            "examples": ["30d", "month", "quarter"],
        }
    ),
]
EndOfBudget = Annotated[
    AtEnd,
    PlainValidator(read_at_end),
    PlainSerializer(lambda value: value.value, when_used="json"),
    WithJsonSchema({"enum": [each.value for each in AtEnd]}),
]
