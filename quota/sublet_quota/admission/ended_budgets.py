"""Budgets that are over and let in nothing new (`at_end: no-new`)."""

from math import floor

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.told_lines import told_line
from sublet_quota.budgets.standing import BudgetStanding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.refusals.budgets import BudgetRefusal
from sublet_quota.reasons.refusals.facts import Fact


def denied_by_budget(holdings: Holdings, group: GroupName | None, owner: UserName) -> Denial | None:
    """Return why a group pays for nothing new of somebody's; ``None``: it does."""
    over = budget_that_refuses(holdings, group, owner)
    if over is None:
        return None
    code = BudgetRefusal.PERSON if over.owner is not None else BudgetRefusal.GROUP
    line = told_line(over.hours.source)
    return Denial(code, Rule.BUDGET, over.group, (line,), facts_of_budget(over))


def budget_that_refuses(
    holdings: Holdings, group: GroupName | None, owner: UserName
) -> BudgetStanding | None:
    """Return the budget for which a group pays for nothing new of somebody's."""
    return holdings.spent.refuses(holdings.document.path_of_payer(group), owner)


def facts_of_budget(over: BudgetStanding) -> dict[str, Fact]:
    """Return what is told of a budget that is over."""
    facts: dict[str, Fact] = {
        "group": over.group,
        "budget_minutes": floor(over.hours.value * 60),
        "line": told_line(over.hours.source),
        "again_at": "" if over.renews_at is None else moment_words(over.renews_at),
    }
    return facts if over.owner is None else {**facts, "owner": over.owner}
