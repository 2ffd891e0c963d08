"""Refusals for budgets that are over and let in nothing new.

``line`` is where the quota document says the hours; ``again_at`` when there are hours again.
"""

from enum import unique
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row

_NUMBERS: Final = ("budget_minutes",)


@unique
class BudgetRefusal(RefusalCode):
    """Whose budget is over."""

    GROUP = Row(
        RefusalReason.BUDGET_SPENT,
        "Group '{group}' has spent its budget of {budget_minutes} ({line}), and nothing new is let "
        "in. {again_at}",
        _NUMBERS,
    )
    PERSON = Row(
        RefusalReason.BUDGET_SPENT,
        "'{owner}' has spent the budget of {budget_minutes} in group '{group}' ({line}), and "
        "nothing new is let in. {again_at}",
        _NUMBERS,
    )
