"""A model of people: when they come, what they ask for, how long cells take, and when they leave.

Cells that follow each other more closely than a slice becomes idle are one stretch of work here:
to the card that is the same, and weeks pass in seconds. All times are drawn from a seed and the
person's name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, AskedServer, Cell
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.shares.cards import WHOLE_CARD

_DAY: Final = timedelta(days=1)
_WEEKEND: Final = 5
_NOBODY_WORKS_LONGER: Final = timedelta(hours=16)


@dataclass(frozen=True, slots=True)
class Habits:
    """How a person works: medians, with how far they spread (the sigma of the logarithm)."""

    comes: tuple[timedelta, timedelta] = (timedelta(hours=8), timedelta(hours=11))
    """Between which times of the day a server is started."""
    comes_today: float = 0.8
    """How probable that is on a working day."""
    on_weekends: float = 0.1
    session: timedelta = timedelta(hours=5)
    session_spread: float = 0.5
    works: timedelta = timedelta(minutes=3)
    """A stretch of cells."""
    works_spread: float = 1.2
    thinks: timedelta = timedelta(minutes=18)
    thinks_spread: float = 1.0
    forgets: float = 0.2
    """How probable it is that a server is left running over night."""
    fills: Fraction = WHOLE_CARD
    cards: Fraction | None = Fraction(1, 2)
    """Which part of a card is asked for; ``None``: the size of this name, or the usual one."""
    size: str | None = None
    gpu_type: str | None = None
    patience: timedelta = timedelta(hours=2)
    jobs_a_day: float = 0.5
    job_works: timedelta = timedelta(hours=2)
    job_spread: float = 1.0
    job_cards: Fraction = WHOLE_CARD


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with their groups and habits."""

    name: str
    groups: tuple[str, ...] = ()
    habits: Habits = field(default_factory=Habits)


def days_of(
    people: Iterable[Person], begins: datetime, ends: datetime, seed: int = 0
) -> tuple[Asked, ...]:
    """Return all that these people ask for from one moment to another."""
    asked: list[Asked] = []
    for person in people:
        day = 0
        while begins + day * _DAY < ends:
            drawn = Draws(seed, f"{person.name}/{day}")
            asked += _day(person, begins + day * _DAY, drawn)
            day += 1
    return tuple(each for each in asked if each.at < ends)


def _day(person: Person, midnight: datetime, drawn: Draws) -> Iterator[Asked]:
    habits = person.habits
    is_free = midnight.weekday() >= _WEEKEND
    if drawn.chance(habits.on_weekends if is_free else habits.comes_today):
        yield _server(person, midnight + drawn.between(*habits.comes), drawn)
    if habits.jobs_a_day <= 0:
        return
    at, number = drawn.exponential(_DAY / habits.jobs_a_day), 0
    while at < _DAY:
        number += 1
        name = f"job/{person.name}/{midnight:%Y-%m-%d}/{number}"
        yield AskedJob(
            name=name,
            at=midnight + at,
            owner=person.name,
            groups=person.groups,
            works=drawn.lognormal(habits.job_works, habits.job_spread),
            cards=habits.job_cards,
            gpu_type=habits.gpu_type,
        )
        at += drawn.exponential(_DAY / habits.jobs_a_day)


def _server(person: Person, at: datetime, drawn: Draws) -> AskedServer:
    habits = person.habits
    lasts = min(drawn.lognormal(habits.session, habits.session_spread), _NOBODY_WORKS_LONGER)
    stays = drawn.between(timedelta(hours=8), timedelta(hours=14))
    return AskedServer(
        name=f"server/{person.name}/{at:%Y-%m-%d}",
        at=at,
        owner=person.name,
        groups=person.groups,
        size=habits.size,
        cards=habits.cards,
        gpu_type=habits.gpu_type,
        cells=cells_for(lasts, habits, drawn),
        stays=stays if drawn.chance(habits.forgets) else timedelta(minutes=5),
        fills=habits.fills,
        patience=habits.patience,
    )


def cells_for(lasts: timedelta, habits: Habits, drawn: Draws) -> tuple[Cell, ...]:
    """Return cells with which somebody of these habits fills a time."""
    cells: list[Cell] = []
    passed = timedelta()
    while True:
        cell = Cell(
            drawn.lognormal(habits.thinks, habits.thinks_spread),
            drawn.lognormal(habits.works, habits.works_spread),
        )
        passed += cell.thinks + cell.works
        if passed > lasts:
            return tuple(cells)
        cells.append(cell)
