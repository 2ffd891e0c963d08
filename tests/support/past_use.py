"""A past in the ledger: days on which people held, used and lent slices, waited, and were refused.

It is drawn from a seed, and written by the stores that the service writes with.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import EventRecord
from sublet_hub.ledger.refusals import RefusalRecord, RefusalStore
from sublet_hub.ledger.tables import HELD_PERIODS
from sublet_hub.usage.store import HourOfUse, UseStore
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.wire.event_kinds import EventKind

MODELS: Final = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB")
CARD_MIB: Final = 80 * 1024
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_FIRST_HOUR: Final = 8
_CARD_WATTS: Final = 400
_MJ_PER_WH: Final = 3_600_000
_TURNS_EVERY: Final = 3
_CODES: Final = ("no-room", "user-limit", "group-limit", "too-many-slices")


@dataclass(frozen=True, slots=True)
class Habit:
    """How people work: on which part of the days, for how many hours, with which part of a card."""

    days: float = 0.8
    hours: int = 6
    milli: int = 250


def store_past(
    database: Database,
    people: Mapping[str, str | None],
    days: int,
    until: datetime,
    habit: Habit | None = None,
) -> None:
    """Store what these people did on so many days before ``until``, by the group that paid.

    No service writes to the ledger meanwhile.
    """
    habit, drawn = habit or Habit(), random.Random(len(people))  # noqa: S311 - the same past in each run
    today = until.replace(hour=0, minute=0, second=0, microsecond=0)
    charged, use, ledger = ChargedHourStore(database), UseStore(database), Ledger(database)
    counted = charged.until() or until
    for number in range(days, 0, -1):
        day = today - number * _DAY
        held = list(_day(people, day, habit, drawn))
        with database.writing() as connection:
            rows = [{name: getattr(each, name) for name in HeldPeriod.__slots__} for each in held]
            if rows:
                connection.execute(sa.insert(HELD_PERIODS), rows)
        hours = [hour for each in held for hour in _hours(each, drawn)]
        charged.add((part for _, parts in hours for part in parts), counted)
        use.add_use(used for used, _ in hours)
        ledger.add_events(tuple(_turns(held)))
    RefusalStore(database).add(_refusals(people, until))


def _day(
    people: Mapping[str, str | None], day: datetime, habit: Habit, drawn: random.Random
) -> Iterator[HeldPeriod]:
    for number, (owner, group) in enumerate(people.items()):
        if drawn.random() >= habit.days:
            continue
        began = day + _HOUR * (_FIRST_HOUR + number % 4)
        yield HeldPeriod(
            slice_id=f"past-{day:%Y%m%d}-{number}",
            began_at=began,
            ended_at=began + _HOUR * habit.hours,
            holder="notebook",
            owner=owner,
            group=group,
            job_id=None,
            pool="interactive",
            size="small",
            node="node-a",
            gpu_id=f"GPU-{number % 8}",
            gpu_type=MODELS[number % len(MODELS)],
            usable_mib=CARD_MIB,
            memory_mib=CARD_MIB * habit.milli // 1000,
            compute_milli=habit.milli,
        )


def _hours(
    held: HeldPeriod, drawn: random.Random
) -> Iterator[tuple[HourOfUse, tuple[ChargedHour, ...]]]:
    """Yield what became of each hour: a part was used, of the rest the most was lent or idle."""
    assert held.ended_at is not None
    hour, card_us = held.began_at, round(float(held.cards) * US_PER_HOUR)
    while hour < held.ended_at:
        used, lent = 0.2 + 0.6 * drawn.random(), 0.5 * drawn.random()
        parts = {HeldKind.USED: used, HeldKind.LENT: (1 - used) * lent}
        parts[HeldKind.IDLE] = 1 - sum(parts.values())
        entitled = hour.hour < _FIRST_HOUR + 4
        payer = None if held.group is None else GroupName(held.group)
        yield (
            HourOfUse(
                held.owner,
                hour,
                busy_s=3600 * used,
                lent_s=3600 * parts[HeldKind.LENT],
                energy_mj=round(_CARD_WATTS * float(held.cards) * used * _MJ_PER_WH),
                payer=held.group or "",
                model=held.gpu_type or "",
            ),
            tuple(
                ChargedHour(
                    hour,
                    payer,
                    UserName(held.owner),
                    held.gpu_type or "",
                    HeldTime(kind, entitled, round(part * US_PER_HOUR), round(part * card_us)),
                )
                for kind, part in parts.items()
            ),
        )
        hour += _HOUR


def _turns(held: list[HeldPeriod]) -> Iterator[EventRecord]:
    for number, each in enumerate(held):
        if number % _TURNS_EVERY == 0:
            yield EventRecord(
                f"turn-{each.slice_id}",
                each.began_at,
                EventKind.QUEUE_TURN.value,
                slice_id=each.slice_id,
                owner=each.owner,
                took_s=float(20 + 90 * (number % 11)),
            )


def _refusals(people: Mapping[str, str | None], until: datetime) -> list[RefusalRecord]:
    return [
        RefusalRecord(
            refusal_id=f"past-{owner}",
            alike=f"past-{owner}",
            owner=owner,
            holder="notebook",
            groups=() if group is None else (group,),
            size="large",
            memory_mib=None,
            compute_milli=None,
            gpus=None,
            gpu_type=None,
            pool=None,
            code=_CODES[number % len(_CODES)],
            numbers={},
            message="there is no room",
            times=1 + number % 5,
            first_at=until - _DAY,
            last_at=until - _HOUR,
        )
        for number, (owner, group) in enumerate(list(people.items())[:400])
    ]
