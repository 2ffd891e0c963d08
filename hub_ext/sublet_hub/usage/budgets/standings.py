"""How the budgets stand, who is told, and what follows: what is spent counts as borrowed.

Looked at once a minute, when what was held meanwhile is stored, and when another document is in
force. Reckoned in a thread beside the loop, which meanwhile answers by how they stood before.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sublet_quota.budgets.spending import ChargedHour, Spending
from sublet_quota.budgets.standing import BudgetStanding, Spent, Whose, standing_of
from sublet_quota.document.lookups.group_budgets import budget_of, budgets_above, hours_of_person
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.reasons.budget_levels import BudgetNews
from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.events import event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.usage.budgets.telling import BudgetNote, BudgetTelling, words_of

_AT_ONCE: Final = 3
"""So many budgets come to be over, or not, at once."""
_KINDS: Final = {
    BudgetNews.ENDS: EventKind.BUDGET_ENDS,
    BudgetNews.OVER: EventKind.BUDGET_SPENT,
    BudgetNews.OVER_NO_NEW: EventKind.BUDGET_SPENT,
    BudgetNews.AGAIN: EventKind.BUDGET_RENEWED,
}


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look at all budgets found."""

    standings: Mapping[Whose, BudgetStanding]
    spent: Spent
    due: tuple[tuple[BudgetStanding, BudgetNews], ...]
    gone: tuple[Whose, ...]
    """Of which something was told, and which are no budgets any more."""


