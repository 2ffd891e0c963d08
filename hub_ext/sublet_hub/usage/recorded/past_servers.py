"""From asks, slices and stretches of work to servers as a simulation takes them. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.asks.asked import AskedServer, Cell
from sublet_quota.closed_loop.history.happened import Answer, PastServer
from sublet_quota.closed_loop.outcome.asked_names import LEFT_LINE
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.cards import WHOLE_CARD

from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.ledger.past_rows import PastSlice
from sublet_hub.ledger.recorded import QUEUED, AskRecord
from sublet_hub.usage.recorded.pseudonyms import Pseudonyms
from sublet_hub.usage.recorded.stretches import Stretch

SAME_WISH: Final = timedelta(hours=1)
"""Who asks again so soon after a refusal still wants the same."""
LOOK_AROUND: Final = timedelta(days=2)
"""How far before and after a day it is looked for what belongs to a wish."""
_PATIENCE: Final = timedelta(hours=2)
_NOTHING: Final = timedelta()
_MILLI: Final = 1000


@dataclass(slots=True)
class Wish:
    """All asks of one server that were for the same: until it was granted, or given up."""

    asks: list[AskRecord] = field(default_factory=list)

    @property
    def first(self) -> AskRecord:
        """What was asked first."""
        return self.asks[0]

    @property
    def last(self) -> AskRecord:
        """What was asked last."""
        return self.asks[-1]

    def goes_on_with(self, ask: AskRecord) -> bool:
        """Whether an ask is for the same still."""
        if self.last.slice_id is not None:
            return False
        within = LOOK_AROUND if self.last.answer == QUEUED else SAME_WISH
        return ask.at - self.last.last_at <= within


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """All that is known around one day of servers."""

    asks: Sequence[AskRecord]
    slices: Sequence[PastSlice]
    periods: Mapping[str, list[HeldPeriod]]
    stretches: Mapping[str, list[Stretch]]
    left_line: Mapping[str, list[datetime]]
    largest_mib: int
    """What the largest card gives away."""


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a history, and the one of them that is told."""

    begins: datetime
    ends: datetime
    since: datetime
    until: datetime

    @property
    def is_first(self) -> bool:
        """Whether what was there before is told, too."""
        return self.since == self.begins


def wishes(asks: Iterable[AskRecord]) -> Iterator[Wish]:
    """Yield the wishes that asks are of, in the order in which each began."""
    by_server: defaultdict[tuple[str, str], list[Wish]] = defaultdict(list)
    found: list[Wish] = []
    for ask in sorted(asks, key=lambda each: (each.at, each.ask_id)):
        mine = by_server[ask.owner, ask.server]
        if not mine or not mine[-1].goes_on_with(ask):
            mine.append(Wish())
            found.append(mine[-1])
        mine[-1].asks.append(ask)
    yield from found


