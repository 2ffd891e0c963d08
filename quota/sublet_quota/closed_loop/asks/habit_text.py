"""People and their habits as they are written in one line: ``works=3m``, ``science=14,guests=8``.

Times are written as in the quota document. A time with a spread is the median of what is drawn, and
``..._spread`` the sigma of its logarithm.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

from sublet_quota.closed_loop.asks.bounded_text import read_part
from sublet_quota.closed_loop.people import Habits, Person
from sublet_quota.document.values import read_duration
from sublet_quota.errors import SubletQuotaError

_DAY: Final = timedelta(days=1)
_DEFAULTS: Final[Mapping[str, Any]] = {each.name: each.default for each in fields(Habits)}
"""What habits there are."""
_MOST_PEOPLE: Final = 100_000
_CHANCES: Final = frozenset({"comes_today", "on_weekends", "forgets"})
_PARTS: Final = frozenset({"fills", "cards", "job_cards"})
_TEXTS: Final = frozenset({"size", "gpu_type"})
_LEAST: Final = timedelta(seconds=1)
"""Nobody works or thinks for less: else a session would have cells without end."""


class HabitError(SubletQuotaError):
    """A habit, or a number of people, that cannot be meant."""


def with_habits(habits: Habits, said: Iterable[str]) -> Habits:
    """Return habits with those that are said, each as ``NAME=VALUE``. ``HabitError``."""
    values: dict[str, Any] = {}
    for text in said:
        name, equals, value = text.partition("=")
        name, value = name.strip().replace("-", "_"), value.strip()
        if not equals or name not in _DEFAULTS:
            message = f"{text!r} is no habit: write NAME=VALUE, of {', '.join(_DEFAULTS)}"
            raise HabitError(message)
        try:
            values[name] = _value(name, value)
        except ValueError as error:
            message = f"{text!r}: {value!r} {error}"
            raise HabitError(message) from error
    return replace(habits, **values)


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text or None
    if name == "comes":
        first, _, last = text.partition("-")
        times = read_duration(first), read_duration(last)
        if not times[0] <= times[1] <= _DAY:
            message = "is no time of the day, such as 8h-11h"
            raise ValueError(message)
        return times
    if name in _PARTS:
        return _part(name, text)
    default = _DEFAULTS[name]
    if isinstance(default, timedelta):
        found = read_duration(text)
        if found < _LEAST and name in {"works", "thinks"}:
            message = "is less than a second"
            raise ValueError(message)
        return found
    number = _number(text)
    if name in _CHANCES and number > 1:
        message = "is no chance from 0 to 1"
        raise ValueError(message)
    return number


def _part(name: str, text: str) -> Fraction:
    try:
        found = read_part(text)
    except ValueError:
        found = Fraction(-1)
    if not 0 <= found <= 1 or (not found and name != "fills"):
        message = "is no part of one, such as 1/2"
        raise ValueError(message)
    return found


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1000:  # noqa: PLR2004 - nobody sends as many jobs a day
        message = "is no number from 0 to 1000"
        raise ValueError(message)
    return found


def people_of(text: str, groups: Iterable[str], habits: Habits) -> tuple[Person, ...]:
    """Return people as ``30`` or ``science=14,guests=8`` says. ``HabitError``.

    A number alone is spread over ``groups``; of none, nobody is in any.
    """
    numbers = _spread(text, tuple(groups)) if text.strip().isdecimal() else _by_group(text)
    if not 0 < sum(numbers.values()) <= _MOST_PEOPLE:
        message = f"{text!r}: from 1 to {_MOST_PEOPLE} people can be simulated"
        raise HabitError(message)
    return tuple(
        Person(f"{group or 'user'}-{number}", (group,) if group else (), habits)
        for group, count in numbers.items()
        for number in range(count)
    )


def _spread(text: str, groups: tuple[str, ...]) -> Mapping[str, int]:
    among = groups or ("",)
    each, more = divmod(int(text), len(among))
    return {group: each + (place < more) for place, group in enumerate(among)}


def _by_group(text: str) -> Mapping[str, int]:
    numbers: dict[str, int] = {}
    for part in text.split(","):
        group, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals or not group or not number.isdecimal() or group in numbers:
            message = f"{part.strip()!r} is no number of people: write 30, or science=14,guests=8"
            raise HabitError(message)
        numbers[group] = int(number)
    return numbers
