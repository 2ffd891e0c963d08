"""The budgets of groups: of a group together, and of each who spends what it pays.

A budget counts all that its group pays and that groups in it pay; so several bind, each by itself,
with a period and a rate of its own. A person's budget counts what one group pays for them: to be in
a further group takes nothing of it away. An exception of a person sets their hours in each budget
that says hours for each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from sublet_quota.document.group_limits import source_of
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import Right
from sublet_quota.document.value_kinds.budget_values import AtEnd, Calendar
from sublet_quota.document.values import Unlimited
from sublet_quota.names.ids import GroupName

DEFAULT_PERIOD: Final = timedelta(days=30)
DEFAULT_ZONE: Final = ZoneInfo("UTC")
DEFAULT_LENT_RATE: Final = Fraction(1, 4)
DEFAULT_WARN: Final = Fraction(4, 5)
_OF_PERSONS: Final = ("budget", "hours")


@dataclass(frozen=True, slots=True)
class Budget:
    """What a group may spend in a period."""

    group: GroupName
    hours: Right[Fraction] | None
    """Hours on cards times their rate, of all together; ``None``: no limit."""
    each: Right[Fraction] | None
    """The same of each who spends; ``None``: no limit."""
    per: timedelta | Calendar
    zone: ZoneInfo
    lent_rate: Fraction
    """Which part of borrowed and of lent time counts."""
    warn: Fraction
    """At which part of the hours it is told that they end."""
    at_end: AtEnd


def has_budgets(document: QuotaDocument) -> bool:
    """Whether any group has a budget."""
    return any(_says_hours(document, name) for name in document.all_groups)


def all_budgets(document: QuotaDocument) -> Iterator[Budget]:
    """Yield every group's budget, parents before their children."""
    for name in document.all_groups:
        budget = budget_of(document, name)
        if budget is not None:
            yield budget


def budgets_above(document: QuotaDocument, group: str | None) -> tuple[Budget, ...]:
    """Return the budgets that what a group pays counts in, the nearest first."""
    found = (budget_of(document, name) for name in reversed(document.path_of_payer(group)))
    return tuple(budget for budget in found if budget is not None)


def budget_of(document: QuotaDocument, group: GroupName) -> Budget | None:
    """Return a group's own budget; ``None``: it has none."""
    if not _says_hours(document, group):
        return None
    said = document.all_groups[group].budget
    return Budget(
        group=group,
        hours=_hours(document, group, said.hours, "hours"),
        each=_hours(document, group, said.each.hours, "each", "hours"),
        per=said.per or DEFAULT_PERIOD,
        zone=said.zone or DEFAULT_ZONE,
        lent_rate=DEFAULT_LENT_RATE if said.lent_rate is None else said.lent_rate,
        warn=DEFAULT_WARN if said.warn is None else said.warn,
        at_end=said.at_end or AtEnd.SOFT_LANDING,
    )


def hours_of_person(document: QuotaDocument, budget: Budget, owner: str) -> Right[Fraction] | None:
    """Return the hours of one person in a budget; ``None``: no limit."""
    if budget.each is None:
        return None
    said = document.exceptions_for(owner).get(_OF_PERSONS)
    if said is None:
        return budget.each
    if isinstance(said.value, Unlimited):
        return None
    return Right(said.value, source_of(document, said.origin))


def _says_hours(document: QuotaDocument, group: GroupName) -> bool:
    said = document.all_groups[group].budget
    return said.hours is not None or said.each.hours is not None


def _hours(
    document: QuotaDocument, group: GroupName, said: Fraction | Unlimited | None, *key: str
) -> Right[Fraction] | None:
    if said is None or isinstance(said, Unlimited):
        return None
    path = (*key_path(document.path_of(group)), "budget", *key)
    return Right(said, source_of(document, path))