class Budgets:
    """The budgets of the document in force."""

    def __init__(
        self,
        ledger: Ledger,
        capacity: Capacity,
        store: ChargedHourStore,
        now: Callable[[], datetime],
    ) -> None:
        """Let count as borrowed what is spent already.

        ``LedgerReadError`` where what was spent cannot be read.
        """
        self._ledger = ledger
        self._capacity = capacity
        self._store = store
        self._now = now
        self._telling = BudgetTelling(store)
        self._spending: Spending | None = None
        self._document: QuotaDocument | None = None
        self._pending: list[ChargedHour] = []
        self._turn = asyncio.Lock()
        looked = self._look(capacity.holdings.document, (), now())
        self._standings = looked.standings
        capacity.spend(looked.spent)

    def take(self, parts: Iterable[ChargedHour]) -> None:
        """Take over what was held, as it was stored."""
        self._pending += parts

    async def look(self) -> bool:
        """Look how budgets stand, and tell; return whether slices count otherwise now.

        Nothing may be stored meanwhile. ``LedgerReadError``, ``LedgerWriteError``: then it is
        looked at again next time.
        """
        async with self._turn:
            document, now = self._capacity.holdings.document, self._now()
            parts, self._pending = tuple(self._pending), []
            looked = await asyncio.to_thread(self._look, document, parts, now)
            self._standings = looked.standings
            changed = await self._let_be_over(looked.spent, document)
            self._tell(looked, now)
            return changed

    async def _let_be_over(self, spent: Spent, document: QuotaDocument) -> bool:
        """Let budgets be over, or no more, some at a time; others have turns meanwhile."""
        changed = False
        for step in self._capacity.holdings.spent.towards(spent, _AT_ONCE):
            there = self._capacity.holdings.document
            changed |= self._capacity.spend(step if there is document else step.under(there))
            await asyncio.sleep(0)
        return changed

    def all(self) -> tuple[BudgetInfo, ...]:
        """Return all budgets as they were looked at last; of persons, those who spent anything."""
        told = sorted(self._standings.items(), key=lambda each: (each[0][0], each[0][1] or ""))
        return tuple(budget_info(standing) for _, standing in told)

    def of_groups(self) -> tuple[BudgetStanding, ...]:
        """Return how groups' budgets stood when they were looked at last; no one person's."""
        return tuple(each for each in self._standings.values() if each.owner is None)

    def of(self, owner: str, groups: Iterable[str]) -> tuple[BudgetInfo, ...]:
        """Return the budgets that what these groups pay for somebody counts in."""
        return tuple(budget_info(each) for each in self._of(UserName(owner), groups))

    def notes(self, owner: str, groups: Iterable[str]) -> tuple[BudgetNote, ...]:
        """Return what somebody is told of the budgets that these groups' payments count in."""
        now = self._now()
        notes = (self._telling.note(each, now) for each in self._of(UserName(owner), groups))
        return tuple(note for note in notes if note is not None)

    def under(self, document: QuotaDocument, now: datetime) -> tuple[BudgetStanding, ...]:
        """Return how budgets would stand under another document, by what is stored: for a thread.

        ``LedgerReadError``.
        """
        return self._added_up(document, now).standings(now)

    def _added_up(self, document: QuotaDocument, now: datetime) -> Spending:
        spending = Spending(document)
        first = spending.first_hour(now)
        for part in () if first is None else self._store.since(first):
            spending.add(part)
        return spending

    def _of(self, owner: UserName, groups: Iterable[str]) -> Iterator[BudgetStanding]:
        document = self._capacity.holdings.document
        found: dict[GroupName, None] = {}
        for group in groups:
            found |= dict.fromkeys(budget.group for budget in budgets_above(document, group))
        for name in found:
            for whose in ((name, None), (name, owner)):
                standing = self._standings.get(whose)
                if standing is None:
                    standing = _unspent(document, whose, self._now())
                if standing is not None:
                    yield standing

    def _look(
        self, document: QuotaDocument, parts: tuple[ChargedHour, ...], now: datetime
    ) -> _Looked:
        """Add up what is new; where time costs otherwise now, all anew, as it is stored."""
        spending = self._spending
        if spending is None or (document is not self._document and not spending.under(document)):
            self._spending = None
            spending = self._added_up(document, now)
        else:
            for part in parts:
                spending.add(part)
        self._spending, self._document = spending, document
        standings = {each.whose: each for each in spending.standings(now)}
        due = self._telling.due(standings, lambda whose: _unspent(document, whose, now))
        known = (whose for whose in self._telling.known() if whose not in standings)
        return _Looked(
            MappingProxyType(standings),
            Spent.of(standings.values()),
            due,
            tuple(whose for whose in known if _unspent(document, whose, now) is None),
        )

    def _tell(self, looked: _Looked, now: datetime) -> None:
        """Tell what is new of budgets, and keep that it was told."""
        self._telling.keep(looked.due, looked.gone, now)
        events = tuple(_event_of(standing, news, now) for standing, news in looked.due)
        if events:
            self._ledger.apply(Change(events=events), now)


def budget_info(standing: BudgetStanding) -> BudgetInfo:
    """Return a budget as the API tells it."""
    return BudgetInfo(
        group=standing.group,
        owner=standing.owner,
        hours=float(standing.hours.value),
        charged=float(standing.charged),
        credited=float(standing.credited),
        left=float(standing.left),
        warn=float(standing.warn_at),
        is_over=standing.is_over,
        at_end=standing.budget.at_end.value,
        begins_at=standing.begins_at,
        renews_at=standing.renews_at,
        source=standing.hours.source.key,
        line=standing.hours.source.line,
    )


def _unspent(document: QuotaDocument, whose: Whose, now: datetime) -> BudgetStanding | None:
    """Return how a budget stands of which nothing was spent; ``None``: there is none."""
    group, owner = whose
    budget = budget_of(document, group) if group in document.all_groups else None
    if budget is None:
        return None
    hours = budget.hours if owner is None else hours_of_person(document, budget, owner)
    return None if hours is None else standing_of(budget, hours, owner, {}, now)


def _event_of(standing: BudgetStanding, news: BudgetNews, now: datetime) -> EventRecord:
    return replace(event(_KINDS[news], now, words_of(standing, news)), owner=standing.owner)
