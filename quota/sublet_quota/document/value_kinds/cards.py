"""Cards, parts and rates in a quota document: exact numbers, and how each may be written."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any, Final, TypeVar

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from sublet_quota.document.section import refused_as_empty
from sublet_quota.document.values import UNLIMITED, Unlimited

_Read = TypeVar("_Read")
_CARDS: Final = re.compile(
    r"^\s*(?:(\d{1,6})\s*/\s*(\d{1,7})|(\d{1,6}(?:\.\d{1,6})?))\s*$", re.ASCII
)
_MOST_CARDS: Final = 999_999
"""As many digits as are read."""
_MOST_RATE: Final = 1000


def read_cards(value: Any) -> Fraction:
    """Return the cards that ``6``, ``0.5`` or ``"1/2"`` stands for, exactly."""
    if isinstance(value, Fraction) and value >= 0:
        return value
    numeric = isinstance(value, int | float | str) and not isinstance(value, bool)
    found = _CARDS.match(str(value)) if numeric else None
    if found is None or (found[2] is not None and not int(found[2])):
        message = f"is no number of cards: write 1, 6, 0.5 or '1/2', up to {_MOST_CARDS}"
        raise ValueError(message)
    return Fraction(found[3]) if found[2] is None else Fraction(int(found[1]), int(found[2]))


def read_cards_limit(value: Any) -> Fraction | Unlimited:
    """Return cards, or ``UNLIMITED``."""
    if value == UNLIMITED:
        return UNLIMITED
    try:
        return read_cards(value)
    except ValueError as error:
        message = (
            f"is no limit of cards: write 1, 6, 0.5, '1/2', up to {_MOST_CARDS}, or 'unlimited'"
        )
        raise ValueError(message) from error


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
    if not 0 < rate <= _MOST_RATE:
        message = f"is no rate: write a number above 0 and up to {_MOST_RATE}, such as 4 or 0.5"
        raise ValueError(message)
    return rate


def _unless_empty(read: Callable[[Any], _Read]) -> Callable[[Any], _Read]:
    """Return a reader of values by name (``{H100: 6}``), for which a key without one is empty."""

    def read_value(value: Any) -> _Read:
        if value is None:
            raise refused_as_empty()
        return read(value)

    return read_value


def write_cards(value: Fraction | Unlimited) -> int | float | str:
    """Return cards as a document writes them: ``6``, ``0.5``, ``1/3``, ``unlimited``."""
    if isinstance(value, Unlimited):
        return value.value
    if value.denominator == 1:
        return int(value)
    is_decimal = (value * 10**_DIGITS).denominator == 1
    return float(value) if is_decimal else str(value)


_DIGITS: Final = 6
"""How many digits behind the point a document may write."""
_FRACTION: Final = r"\d{1,6}\s*/\s*\d{1,7}"
_BY_NOTHING: Final = r"/\s*0+\s*%?\s*$"
_UP_TO_100: Final = r"0{0,4}\d{1,2}(\.\d{1,6})?|0{0,3}100(\.0{1,6})?"
_UP_TO_1: Final = r"0{1,6}(\.\d{1,6})?|0{0,5}1(\.0{1,6})?"
_UP_TO_1000: Final = r"0{0,3}\d{1,3}(\.\d{1,6})?|0{0,2}1000(\.0{1,6})?"
_CARDS_TEXT: Final = {
    "type": "string",
    "pattern": rf"^\s*({_FRACTION}|\d{{1,6}}(\.\d{{1,6}})?)\s*$",
    "not": {"pattern": _BY_NOTHING},
}
_PART_TEXT: Final = {
    "type": "string",
    "pattern": rf"^\s*({_FRACTION}\s*%?|({_UP_TO_100})\s*%|{_UP_TO_1})\s*$",
    "not": {"pattern": _BY_NOTHING},
}
_RATE_TEXT: Final = {
    "type": "string",
    "pattern": rf"^\s*({_FRACTION}|{_UP_TO_1000})\s*$",
    "not": {"pattern": rf"^\s*0+(\.0+)?\s*(/|$)|{_BY_NOTHING}"},
}
_NUMBER: Final = {"type": "number", "minimum": 0, "maximum": 999_999.999999}
CARDS_LIMIT_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [_NUMBER, _CARDS_TEXT, {"const": UNLIMITED.value}],
    "examples": [8, 0.5, "unlimited"],
}

Cards = Annotated[
    Fraction,
    PlainValidator(_unless_empty(read_cards)),
    PlainSerializer(write_cards, when_used="json"),
    WithJsonSchema({"anyOf": [_NUMBER, _CARDS_TEXT], "examples": [6, 0.5, "1/2"]}),
]
CardsLimit = Annotated[
    Fraction | Unlimited,
    PlainValidator(_unless_empty(read_cards_limit)),
    PlainSerializer(write_cards, when_used="json"),
    WithJsonSchema(CARDS_LIMIT_SCHEMA),
]
Part = Annotated[
    Fraction,
    PlainValidator(_unless_empty(read_part)),
    PlainSerializer(write_cards, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, _PART_TEXT],
            "examples": ["25%", "1/4", 0.25],
        }
    ),
]
Rate = Annotated[
    Fraction,
    PlainValidator(read_rate),
    PlainSerializer(write_cards, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_RATE},
                _RATE_TEXT,
            ],
            "examples": [4, 0.5],
        }
    ),
]
