"""From periods of one size to hours, added up by owner, group, type, day and the like. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from sublet_quota.wire.use import UseKey

from sublet_hub.ledger.held_periods import HeldPeriod

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_MIB_PER_GIB: Final = 1024


@dataclass(slots=True)
class HeldHours:
    """A sum of hours."""

    slices: float = 0.0
    cards: float = 0.0
    memory_gib: float = 0.0


def held_hours(
    periods: Iterable[HeldPeriod], since: datetime, until: datetime, by: Sequence[UseKey]
) -> dict[tuple[str, ...], HeldHours]:
    """Return the hours between two times by the values of ``by``; open periods last to the end."""
    sums: defaultdict[tuple[str, ...], HeldHours] = defaultdict(HeldHours)
    for period in periods:
        began = max(period.began_at, since)
        ended = until if period.ended_at is None else min(period.ended_at, until)
        cuts = _days(began, ended) if UseKey.DAY in by else ((began, ended),)
        for start, end in cuts:
            hours = (end - start) / _HOUR
            if hours > 0:
                found = sums[tuple(_value(period, start, key) for key in by)]
                found.slices += hours
                found.cards += hours * _part_of_card(period)
                found.memory_gib += hours * period.memory_mib / _MIB_PER_GIB
    return dict(sums)


def _days(began: datetime, ended: datetime) -> Iterator[tuple[datetime, datetime]]:
    while began < ended:
        midnight = began.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        yield began, min(midnight, ended)
        began = midnight


def _part_of_card(period: HeldPeriod) -> float:
    compute = period.compute_milli / 1000
    if not period.usable_mib:
        return min(1.0, compute)
    return min(1.0, max(compute, period.memory_mib / period.usable_mib))


def _value(period: HeldPeriod, at: datetime, key: UseKey) -> str:
    match key:
        case UseKey.OWNER:
            return period.owner
        case UseKey.GROUP:
            return ", ".join(period.groups)
        case UseKey.TYPE:
            return period.gpu_type or ""
        case UseKey.POOL:
            return period.pool
        case UseKey.NODE:
            return period.node or ""
        case UseKey.HOLDER:
            return period.holder
        case UseKey.DAY:
            return at.date().isoformat()
        case _:
            assert_never(key)
