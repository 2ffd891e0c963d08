"""A run's record as its outcome: the same figures for a quota document as for another policy."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind
from sublet_quota.closed_loop.asks.asked import AGAIN, Asked
from sublet_quota.closed_loop.outcome.asked_names import AskedNames, server_waits
from sublet_quota.closed_loop.outcome.clairvoyant import lent_at_most_h
from sublet_quota.closed_loop.outcome.report import (
    DayHours,
    GroupHours,
    Hours,
    Lost,
    MovesInfo,
    Outcome,
    SentBackInfo,
    TypeHours,
    UnmetGuarantee,
)
from sublet_quota.closed_loop.outcome.waits import (
    by_name,
    group_waits,
    guaranteed_cells,
    refusals,
)
from sublet_quota.closed_loop.record.records import HeldKey, Record
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName
from sublet_quota.residency.snapshot import Rank

_HOUR_S: Final = 3600.0
_HOURS_A_DAY: Final = 24
_HOUR: Final = timedelta(hours=1)
_W_PER_KW: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Watts:
    """What a card takes."""

    computing: float
    resting: float


@dataclass(frozen=True, slots=True)
class Ran:
    """What was run, and under which name it is told."""

    name: str
    document_name: str
    document: QuotaDocument
    asked: tuple[Asked, ...]
    cards: Mapping[str, int]
    """How many cards there are of each type."""
    watts: Mapping[str, Watts] = field(default_factory=dict)
    """By type; of a type that is not here no energy is told."""
    has_guarantees: bool = True
    """Whether guarantees mean anything: else nothing counts as borrowed."""
    more_cards: Mapping[str, timedelta] = field(default_factory=dict)
    """For how long there were more cards of each type, all together, or fewer (below zero)."""
    about: str = ""
    """What a policy is, and gives up."""


def outcome_of(ran: Ran, record: Record, unmet: tuple[UnmetGuarantee, ...] = ()) -> Outcome:
    """Return what a run comes to. ``unmet``: guarantees that could not be met from the outset."""
    names = AskedNames(ran.asked, ran.document)
    waits = server_waits(record, names)
    granted = {each.name.rstrip(AGAIN) for each in waits if each.granted}
    unmet = tuple(sorted((*unmet, *_unmet(record, names)), key=lambda each: each.at))
    in_all, by_group = _hours(record.held_us, borrows=ran.has_guarantees)
    return Outcome(
        name=ran.name,
        document=ran.document_name,
        waits=group_waits(record, waits),
        guaranteed_cells=guaranteed_cells(record),
        servers=len(names.servers()),
        servers_granted=len(granted),
        jobs=len(names.jobs()),
        jobs_done=len(record.jobs_done),
        jobs_not_begun=sum(not each.started for each in record.job_waits),
        refusals=refusals(record, waits),
        hours=in_all,
        by_group=by_group,
        by_type=tuple(
            _of_type(name, ran, record) for name in sorted({*ran.cards, *ran.more_cards})
        ),
        by_day=tuple(_by_day(record)),
        lent_h=sum(hours.lent for hours in record.hours.values()) / _HOUR_S,
        lent_at_most_h=lent_at_most_h(record, names.jobs()),
        moves=_moves(record),
        lost=_lost(record),
        sent_back=_sent_back(record),
        about=ran.about,
        first_unmet=unmet[0] if unmet else None,
        unmet=len(unmet),
    )


def _hours(held_us: Counter[HeldKey], *, borrows: bool) -> tuple[Hours, tuple[GroupHours, ...]]:
    """Return the hours of all together, and of each payer."""
    sums: defaultdict[GroupName | None, defaultdict[str, Fraction]] = defaultdict(
        lambda: defaultdict(Fraction)
    )
    for key, held in held_us.items():
        card_us = Fraction(held * key.numerator, key.denominator)
        of_group = sums[key.group]
        if key.is_job:
            if key.kind is HeldKind.USED:
                of_group["jobs_h"] += card_us
            continue
        of_group["held_h"] += card_us
        of_group[f"{key.kind}_h"] += card_us
        if borrows and not key.entitled:
            of_group["borrowed_h"] += card_us
    in_all: defaultdict[str, Fraction] = defaultdict(Fraction)
    for of_group in sums.values():
        for name, card_us in of_group.items():
            in_all[name] += card_us
    by_group = tuple(
        GroupHours(group=group, **_in_hours(sums[group])) for group in sorted(sums, key=by_name)
    )
    return Hours(**_in_hours(in_all)), by_group


def _in_hours(card_us: Mapping[str, Fraction]) -> dict[str, float]:
    return {name: float(each / US_PER_HOUR) for name, each in card_us.items()}


def _of_type(name: str, ran: Ran, record: Record) -> TypeHours:
    lasted_h = (record.ended - record.began) / _HOUR
    there_h = ran.cards.get(name, 0) * lasted_h + ran.more_cards.get(name, timedelta()) / _HOUR
    hours, watts = record.hours.get(name), ran.watts.get(name)
    computed_h = 0.0 if hours is None else (hours.used + hours.jobs) / _HOUR_S
    energy_wh = None
    if watts is not None:
        computing_h = min(there_h, computed_h)
        energy_wh = computing_h * watts.computing + (there_h - computing_h) * watts.resting
    return TypeHours(
        gpu_type=name,
        cards=ran.cards.get(name, 0),
        there_h=there_h,
        computed_h=computed_h,
        lent_h=0.0 if hours is None else hours.lent / _HOUR_S,
        energy_kwh=None if energy_wh is None else energy_wh / _W_PER_KW,
    )


def _by_day(record: Record) -> Iterator[DayHours]:
    sums: defaultdict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for hours in record.hours.values():
        for name, by_hour in (
            ("used", hours.used_in),
            ("lent", hours.lent_in),
            ("not_used", hours.not_used),
            ("jobs", hours.jobs_in),
        ):
            for hour, seconds in by_hour.items():
                sums[hour // _HOURS_A_DAY][name] += seconds / _HOUR_S
    lasts = record.ended - record.began
    for day in range(-(-lasts // timedelta(days=1))):
        found = sums[day]
        yield DayHours(
            day=day + 1,
            used_h=found["used"],
            lent_h=found["lent"],
            idle_h=max(0.0, found["not_used"] - found["lent"]),
            jobs_h=found["jobs"],
        )


def _moves(record: Record) -> MovesInfo:
    card_h = sum(hours.there for hours in record.hours.values()) / _HOUR_S
    return MovesInfo(
        count=len(record.moves),
        memory_gib=sum(each.memory_mib for each in record.moves) / MIB_PER_GIB,
        of_a_card_an_hour=len(record.moves) / card_h if card_h else 0.0,
        card_changes=len(record.card_changes),
        called_back=sum(each.called_back for each in record.places),
    )


def _unmet(record: Record, names: AskedNames) -> list[UnmetGuarantee]:
    refused = [
        UnmetGuarantee(
            at=each.at, group=each.group, owner=each.owner, what="refused", why=each.refused or ""
        )
        for each in record.answers
        if each.within_guarantee
    ]
    waited = [
        UnmetGuarantee(
            at=each.since,
            group=names.group_of(each.name),
            owner=each.owner,
            what="waited",
            why=f"{(each.until - each.since).total_seconds():.0f} s",
        )
        for each in record.line
        if each.rank is Rank.ENTITLED and each.since < each.until
    ]
    return refused + waited


def _lost(record: Record) -> Lost:
    """Return what was lost by ends of idle servers: of who came back what they must run again."""
    ran: defaultdict[str, timedelta] = defaultdict(timedelta)
    for run in record.runs:
        ran[run.slice_id] += run.ended - run.began
    for name, replayed in record.replays.items():
        ran[name] -= replayed
    began_again = {each.name for each in record.answers if each.name.endswith(AGAIN)}
    again = sum(
        (ran[before] for name in began_again for before in _before(name) if before in ran),
        timedelta(),
    )
    return Lost(
        notebooks=len(record.ended_idle),
        with_cards=len(record.lost_with_cards),
        in_use_again=len(began_again),
        run_again_h=again / _HOUR,
        replayed_h=sum(record.replays.values(), timedelta()) / _HOUR,
    )


def _sent_back(record: Record) -> SentBackInfo:
    hours = (float(each.cards) * (each.ran / _HOUR) for each in record.sent_back)
    return SentBackInfo(jobs=len(record.sent_back), run_again_h=sum(hours))


def _before(name: str) -> tuple[str, ...]:
    """Return the names of the same server before it was started anew."""
    first = name.rstrip(AGAIN)
    return tuple(first + AGAIN * times for times in range(len(name) - len(first)))
