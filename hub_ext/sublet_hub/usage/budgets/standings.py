"""How the budgets stand, who is told, and what follows: what is spent counts as borrowed.

Looked at once a minute, when what was held meanwhile is stored, and when another document is in
force: then all is added up anew. What was told is kept, so that each word is said once: that the
hours end, that they are spent, and that there are hours again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from sublet_quota.budgets.spending import ChargedHour, Spending
from sublet_quota.budgets.standing import BudgetStanding, Spent, Whose
from sublet_quota.document.lookups.group_budgets import budgets_above
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.value_kinds.budget_values import AtEnd
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.reasons.budget_levels import BudgetLevel, BudgetNews, budget_words
from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.events import event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord
from sublet_hub.state.capacity import Capacity

_KINDS: Final = {
    BudgetNews.ENDS: EventKind.BUDGET_ENDS,
    BudgetNews.OVER: EventKind.BUDGET_SPENT,
    BudgetNews.OVER_NO_NEW: EventKind.BUDGET_SPENT,
    BudgetNews.AGAIN: EventKind.BUDGET_RENEWED,
}


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
        self._document = capacity.holdings.document
        self._spending = self._added_up(self._document)
        self._told = store.told()
        self._standings: dict[Whose, BudgetStanding] = {}
        self._stand(now())

    def take(self, parts: Iterable[ChargedHour]) -> None:
        """Take over what was held, as it was stored."""
        for part in parts:
            self._spending.add(part)

    def look(self) -> bool:
        """Look how budgets stand, and tell; return whether slices count otherwise now.

        ``LedgerReadError``, ``LedgerWriteError``: then it is looked at again next time.
        """
        document, now = self._capacity.holdings.document, self._now()
        if document is not self._document:
            self._spending, self._document = self._added_up(document), document
        changed = self._stand(now)
        self._tell(now)
        return changed

    def _stand(self, now: datetime) -> bool:
        standings = self._spending.standings(now)
        self._standings = {each.whose: each for each in standings}
        return self._capacity.spend(Spent.of(standings))

    def all(self) -> tuple[BudgetInfo, ...]:
        """Return all budgets as they were looked at last; of persons, those who spent anything."""
        told = sorted(self._standings.items(), key=lambda each: (each[0][0], each[0][1] or ""))
        return tuple(budget_info(standing) for _, standing in told)

    def of(self, owner: str, groups: Iterable[str]) -> tuple[BudgetInfo, ...]:
        """Return the budgets that what these groups pay for somebody counts in."""
        document = self._capacity.holdings.document
        found: dict[GroupName, None] = {}
        for group in groups:
            found |= dict.fromkeys(budget.group for budget in budgets_above(document, group))
        return tuple(self._of(UserName(owner), found))

    def _of(self, owner: UserName, groups: Iterable[GroupName]) -> Iterator[BudgetInfo]:
        for group in groups:
            together = self._standings.get((group, None))
            if together is not None:
                yield budget_info(together)
            own = self._spending.of_person(group, owner, self._now())
            if own is not None:
                yield budget_info(own)

    def _added_up(self, document: QuotaDocument) -> Spending:
        spending = Spending(document)
        first = spending.first_hour(self._now())
        for part in () if first is None else self._store.since(first):
            spending.add(part)
        return spending

    def _tell(self, now: datetime) -> None:
        """Tell what is new of budgets, and keep that it was told."""
        levels: dict[Whose, str | None] = {}
        events: list[EventRecord] = []
        for whose, standing in self._standings.items():
            level, before = _level_of(standing), self._told.get(whose)
            if level == before:
                continue
            levels[whose] = level
            news = _news_of(standing, level, before)
            if news is not None:
                events.append(_event_of(standing, news, now))
        # What is no budget any more is told of by nobody.
        levels |= dict.fromkeys(self._told.keys() - self._standings.keys())
        if not levels:
            return
        self._store.tell(levels)
        self._told = {
            whose: level for whose, level in {**self._told, **levels}.items() if level is not None
        }
        if events:
            self._ledger.apply(Change(events=tuple(events)), now)


def budget_info(standing: BudgetStanding) -> BudgetInfo:
    """Return how a budget stands, for the API."""
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


def _level_of(standing: BudgetStanding) -> str | None:
    if standing.is_over:
        return BudgetLevel.OVER.value
    return BudgetLevel.WARNED.value if standing.warns else None


def _news_of(standing: BudgetStanding, level: str | None, before: str | None) -> BudgetNews | None:
    """Return what is told when a budget comes to a level from another."""
    if level == BudgetLevel.OVER:
        no_new = standing.budget.at_end is AtEnd.NO_NEW
        return BudgetNews.OVER_NO_NEW if no_new else BudgetNews.OVER
    if before == BudgetLevel.OVER:
        return BudgetNews.AGAIN
    return BudgetNews.ENDS if level == BudgetLevel.WARNED else None


def _event_of(standing: BudgetStanding, news: BudgetNews, now: datetime) -> EventRecord:
    words = budget_words(
        news,
        group=standing.group,
        owner=standing.owner,
        hours=float(standing.hours.value),
        left=float(standing.left),
        again_at=standing.renews_at,
    )
    return replace(event(_KINDS[news], now, words), owner=standing.owner)
