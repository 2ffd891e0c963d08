"""A record of runs and held slices, added up where nothing is promised twice, lent or moved."""

from collections import defaultdict
from datetime import timedelta
from typing import Final

from sublet_quota.budgets.charge import HeldKind
from sublet_quota.closed_loop.card.held_on_card import add_by_hour
from sublet_quota.closed_loop.record.records import CardHours, HeldKey, HeldSlice, Ran, Record

_US: Final = timedelta(microseconds=1)


def add_up(record: Record) -> None:
    """Fill in a record's hours: what was held is used while it computes, and else idle."""
    used_us: defaultdict[HeldKey, int] = defaultdict(int)
    for run in record.runs:
        used_us[_key(run, HeldKind.USED)] += (run.ended - run.began) // _US
    for held in record.held_slices:
        record.held_us[_key(held, HeldKind.IDLE)] += (held.ended - held.began) // _US
    for key, length_us in used_us.items():
        record.held_us[key] += length_us
        record.held_us[key._replace(kind=HeldKind.IDLE)] -= length_us
    for held in record.held_slices:
        _count(record, held, 1, of_run=False)
    for run in record.runs:
        _count(record, run, -1, of_run=True)


def _count(record: Record, each: Ran | HeldSlice, sign: int, *, of_run: bool) -> None:
    hours = record.hours.setdefault(each.gpu_type, CardHours())
    seconds, cards = (each.ended - each.began).total_seconds(), float(each.cards)
    since = each.began - record.began
    if each.who.is_job:
        if of_run:
            hours.jobs += cards * seconds
            add_by_hour(hours.jobs_in, cards, since, seconds)
        return
    if of_run:
        hours.used += cards * seconds
        add_by_hour(hours.used_in, cards, since, seconds)
    else:
        hours.held += cards * seconds
    add_by_hour(hours.not_used, sign * cards, since, seconds)


def _key(each: Ran | HeldSlice, kind: HeldKind) -> HeldKey:
    who, cards = each.who, each.cards
    return HeldKey(
        who.group,
        who.is_job,
        each.gpu_type,
        kind,
        entitled=False,
        numerator=cards.numerator,
        denominator=cards.denominator,
    )
