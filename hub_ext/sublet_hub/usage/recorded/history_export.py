"""What happened, written as the table that a simulation reads: a day at a time, beside the loop.

One export is made at once; others wait. A day has so many lines at most.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.budgets.charge import HeldKind
from sublet_quota.closed_loop.asks.bounded_text import LONGEST
from sublet_quota.closed_loop.history.happened import (
    CardState,
    History,
    PastCard,
    PastHours,
    PastMoves,
)
from sublet_quota.closed_loop.history.history_table import first_line, heading, lines_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.history import HistoryDay

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.past_rows import PastRows
from sublet_hub.ledger.recorded import RecordedStore
from sublet_hub.usage.recorded.past_jobs import computed, past_jobs
from sublet_hub.usage.recorded.past_servers import LOOK_AROUND, Days, PastServers, ServerFacts
from sublet_hub.usage.recorded.pseudonyms import Pseudonyms
from sublet_hub.usage.recorded.stretches import Stretch, unpacked

DAY: Final = timedelta(days=1)
MOST_LINES: Final = 100_000
MOST_STRETCHES: Final = 1_000_000
"""Of work, of all slices of a day, from their beginning: they are in memory together."""
_MOST_S: Final = LONGEST.total_seconds()
_US: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Export:
    """Which days are exported, and how names are written."""

    begins: datetime
    ends: datetime
    names: bool = False
    hide_groups: bool = False

    @property
    def days(self) -> int:
        """How many days there are, the last perhaps in part."""
        return -(-(self.ends - self.begins) // DAY)

    def day(self, number: int) -> Days:
        """Return one of the days, from 0."""
        since = self.begins + number * DAY
        return Days(self.begins, self.ends, since, min(since + DAY, self.ends))


class HistoryExports:
    """The exports."""

    def __init__(
        self,
        database: Database,
        charged: ChargedHourStore,
        document: Callable[[], QuotaDocument],
    ) -> None:
        """``document``: tells the one in force, by whose groups those count whom none paid for."""
        self._database = database
        self._recorded = RecordedStore(database)
        self._past = PastRows(database)
        self._charged = charged
        self._document = document
        self._turn = asyncio.Lock()

    def _group_of(self, groups: tuple[str, ...]) -> GroupName | None:
        return next(iter(self._document().groups_of(groups)), None)

    async def first_recorded(self) -> datetime | None:
        """Return since when it is recorded what happens; ``None``: nothing is. ``LedgerReadError``.

        What was forgotten since may be newer.
        """
        return await asyncio.to_thread(self._recorded.first_card_at)

    async def day(self, export: Export, number: int) -> bytes:
        """Return one day of an export as JSON. ``BadRequestError``, ``LedgerReadError``."""
        async with self._turn:
            return await asyncio.to_thread(self._day, export, number)

    def _day(self, export: Export, number: int) -> bytes:
        lines = []
        for line in self._lines(export, export.day(number)):
            lines.append(line)
            if len(lines) > MOST_LINES:
                message = f"day {number + 1} has more than {MOST_LINES} lines: that is not exported"
                raise BadRequestError(message)
        told = HistoryDay(days=export.days, lines=tuple(lines))
        return told.model_dump_json().encode()

    def _lines(self, export: Export, days: Days) -> Iterator[str]:
        names = Pseudonyms(
            self._recorded.pseudonyms_drawn(), export.names, hide_groups=export.hide_groups
        )
        if days.is_first:
            yield heading()
            yield first_line(days.begins, days.ends)
        cards = tuple(self._cards(days))
        facts = self._facts(days)
        servers = PastServers(days, facts, names, self._group_of)
        jobs = self._past.jobs(days.since, days.until)
        of_jobs = self._past.periods("job_id", {each.job_id for each in jobs})
        told_jobs = past_jobs(days, jobs, of_jobs, self._largest_mib(), names)
        yield from lines_of(
            History(
                days.begins,
                days.ends,
                (*servers.told(), *told_jobs),
                cards,
                tuple(self._moves(days)),
                tuple(self._hours(days, facts, names)),
            )
        )

    def _facts(self, days: Days) -> ServerFacts:
        around = days.since - LOOK_AROUND, days.until + LOOK_AROUND
        slices = self._past.slices(around[0] if days.is_first else days.since, around[1])
        ids = {each.slice_id for each in slices}
        stretches: defaultdict[str, list[Stretch]] = defaultdict(list)
        left = MOST_STRETCHES
        for block in self._recorded.cells(ids):
            some = tuple(unpacked(block.stretches))
            left -= len(some)
            if left < 0:
                message = (
                    f"the servers of a day ran more than {MOST_STRETCHES} cells: that is not "
                    "exported"
                )
                raise BadRequestError(message)
            stretches[block.slice_id] += some
        for of_slice in stretches.values():
            of_slice.sort(key=lambda each: each.began)
        return ServerFacts(
            self._recorded.asks(*around),
            slices,
            self._past.periods("slice_id", ids),
            stretches,
            self._past.left_line(days.since, days.ends),
            self._largest_mib(),
        )

    def _largest_mib(self) -> int:
        cards = self._recorded.last_of_cards().values()
        return max((card.memory_mib - card.margin_mib for card in cards), default=1)

    def _cards(self, days: Days) -> Iterator[PastCard]:
        before: dict[str, PastCard] = {}
        later = []
        for card in self._recorded.cards(days.until):
            told = PastCard(
                card.gpu_id,
                max(card.at, days.begins),
                card.node,
                card.position,
                card.type,
                card.memory_mib,
                card.margin_mib,
                CardState(card.state.value),
            )
            if card.at <= days.begins:
                before[card.gpu_id] = told
            elif card.at >= days.since:
                later.append(told)
        if days.is_first:
            yield from (each for each in before.values() if each.state is not CardState.GONE)
        yield from later

    def _moves(self, days: Days) -> Iterator[PastMoves]:
        moved = self._recorded.moves(days.since, days.until)
        for leaves in (True, False):
            some = [each for each in moved if each.leaves is leaves]
            if some:
                yield PastMoves(
                    days.since,
                    leaves,
                    sum(each.moves for each in some),
                    sum(each.moved_mib for each in some),
                    timedelta(seconds=min(sum(each.took_s for each in some), _MOST_S)),
                )

    def _count_work(
        self, days: Days, facts: ServerFacts, sums: dict[tuple[GroupName | None, str], timedelta]
    ) -> None:
        """Count as used for how long cells ran, as simulations do; meters count the GPU's time."""
        work: defaultdict[GroupName | None, timedelta] = defaultdict(timedelta)
        for held in facts.slices:
            cards = sum(float(each.cards) for each in facts.periods.get(held.slice_id, ())[:1])
            payer = None if held.group is None else GroupName(held.group)
            for each in facts.stretches.get(held.slice_id, ()):
                began = max(each.ended - each.worked, days.since)
                work[payer] += cards * max(timedelta(), min(each.ended, days.until) - began)
        for payer, worked in work.items():
            on_cards = sums[payer, HeldKind.USED.value] + sums[payer, HeldKind.IDLE.value]
            sums[payer, HeldKind.USED.value] = worked
            sums[payer, HeldKind.IDLE.value] = max(timedelta(), on_cards - worked)

    def _hours(self, days: Days, facts: ServerFacts, names: Pseudonyms) -> Iterator[PastHours]:
        sums: defaultdict[tuple[GroupName | None, str], timedelta] = defaultdict(timedelta)
        for part in self._charged.since(days.since, days.until):
            sums[part.payer, part.time.kind.value] += part.time.card_us * _US
        self._count_work(days, facts, sums)
        for period in self._database.held_periods(days.since, days.until):
            if period.holder == Holder.JOB.value:
                payer = None if period.group is None else GroupName(period.group)
                on_card = computed(period, days.since, days.until)
                sums[payer, "jobs"] += on_card * float(period.cards)
        order = (*(kind.value for kind in HeldKind), "jobs")
        for payer, kind in sorted(sums, key=lambda each: (each[0] or "", order.index(each[1]))):
            told = None if payer is None else GroupName(names.group(payer))
            yield PastHours(told, kind, sums[payer, kind])
