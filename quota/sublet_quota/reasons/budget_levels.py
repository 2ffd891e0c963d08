"""What is told of a budget as its hours end and come again: codes, numbers and words."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_number
from sublet_quota.reasons.moments import moment_words


class BudgetNews(StrEnum):
    """What is told of a budget."""

    ENDS = "ends"
    OVER = "over"
    OVER_NO_NEW = "over-no-new"
    AGAIN = "again"


_WORDS: Final[Mapping[BudgetNews, str]] = MappingProxyType(
    {
        BudgetNews.ENDS: "{whose} has {left} h left of {hours} h",
        BudgetNews.OVER: (
            "{whose} of {hours} h is spent: what it pays for counts as borrowed and makes way for "
            "all others; nothing is ended{again}"
        ),
        BudgetNews.OVER_NO_NEW: (
            "{whose} of {hours} h is spent: nothing new is let in, and what runs counts as "
            "borrowed; nothing is ended{again}"
        ),
        BudgetNews.AGAIN: "{whose} has hours again: {left} h of {hours} h",
    }
)


def budget_words(  # noqa: PLR0913 - the facts of one sentence
    news: BudgetNews,
    *,
    group: str,
    owner: str | None,
    hours: float,
    left: float,
    again_at: datetime | None = None,
) -> str:
    """Return what is told of a budget, as one clause; ``owner``: whose it is, if one person's."""
    whose = f"the budget of {group}" if owner is None else f"the budget of {owner} in {group}"
    again = "" if again_at is None else f"; hours again at {moment_words(again_at)}"
    return _WORDS[news].format(
        whose=whose, hours=format_number(hours, 2), left=format_number(left, 2), again=again
    )
