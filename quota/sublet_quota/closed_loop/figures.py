"""Figures of a simulation, made of its record: what papers on schedulers ask.

Shares and hours are of computing, in hours of a card; waits in seconds.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.closed_loop.record.envy import envy_h
from sublet_quota.closed_loop.record.records import CardHours, PlaceChanged, Record
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.residency.snapshot import Rank

FLAP_WITHIN: Final = timedelta(minutes=10)
"""Called back, back, and called back again within so long: a flap."""
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Waits:
    """How long some waited."""

    count: int = 0
    median_s: float = 0.0
    most_of_99_s: float = 0.0
    """Of a hundred, ninety-nine waited no longer."""
    most_s: float = 0.0

    @classmethod
    def of(cls, waited: Iterable[timedelta]) -> "Waits":
        """Return the waits of some."""
        rising = sorted(each.total_seconds() for each in waited)
        if not rising:
            return cls()
        last = len(rising) - 1
        return cls(len(rising), rising[last // 2], rising[int(last * 0.99)], rising[-1])


@dataclass(frozen=True, slots=True)
class TypeHours:
    """What became of the cards of a type, in hours of a card."""

    there: float
    held: float
    used: float
    lent: float
    idle: float
    jobs: float

    @property
    def utilisation(self) -> float:
        """The part of the cards' time in which something computed."""
        return (self.used + self.jobs) / self.there if self.there else 0.0

    @classmethod
    def of(cls, hours: CardHours) -> "TypeHours":
        """Return the hours of what was noted in seconds."""
        seconds = (hours.there, hours.held, hours.used, hours.lent, hours.idle, hours.jobs)
        return cls(*(each / _HOUR_S for each in seconds))


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a whole simulation."""

    cells: Mapping[Rank, Waits]
    """How long cells waited for their room, by the worst rank of their slice meanwhile."""
    servers_granted: int
    servers_refused: int
    """The servers that were never had, however often they were asked for."""
    refused_within_guarantee: int
    """How often want of room refused what was within guarantee and limits: never, but where
    others' slices that cannot be suspended are in the way.
    """
    line: Mapping[Rank, Waits]
    """How long notebooks waited in line that had their slice then, by its rank."""
    line_left: int
    """Those that left the line without."""
    jobs: Waits
    """From submission to start, those that began."""
    jobs_done: int
    jobs_not_begun: int
    hours: Mapping[str, TypeHours]
    """By GPU type."""
    shares: Mapping[GroupName | None, float]
    """The part of all computing that each payer had."""
    envy_h: Mapping[GroupName | None, float]
    """The most hours that somebody had less than another of the same group, while waiting."""
    moves_an_hour: float
    """Of each card."""
    card_changes: int
    """How often a slice went to another card of its node."""
    called_back: int
    flaps: int


def figures_of(record: Record) -> Figures:
    """Return the figures of what happened."""
    granted = {each.name for each in record.answers if each.rank is not None}
    refused = {each.name for each in record.answers} - granted
    by_rank: defaultdict[Rank, list[timedelta]] = defaultdict(list)
    for cell in record.cells:
        by_rank[cell.rank].append(cell.waited)
    begun = [each.ended - each.began for each in record.job_waits if each.started]
    card_s = sum(hours.there for hours in record.hours.values())
    payers = dict.fromkeys(
        [*(each.who.group for each in record.runs), *(each.who.group for each in record.job_waits)]
    )
    return Figures(
        cells={rank: Waits.of(by_rank[rank]) for rank in sorted(by_rank)},
        servers_granted=len(granted),
        servers_refused=len(refused),
        refused_within_guarantee=sum(each.within_guarantee for each in record.answers),
        line=_line_waits(record),
        line_left=sum(each.rank is None for each in record.line),
        jobs=Waits.of(begun),
        jobs_done=len(record.jobs_done),
        jobs_not_begun=sum(not each.started for each in record.job_waits),
        hours={name: TypeHours.of(hours) for name, hours in sorted(record.hours.items())},
        shares=shares(record, record.began, record.ended),
        envy_h={group: envy_h(record, group) for group in payers},
        moves_an_hour=len(record.moves) / (card_s / _HOUR_S) if card_s else 0.0,
        card_changes=len(record.card_changes),
        called_back=sum(each.called_back for each in record.places),
        flaps=flaps(record.places),
    )


def _line_waits(record: Record) -> dict[Rank, Waits]:
    by_rank: defaultdict[Rank, list[timedelta]] = defaultdict(list)
    for each in record.line:
        if each.rank is not None:
            by_rank[each.rank].append(each.until - each.since)
    return {rank: Waits.of(by_rank[rank]) for rank in sorted(by_rank)}


def hours_of(record: Record, began: datetime, ended: datetime) -> dict[GroupName | None, float]:
    """Return the hours that each payer's slices and jobs computed between two moments."""
    hours: defaultdict[GroupName | None, float] = defaultdict(float)
    for run in record.runs:
        lasted = min(run.ended, ended) - max(run.began, began)
        if lasted > timedelta():
            hours[run.who.group] += float(run.cards) * (lasted / timedelta(hours=1))
    return dict(hours)


def shares(record: Record, began: datetime, ended: datetime) -> dict[GroupName | None, float]:
    """Return which part of all that was computed between two moments each payer had."""
    hours = hours_of(record, began, ended)
    in_all = sum(hours.values())
    return {group: each / in_all for group, each in hours.items()} if in_all else {}


def flaps(places: Iterable[PlaceChanged], within: timedelta = FLAP_WITHIN) -> int:
    """Return how often a slice was called back that had its place again only just before."""
    back: dict[SliceId, datetime] = {}
    found = 0
    for change in places:
        if not change.called_back:
            back[change.slice_id] = change.at
        elif change.slice_id in back and change.at - back[change.slice_id] < within:
            found += 1
    return found


def restless(record: Record, within: timedelta) -> int:
    """Return how often a slice left its card so soon after it had come back."""
    back: defaultdict[SliceId, list[datetime]] = defaultdict(list)
    found = 0
    for move in record.moves:
        if not move.leaves:
            back[move.slice_id].append(move.at)
            continue
        earlier = back[move.slice_id]
        found += len(earlier) > bisect_left(earlier, move.at - within)
    return found
