"""What is told of budgets: that the hours end, that they are spent, and that there are hours again.

Each is told once in a period, also after a restart; of a rolling budget, once in as long as it is.
Where the hours are others than those of which it was told, it is told anew. What is told goes to
the events, and to those who spend the hours with their share, for a day.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.budgets.standing import BudgetStanding, Whose
from sublet_quota.document.value_kinds.budget_values import AtEnd
from sublet_quota.reasons.budget_levels import BudgetNews, budget_words

from sublet_hub.ledger.charged_hours import ChargedHourStore, ToldOfBudget

SHOWN_FOR: Final = timedelta(days=1)
_ENDED: Final = (BudgetNews.OVER, BudgetNews.OVER_NO_NEW)
_NOTHING: Final[Mapping[BudgetNews, ToldOfBudget]] = {}


@dataclass(frozen=True, slots=True)
class BudgetNote:
    """What those who spend a budget are told of it."""

    whose: Whose
    text: str
    made_at: datetime
    until: datetime


class BudgetTelling:
    """What was told of budgets, and what is to be told."""

    def __init__(self, store: ChargedHourStore) -> None:
        """``LedgerReadError`` where it cannot be read what was told."""
        self._store = store
        self._told: defaultdict[Whose, dict[BudgetNews, ToldOfBudget]] = defaultdict(dict)
        for each in store.told():
            self._told[each.whose][each.news] = each

    def due(
        self,
        standings: Mapping[Whose, BudgetStanding],
        standing_of: Callable[[Whose], BudgetStanding | None],
    ) -> tuple[tuple[BudgetStanding, BudgetNews], ...]:
        """Return what is to be told. Changes nothing: for any thread.

        ``standing_of``: how budgets stand that are not among these, as nothing was spent of them.
        """
        others = (standing_of(whose) for whose in self._unanswered() if whose not in standings)
        every = (*standings.values(), *(each for each in others if each is not None))
        found = ((each, _news_of(each, self._told_of(each.whose))) for each in every)
        return tuple((each, news) for each, news in found if news is not None)

    def keep(
        self, due: Iterable[tuple[BudgetStanding, BudgetNews]], gone: Iterable[Whose], now: datetime
    ) -> None:
        """Keep that this was told, and forget budgets that are no more. ``LedgerWriteError``."""
        told = [ToldOfBudget(each.whose, news, now, each.hours.value) for each, news in due]
        gone = [whose for whose in gone if whose in self._told]
        if not told and not gone:
            return
        self._store.tell(told, gone)
        for whose in gone:
            del self._told[whose]
        for each in told:
            self._told[each.whose][each.news] = each

    def known(self) -> tuple[Whose, ...]:
        """Return of which budgets anything was told."""
        return tuple(self._told)

    def note(self, standing: BudgetStanding, now: datetime) -> BudgetNote | None:
        """Return what those who spend a budget are told now; ``None``: nothing."""
        news = _state_of(standing)
        told = None if news is None else self._told_of(standing.whose).get(news)
        if news is None or told is None or now >= told.at + SHOWN_FOR:
            return None
        clause = words_of(standing, news)
        text = f"{clause[0].upper()}{clause[1:]}."
        return BudgetNote(standing.whose, text, told.at, told.at + SHOWN_FOR)

    def _told_of(self, whose: Whose) -> Mapping[BudgetNews, ToldOfBudget]:
        return self._told.get(whose, _NOTHING)

    def _unanswered(self) -> Iterator[Whose]:
        """Yield the budgets of which was told that they are over, and not yet that they are not."""
        return (whose for whose, told in tuple(self._told.items()) if _is_unanswered(told))


def words_of(standing: BudgetStanding, news: BudgetNews) -> str:
    """Return what is told of a budget, as one clause."""
    return budget_words(
        news,
        group=standing.group,
        owner=standing.owner,
        hours=float(standing.hours.value),
        left=float(standing.left),
        again_at=standing.renews_at,
    )


def _state_of(standing: BudgetStanding) -> BudgetNews | None:
    """Return what there is to say of a budget as it stands, told or not."""
    if standing.is_over:
        no_new = standing.budget.at_end is AtEnd.NO_NEW
        return BudgetNews.OVER_NO_NEW if no_new else BudgetNews.OVER
    return BudgetNews.ENDS if standing.warns else None


def _news_of(
    standing: BudgetStanding, told: Mapping[BudgetNews, ToldOfBudget]
) -> BudgetNews | None:
    """Return what is to be told of a budget after all that was told."""
    hours = standing.hours.value
    state = _state_of(standing)
    if not standing.is_over and _is_unanswered(told):
        return BudgetNews.AGAIN
    if state is None or not hours:
        return None
    fresh = {
        news for news, each in told.items() if each.at >= standing.begins_at and each.hours == hours
    }
    # That the hours end is no news once they were spent.
    known = {state} if standing.is_over else {BudgetNews.ENDS, *_ENDED}
    return None if fresh & known else state


def _is_unanswered(told: Mapping[BudgetNews, ToldOfBudget]) -> bool:
    ended = [told[news].at for news in _ENDED if news in told]
    again = told.get(BudgetNews.AGAIN)
    return bool(ended) and (again is None or max(ended) > again.at)
