"""Budgets that are over, for tests: one line each."""

from datetime import timedelta
from fractions import Fraction

from sublet_quota.budgets.charge import Charge
from sublet_quota.budgets.standing import BudgetStanding, Spent, standing_of
from sublet_quota.document.lookups.group_budgets import budget_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, UserName

from tests.support.quota_cases import NOON


def over(document: QuotaDocument, group: str, owner: str | None = None) -> BudgetStanding:
    """The budget of a group, or of each in it, of which twice the hours are spent."""
    budget = budget_of(document, GroupName(group))
    assert budget is not None
    hours = budget.hours if owner is None else budget.each
    assert hours is not None
    whose = None if owner is None else UserName(owner)
    charges = {NOON - timedelta(hours=2): Charge(charged=2 * hours.value + Fraction(1))}
    return standing_of(budget, hours, whose, charges, NOON)


def spent(document: QuotaDocument, *whose: str) -> Spent:
    """These budgets: ``lab`` is of all together, ``lab/ada`` of one person."""
    parts = (each.partition("/") for each in whose)
    return Spent.of(over(document, group, owner or None) for group, _, owner in parts)