class PastServers:
    """The servers of one day, as they were."""

    def __init__(
        self,
        days: Days,
        facts: ServerFacts,
        names: Pseudonyms,
        group_of: Callable[[tuple[str, ...]], GroupName | None],
    ) -> None:
        """``group_of``: the group of the document in which somebody counts whom none paid for."""
        self._days = days
        self._facts = facts
        self._names = names
        self._group_of = group_of

    def told(self) -> Iterator[PastServer]:
        """Yield those that were asked for on the day; on the first one those there before, too."""
        slices = {each.slice_id: each for each in self._facts.slices}
        seen: set[str] = set()
        for wish in wishes(self._facts.asks):
            held = slices.get(wish.last.slice_id or "")
            if held is not None:
                seen.add(held.slice_id)
            if self._is_of_day(wish.first.at) and (held is not None or not wish.last.slice_id):
                yield self._asked_for(wish, held)
            elif held is not None and self._days.is_first and wish.first.at < self._days.begins:
                yield self._there(held) if self._was_there(held) else self._never_asked(held)
        for held in self._facts.slices:
            if held.slice_id in seen:
                continue
            if self._is_of_day(held.created_at):
                yield self._never_asked(held)
            elif self._was_there(held):
                yield self._there(held)

    def _is_of_day(self, at: datetime) -> bool:
        return self._days.since <= at < self._days.until

    def _was_there(self, held: PastSlice) -> bool:
        return self._days.is_first and held.created_at < self._days.begins

    def _asked_for(self, wish: Wish, held: PastSlice | None) -> PastServer:
        first, names = wish.first, self._names
        got = None if held is None else max(_NOTHING, held.created_at - first.at)
        began = first.at if held is None else held.created_at
        cells = [] if held is None else self._cells(held, began)
        patience = self._patience(wish) if got is None else max(_PATIENCE, 2 * got)
        size, cards = self._size(wish.last, held)
        asked = AskedServer(
            name=names.thing("server", first.ask_id),
            at=first.at,
            owner=names.person(first.owner),
            groups=names.groups(first.groups),
            size=size,
            cards=cards,
            gpu_type=wish.last.gpu_type,
            group=None if first.group is None else names.group(first.group),
            cells=_asked_cells(cells, began),
            stays=_NOTHING if held is None else self._stays(held, cells),
            fills=self._fills(held, cells),
            never_suspended=first.never_suspended,
            patience=patience,
        )
        payer = self._group_of(first.groups) if held is None else _group(held)
        refused = None
        if held is None:
            refused = LEFT_LINE if wish.last.answer == QUEUED else wish.last.answer
        return PastServer(asked, self._answer(got, payer, refused), _waits(cells))

    def _never_asked(self, held: PastSlice) -> PastServer:
        """Return a server of which only its slice is known."""
        return self._of_slice(held, held.created_at)

    def _there(self, held: PastSlice) -> PastServer:
        return self._of_slice(held, self._days.begins)

    def _of_slice(self, held: PastSlice, began: datetime) -> PastServer:
        cells, names = self._cells(held, began), self._names
        is_there = held.created_at < began
        asked = AskedServer(
            name=names.thing("server", held.slice_id),
            at=began,
            owner=names.person(held.owner),
            groups=names.groups(held.member_of),
            size=held.size,
            cards=None if held.size is not None else self._part(held),
            group=names.group(held.group) if held.named and held.group is not None else None,
            cells=_asked_cells(cells, began),
            stays=self._stays(held, cells),
            fills=self._fills(held, cells),
            never_suspended=held.never_suspended is not None,
            patience=_PATIENCE,
        )
        answer = self._answer(_NOTHING, _group(held), None, was_there=is_there)
        return PastServer(asked, answer, _waits(cells))

    def _answer(
        self,
        got: timedelta | None,
        payer: GroupName | None,
        refused: str | None,
        *,
        was_there: bool = False,
    ) -> Answer:
        told = None if payer is None else GroupName(self._names.group(payer))
        return Answer(got, told, refused, was_there=was_there)

    def _cells(self, held: PastSlice, began: datetime) -> list[Stretch]:
        """Return the work of a slice from a moment to the end of all days, in its order."""
        ended = min(held.released_at or self._days.ends, self._days.ends)
        told: list[Stretch] = []
        for each in self._facts.stretches.get(held.slice_id, ()):
            last = told[-1].ended if told else began
            if each.ended > last and each.began < ended:
                told.append(_from(each, last))
        return told

    def _stays(self, held: PastSlice, cells: Sequence[Stretch]) -> timedelta:
        ended = held.released_at or self._days.ends
        began = max(held.created_at, self._days.begins)
        return max(_NOTHING, ended - (cells[-1].ended if cells else began))

    def _patience(self, wish: Wish) -> timedelta:
        last = wish.last.last_at
        if wish.last.answer == QUEUED:
            left = self._facts.left_line.get(wish.first.owner, ())
            last = min((at for at in left if at >= last), default=self._days.ends)
        return max(_NOTHING, last - wish.first.at)

    def _size(self, ask: AskRecord, held: PastSlice | None) -> tuple[str | None, Fraction | None]:
        if ask.size is not None:
            return ask.size, None
        if ask.memory_mib is None and ask.compute_milli is None:
            return None, None
        if held is not None:
            return None, self._part(held)
        return None, part_of(ask.memory_mib, ask.compute_milli, self._facts.largest_mib)

    def _part(self, held: PastSlice) -> Fraction:
        periods = self._facts.periods.get(held.slice_id)
        if periods:
            return min(WHOLE_CARD, max(Fraction(1, _MILLI), periods[0].cards))
        return part_of(held.memory_mib, held.compute_milli, self._facts.largest_mib)

    def _fills(self, held: PastSlice | None, cells: Sequence[Stretch]) -> Fraction:
        if held is None or not cells or held.memory_mib <= 0:
            return WHOLE_CARD
        most_mib = max(each.memory_mib for each in cells)
        return min(WHOLE_CARD, Fraction(most_mib, held.memory_mib))


def part_of(memory_mib: int | None, compute_milli: int | None, usable_mib: int) -> Fraction:
    """Return the part of a card that amounts come to: the larger of memory and compute."""
    memory = Fraction(memory_mib or 0, max(1, usable_mib))
    part = max(memory, Fraction(compute_milli or 0, _MILLI))
    return min(WHOLE_CARD, max(Fraction(1, _MILLI), part)).limit_denominator(10**6)


def _from(each: Stretch, at: datetime) -> Stretch:
    """Return what of a stretch comes after a moment."""
    cut = max(_NOTHING, at - each.began)
    waited = max(_NOTHING, each.waited - cut)
    worked = each.worked - max(_NOTHING, cut - each.waited)
    return replace(each, began=each.began + cut, waited=waited, worked=worked)


def _group(held: PastSlice) -> GroupName | None:
    return None if held.group is None else GroupName(held.group)


def _asked_cells(cells: Sequence[Stretch], began: datetime) -> tuple[Cell, ...]:
    found, last = [], began
    for each in cells:
        found.append(Cell(each.began - last, each.worked))
        last = each.ended
    return tuple(found)


def _waits(cells: Sequence[Stretch]) -> tuple[timedelta, ...]:
    return tuple(each.waited for each in cells)
